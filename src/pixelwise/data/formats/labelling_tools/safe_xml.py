"""XML without its dangers: no document types, so no entities that expand or read other files, and limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.parsers import expat

from .json_files import MAX_BYTES

_MAX_DEPTH = 64
_MAX_TEXT = 100_000

StartHandler = Callable[[list[str], Mapping[str, str]], None]
"""Called at the start of an element: the names of the elements from the root to it, and its attributes."""

EndHandler = Callable[[list[str], Mapping[str, str], str], None]
"""Called at the end of an element: the same, and the text directly in it."""


def parse_xml(file: Path, start: StartHandler, end: EndHandler) -> None:
    """Parse an XML file element by element.

    Raises:
        ValueError: it is too large, broken, nested too deeply, or declares a document type or entities.
    """
    size = file.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{file} has {size:,} bytes: annotation files of at most {MAX_BYTES:,} are read; split it")
    path: list[str] = []
    opened: list[tuple[dict[str, str], list[str]]] = []

    def started(name: str, attributes: dict[str, str]) -> None:
        path.append(name)
        if len(path) > _MAX_DEPTH:
            raise ValueError(
                f"{file} has elements in elements, more than {_MAX_DEPTH} deep: this is no annotation file"
            )
        opened.append((attributes, []))
        start(path, attributes)

    def ended(name: str) -> None:
        attributes, texts = opened.pop()
        end(path, attributes, "".join(texts))
        path.pop()

    def said(text: str) -> None:
        texts = opened[-1][1]
        if len(texts) < _MAX_TEXT:
            texts.append(text)

    def refuse(*declaration: Any) -> None:
        raise ValueError(
            f"{file} declares a document type (<!DOCTYPE …> or <!ENTITY …>), of no use in annotation files, "
            "which can make a small file fill the memory: remove the declaration, or export the annotations anew"
        )

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = started, ended, said
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        with file.open("rb") as stream:
            parser.ParseFile(stream)
    except expat.ExpatError as error:
        raise ValueError(f"{file} is no XML: {error}; is it whole?") from None

"""Atomic writing of files: a file is complete or does not exist."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def write_aside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path` with the same suffix, and move it to `path` when the block succeeds.

    A missing folder is created. Nothing is left behind if the block fails.

    Raises:
        OSError: `path` cannot be written: no permission, a full disk, a file in place of a folder; the error names it.
    """
    path = Path(path)
    aside = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        aside.replace(path)
    except OSError as error:
        raise type(error)(error.errno, f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if path.parent.is_dir():  # below a file, unlink raises in spite of missing_ok
            aside.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file in UTF-8 as a whole; raises the errors of `write_aside`."""
    with write_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file as a whole; raises the errors of `write_aside`."""
    with write_aside(path) as aside:
        aside.write_bytes(data)

"""Images with drawn shapes, as the files of labelling tools hold them, and checks of their fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ....images.header import MAX_PIXELS


@dataclass
class DrawnShape:
    """One drawn shape.

    Attributes:
        name: its class.
        part: see `object_parts`.
        where: the shape's place in the annotation file, for errors, as "shape 3".
        group: shapes of one class and one group are one object; None for a shape that is an object itself.
        crowd: whether it is a crowd.
    """

    name: str
    part: dict[str, Any]
    where: str
    group: Hashable = None
    crowd: bool = False


@dataclass
class DrawnImage:
    """One image in an annotation file.

    Attributes:
        source: the annotation file.
        name: the image's name in it: a name, a path or a URL.
        size: height and width as the file states them; None if it does not.
        shapes: in the order of the file; of two that overlap, the later is on top.
        split: the split that the file states; None if it does not.
        other_name: where to look for the image if there is none of this `name`.
    """

    source: Path
    name: str
    size: tuple[int, int] | None
    shapes: list[DrawnShape]
    split: str | None = None
    other_name: str | None = None


@dataclass
class Drawings:
    """Everything that the annotation files of a data set hold.

    Attributes:
        path: the path that was opened.
        tool: name of the format, for notes.
        images: all of them, of all splits.
        names: names of classes that the files list, in this order; classes without shapes too.
        left_out: numbers of shapes that are not read, by kind ("points", "lines", …).
        notes: what else was recognised.
        named_files: whether the names of the annotation files may state a split, as `train.json`.
    """

    path: Path
    tool: str
    images: list[DrawnImage]
    names: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    named_files: bool = True

    @property
    def root(self) -> Path:
        """The data set's folder."""
        return self.path if self.path.is_dir() else self.path.parent


def check_size(height: Any, width: Any, where: str) -> tuple[int, int] | None:
    """Check the height and width that an annotation file states; None if it states neither.

    Raises:
        ValueError: they are no whole numbers from 1 on, or absurdly large.
    """
    if height is None and width is None:
        return None
    size = (_whole(height), _whole(width))
    if size[0] < 1 or size[1] < 1:
        raise ValueError(f"{where}: height and width are {height!r} and {width!r}: wanted whole numbers from 1 on")
    if size[0] * size[1] > MAX_PIXELS:
        raise ValueError(f"{where}: an image of {size[1]}x{size[0]} is larger than the {MAX_PIXELS:,} pixels allowed")
    return size


def check_label(name: Any, where: str) -> str:
    """Check the name of a class in an annotation file.

    Raises:
        ValueError: it is no text, or empty.
    """
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"{where} has the label {str(name)[:60]!r}: wanted the name of a class")
    return name.strip()


def _whole(value: Any) -> int:
    """A whole number, also one that is written as a text or with a decimal point; 0 if it is none."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 12:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if type(value) is int else 0

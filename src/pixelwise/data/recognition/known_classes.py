"""The classes of the data sets that published weights were trained on, one file each in `class_lists/`."""

from __future__ import annotations

from pathlib import Path

from ...classes import Classes, Color
from ...ops.names import suggest

FOLDER = Path(__file__).with_name("class_lists")


def known_classes(name: str) -> Classes:
    """The classes of a data set: "voc", "cityscapes", "ade20k", "cocostuff", "coco", "coco-panoptic", "carvana".

    A line of its file is a name and, after tabs, its usual colour and "thing" if it can be counted; a class called
    `background` is the background.

    Raises:
        ValueError: for a data set that is not known.
    """
    known = sorted(path.stem for path in FOLDER.glob("*.txt"))
    if name not in known:
        raise ValueError(f"the classes of {name!r} are not known: {suggest(name, known)}")
    lines = [line.split("\t") for line in (FOLDER / f"{name}.txt").read_text("utf-8").splitlines()]
    names = tuple(line[0] for line in lines)
    colors: list[Color] = []
    for _, *color in lines:
        colors += [(int(r), int(g), int(b)) for r, g, b in (text.split() for text in color[:1])]
    things = tuple(line[-1] == "thing" for line in lines)
    return Classes(names, tuple(colors), things, names.index("background") if "background" in names else None)

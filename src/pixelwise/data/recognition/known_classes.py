"""Classes of the data sets that published weights were trained on, one file each in `class_lists/`."""

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
        ValueError: the data set is not known.
    """
    known = sorted(path.stem for path in FOLDER.glob("*.txt"))
    if name not in known:
        raise ValueError(f"the classes of {name!r} are not known: {suggest(name, known)}")
    names: list[str] = []
    colors: list[Color] = []
    things: list[bool] = []
    for line in (FOLDER / f"{name}.txt").read_text("utf-8").splitlines():
        fields = line.split("\t")
        names.append(fields[0])
        things.append(fields[-1] == "thing")
        if len(fields) > 1:
            red, green, blue = fields[1].split()
            colors.append((int(red), int(green), int(blue)))
    background = names.index("background") if "background" in names else None
    return Classes(tuple(names), tuple(colors), tuple(things), background)

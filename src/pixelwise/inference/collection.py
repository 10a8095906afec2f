"""The files that hold the results of all pictures together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..classes import Classes
from ..data.annotations import Annotations
from ..data.yolo import write_names
from ..segmentation import Segmentation
from . import table


class Collection:
    """Results picture by picture, to be written at the end: `coco.json`, `table.csv`, `yolo/data.yaml`.

    Args:
        classes: of all results.
        formats: those wanted; others than "coco", "table" and "yolo" have no such file.
    """

    def __init__(self, classes: Classes, formats: Sequence[str]) -> None:
        self.classes, self.formats = classes, formats
        self._annotations, self._rows = Annotations(classes, scores=True), list[table.Row]()

    def add(self, name: str, result: Segmentation) -> None:
        """The result of one picture; `name` is what the files call it."""
        if "coco" in self.formats:
            self._annotations.add(name, result)
        if "table" in self.formats:
            self._rows += table.rows(name, result)

    def write(self, out: Path) -> None:
        """All of them into a folder.

        Raises:
            OSError: names the file that cannot be written.
        """
        if "coco" in self.formats:
            self._annotations.write(out / "coco.json")
        if "table" in self.formats:
            table.write(self._rows, out / "table.csv")
        if "yolo" in self.formats:
            write_names(self.classes, {"train": "images"}, out / "yolo")

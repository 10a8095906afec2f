"""The files that hold the results of all images together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..classes import Classes
from ..data.formats.annotations import Annotations
from ..data.formats.panoptic_annotations import PanopticAnnotations
from ..data.formats.yolo import Texts, write_names
from ..ops.phrases import counted
from ..segmentation import Segmentation
from . import objects_table as table

COLLECTED = ("coco", "coco-panoptic", "table", "yolo")
"""The formats of which all images share a file."""


class Collection:
    """Results image by image, to be written at the end: `coco.json`, `coco-panoptic.json`, `table.csv`, and
    `yolo/data.yaml`, which names the classes.

    Args:
        classes: of all results.
        formats: those wanted; others than those of `COLLECTED` have no such file.
        out: the folder; the PNGs of "coco-panoptic" and the texts of "yolo" are written when an image is added.
    """

    def __init__(self, classes: Classes, formats: Sequence[str], out: Path) -> None:
        self.classes, self.formats, self.out = classes, formats, out
        self._annotations, self._rows = Annotations(classes, scores=True), list[table.Row]()
        self._texts = Texts()
        self._hidden = list[str]()  # the image of each object that has no pixel in its label map
        self._panoptic = PanopticAnnotations(classes, out / "coco-panoptic", scores=True)

    def add(self, name: str, result: Segmentation) -> None:
        """The result of one image; `name` is what the files call it."""
        if "coco-panoptic" in self.formats:
            self._panoptic.add(name, result)
        if "coco" in self.formats:
            self._annotations.add(name, result)
        if "table" in self.formats:
            self._rows += table.rows(name, result)
        if "label-map" in self.formats:
            self._hidden += [name] * (len(result) - len(result.panoptic_map().unique().nonzero()))
        if "yolo" in self.formats:
            self._texts.add(result, self.out / "yolo" / "labels" / Path(name).with_suffix(".txt"))

    def notes(self) -> tuple[str, ...]:
        """What the formats could not hold as it is, in sentences for people."""
        notes = self._texts.notes()
        if self._hidden:
            number = counted(len(self._hidden), "object has", "objects have")
            notes.append(f"{number} no pixel in the label map, as others lie on top; the first in {self._hidden[0]}")
        return tuple(notes)

    def write(self) -> None:
        """All of them.

        Raises:
            OSError: names the file that cannot be written.
        """
        if "coco" in self.formats:
            self._annotations.write(self.out / "coco.json")
        if "coco-panoptic" in self.formats:
            self._panoptic.write(self.out / "coco-panoptic.json")
        if "table" in self.formats:
            table.write(self._rows, self.out / "table.csv")
        if "yolo" in self.formats:
            write_names(self.classes, {"train": "images"}, self.out / "yolo")

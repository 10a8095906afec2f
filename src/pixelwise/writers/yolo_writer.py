"""YOLO: a text of polygons for each image, and a `data.yaml` that names the classes."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

from ..classes import Classes
from ..data.formats.yolo import LabelWriter, write_names
from ..images.reading import ImageSource
from ..segmentation import Segmentation
from .writer import FilePerImage


class YoloWriter(FilePerImage):
    """Write a line for each object, without scores; the class numbers do not count the background.

    In a folder the texts are in `yolo/labels` beside `yolo/data.yaml`; with the images in `yolo/images` it is a data
    set.
    """

    name = "yolo"
    suffix = ".txt"
    recognized: ClassVar[tuple[str, ...]] = (".txt",)

    def __init__(self, folder: Path, file: Path | None, classes: Classes) -> None:
        super().__init__(folder, file, classes)
        self._texts = LabelWriter()

    @classmethod
    def for_folder(cls, folder: Path, classes: Classes) -> Self:
        return cls(folder / cls.name / "labels", None, classes)

    def write(self, path: Path, result: Segmentation, image: ImageSource | None) -> None:
        """Write the polygons of one image."""
        self._texts.add(result, path)

    def close(self) -> None:
        if self.file is None:
            write_names(self.classes, {"train": "images"}, self.folder.parent)

    def notes(self) -> list[str]:
        return self._texts.notes()

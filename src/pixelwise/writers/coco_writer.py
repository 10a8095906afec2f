"""COCO: one JSON file with the run lengths and the score of each object of all images."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from ..classes import Classes
from ..data.formats.annotations import Annotations
from ..images.reading import ImageSource
from ..segmentation import Segmentation
from .writer import SharedFile


class CocoWriter(SharedFile):
    """Write COCO JSON: an annotation for each object, or for each class of a semantic result, background left out."""

    name = "coco"
    suffix = ".json"
    recognized: ClassVar[tuple[str, ...]] = (".json",)

    def __init__(self, path: Path, classes: Classes) -> None:
        self.path = path
        self._annotations = Annotations(classes, scores=True)

    def add(self, name: str, result: Segmentation, image: ImageSource | None = None) -> None:
        self._annotations.add(name, result)

    def close(self) -> None:
        self._annotations.write(self.path)

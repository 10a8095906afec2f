"""COCO panoptic: a PNG of segment numbers for each image, and one JSON file beside their folder."""

from __future__ import annotations

from pathlib import Path

from ..classes import Classes
from ..data.formats.panoptic_annotations import PanopticAnnotations
from ..images.reading import ImageSource
from ..segmentation import Segmentation
from .writer import SharedFile


class CocoPanopticWriter(SharedFile):
    """Write COCO panoptic JSON, and a folder of the same name with a PNG for each image, written at once.

    The suffix of the JSON file is .json, whatever the path states.
    """

    name = "coco-panoptic"
    suffix = ".json"

    def __init__(self, path: Path, classes: Classes) -> None:
        self.path = path.with_suffix(".json")
        self._annotations = PanopticAnnotations(classes, path.with_suffix(""), scores=True)

    def add(self, name: str, result: Segmentation, image: ImageSource | None = None) -> None:
        self._annotations.add(name, result)

    def close(self) -> None:
        self._annotations.write(self.path)

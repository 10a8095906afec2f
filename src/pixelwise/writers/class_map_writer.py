"""Class maps: the index of the class of each pixel, as an 8-bit palette PNG."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from PIL import Image

from ..classes import MAX_CLASSES, Classes
from ..images.reading import ImageSource
from ..segmentation import Segmentation
from .class_map_rows import palette
from .image_encoding import write_image
from .writer import FilePerImage


class ClassMapWriter(FilePerImage):
    """Write class indices, 255 for void; the palette has the colours of the classes.

    Raises:
        ValueError: if there are more classes than 8 bits can number.
    """

    name = "class-map"
    suffix = ".png"
    recognized: ClassVar[tuple[str, ...]] = (".png",)

    def __init__(self, folder: Path, file: Path | None, classes: Classes) -> None:
        if len(classes) > MAX_CLASSES:
            raise ValueError(
                f"there are {len(classes)} classes, and a class map holds {MAX_CLASSES} at most: write label-map, "
                "coco, yolo or table"
            )
        super().__init__(folder, file, classes)

    def write(self, path: Path, result: Segmentation, image: ImageSource | None) -> None:
        """Write the class map of one image."""
        class_map = Image.fromarray(result.class_map().cpu().numpy()).convert("L")
        class_map.putpalette(palette(result.classes).tobytes())
        write_image(class_map, path)

"""Overlays: each image with the result drawn on it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from PIL import Image

from ..drawing.overlay import draw
from ..images.reading import ImageSource
from ..segmentation import Segmentation
from .image_encoding import write_image
from .writer import FilePerImage

MAX_JPEG_SIDE = 65_500
"""The longest side of a JPEG, pixels; overlays of larger images are PNG."""


class OverlayWriter(FilePerImage):
    """Write the image with the result drawn on it; objects with their names and scores."""

    name = "overlay"
    suffix = ".jpg"
    recognized: ClassVar[tuple[str, ...]] = (".jpg", ".jpeg", ".webp")

    def path_of(self, name: str, result: Segmentation) -> Path:
        path = super().path_of(name, result)
        return path.with_suffix(".png") if max(result.size) > MAX_JPEG_SIDE else path

    def write(self, path: Path, result: Segmentation, image: ImageSource | None) -> None:
        """Write the overlay of one image.

        Raises:
            OSError: names the file if it cannot be written.
            ValueError: if there is no image to draw on.
        """
        if image is None:
            raise ValueError(f"{path}: an overlay needs the image too: save(result, path, image=image)")
        write_image(Image.fromarray(draw(image, result)), path)

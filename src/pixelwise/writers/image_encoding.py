"""Encoded images, written as whole files or not at all."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from ..ops.atomic_files import write_bytes

JPEG_QUALITY = 92


def write_image(image: Image.Image, path: Path) -> None:
    """Write an image in the format that the suffix states.

    Raises:
        OSError: names the file if it cannot be written.
        ValueError: for a suffix that is none of an image.
    """
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path}: images are written as .png, .jpg or .webp, not as {path.suffix or 'no suffix'!r}")
    buffer = io.BytesIO()  # encoded in memory first, so that a failure leaves no part of a file
    image.save(buffer, kind, quality=JPEG_QUALITY)
    write_bytes(path, buffer.getvalue())

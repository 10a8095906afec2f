"""Pixels of image files as they are stored: neither turned upright nor converted to 8 bits."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ..types import Array
from .file_names import open_file
from .header import HIGH_BIT_MODES, Header, parse_header
from .pillow_formats import BROKEN_FILE_ERRORS, open_with_pillow
from .tiff_tags import reset_orientation


def read_stored_pixels(path: Path, max_pixels: int, *, keep_indices: bool) -> tuple[Header, Array]:
    """Read the header and the pixels of an image file.

    Args:
        path: the file.
        max_pixels: refuse an image of more pixels than this.
        keep_indices: keep the indices of palette images and 0 and 1 of 1-bit images, as masks need them; otherwise
            palettes become colours and 1-bit images are bool. CMYK becomes RGB either way.

    Returns:
        The header, and (H, W), (H, W, 3) RGB or (H, W, 4) RGBA of any numeric type.

    Raises:
        FileNotFoundError, ValueError: as `read_header`; ValueError also for pixels that cannot be decoded.
    """
    with open_file(path) as file:
        header = parse_header(path, file, max_pixels)
        try:
            file.seek(0)
            return header, _decode(path, file.read(), header, keep_indices)
        except (*BROKEN_FILE_ERRORS, Image.DecompressionBombError, cv2.error) as error:
            size = f"{header.stored[1]}x{header.stored[0]}"
            what = f"{path}: the pixels of this {header.kind} of {size} cannot be read"
            raise ValueError(f"{what} ({error}): the file is cut short or broken; copy or save it anew") from error


def _decode(path: Path, data: bytes, header: Header, keep_indices: bool) -> Array:
    if header.kind == "TIFF" and header.orientation != 1:
        data = reset_orientation(data)
    if header.opencv_flags is not None:
        return _decode_with_opencv(data, header.opencv_flags, header.stored)
    if header.kind == "TIFF" and header.mode.startswith(HIGH_BIT_MODES):
        raise ValueError(f"bands of {header.mode} lie in planes of their own: save it with its pixels interleaved")
    return _decode_with_pillow(path, data, keep_indices)


def _decode_with_opencv(data: bytes, flags: int, size: tuple[int, int]) -> Array:
    # Unknown TIFF tags would print warnings; what matters is raised below.
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        pixels: Array | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    finally:
        cv2.utils.logging.setLogLevel(level)
    if pixels is None or pixels.shape[:2] != size:
        raise ValueError("OpenCV found no whole image")
    if flags == cv2.IMREAD_UNCHANGED and pixels.ndim == 3:
        bgr_to_rgb = [2, 1, 0, 3]
        pixels = pixels[..., bgr_to_rgb[: pixels.shape[2]]]
    return pixels


def _decode_with_pillow(path: Path, data: bytes, keep_indices: bool) -> Array:
    with open_with_pillow(path, BytesIO(data)) as image:
        if keep_indices and image.mode == "P":
            return np.array(image)
        pixels = np.array(_without_palette(image))
    if keep_indices and pixels.dtype == np.bool_:
        return pixels.astype(np.uint8)
    return pixels


def _without_palette(image: Image.Image) -> Image.Image:
    """The image in a mode of numbers that stand for themselves: RGBA, RGB, grey, 1 bit, integers or floats."""
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode in ("1", "L", "RGB", "F") or image.mode.startswith("I"):
        return image
    return image.convert("RGB")

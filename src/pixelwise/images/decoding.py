"""Reading images and masks from files: upright, complete and of a reasonable size, or an error that says what to do."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..types import Array
from .conversion import as_rgb, check_finite, full_scale_of, max_value
from .header import MAX_PIXELS
from .stored_pixels import read_stored_pixels


def read_image(
    path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS, full_scale: float | None = None
) -> Tensor:
    """Read an image file as upright 8-bit RGB.

    JPEG, PNG, TIFF, BMP, WebP, GIF and PPM can be read; of several frames or pages the first is. EXIF's rotation is
    applied. Grey, 1-bit, palette and CMYK pixels become RGB; transparent pixels are blended with white.

    Values of more than 8 bits (and floats) are multiplied by 255 / full scale and rounded. Unless `full_scale` is
    given, the full scale is the smallest of 1023, 4095, 16383 and 65535 that the image's largest value does not exceed;
    for floats, the smallest of 1, 255 and those. Give it for a set of images that differ in exposure, so that all are
    converted alike.

    Args:
        path: the file.
        max_pixels: refuse an image of more pixels than this, before decoding it.
        full_scale: the value that becomes 255, for images of more than 8 bits; brighter pixels become 255 too.

    Returns:
        (3, H, W) uint8, a view of rows of RGB pixels.

    Raises:
        FileNotFoundError: the file does not exist; the error suggests the most similar name.
        ValueError: the file is empty, not an image, cut short, too large, or holds NaN, infinite or negative values.
    """
    path = Path(path)
    header, pixels = read_stored_pixels(path, max_pixels, keep_indices=False)
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * 255
    if pixels.dtype == np.uint8:
        scale = 255.0
    elif full_scale:
        scale = full_scale
    else:
        scale = full_scale_of(path, pixels.dtype, max_value(path, pixels))
    if scale <= 0:
        raise ValueError(f"full_scale is {scale}: it is the value that becomes 255, a positive number")
    return torch.from_numpy(_upright(as_rgb(pixels, scale), header.orientation)).permute(2, 0, 1)


def read_mask(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Array:
    """Read the numbers of a mask file as they are stored, upright: never rescaled, and indices for a palette image.

    Args:
        path: the file.
        max_pixels: refuse an image of more pixels than this, before decoding it.

    Returns:
        (H, W) integers (0 and 1 for 1-bit images), or (H, W, 3) uint8 RGB if the three channels differ.

    Raises:
        FileNotFoundError, ValueError: as `read_image`; ValueError also for fractions, and for colours of 16 bits.
    """
    path = Path(path)
    header, values = read_stored_pixels(path, max_pixels, keep_indices=True)
    if values.dtype.kind == "f":
        values = _whole_numbers(path, values)
    if values.ndim == 3:
        values = _without_equal_channels(path, values[..., :3])
    return _upright(np.ascontiguousarray(values), header.orientation)


def _whole_numbers(path: Path, values: Array) -> Array:
    check_finite(path, values)
    whole = values.astype(np.int64)
    if not np.array_equal(whole, values):
        raise ValueError(f"{path}: a mask holds whole numbers, but this file holds {values[whole != values][0]}")
    return whole


def _without_equal_channels(path: Path, values: Array) -> Array:
    """(H, W, 1 to 3) → (H, W) where all channels are equal, else the colours."""
    first = values[..., 0]
    if all(np.array_equal(first, values[..., k]) for k in range(1, values.shape[2])):
        return first
    if values.dtype != np.uint8:
        raise ValueError(f"{path}: a mask in colours must have 8 bits a colour, not {values.dtype}")
    return values


def _upright(pixels: Array, orientation: int) -> Array:
    """Undo EXIF orientations 2 to 8: mirrored, turned, or both (Exif 2.3, table 6)."""
    if orientation == 1:
        return pixels
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    flipped_axes = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}.get(orientation, ())
    return np.ascontiguousarray(np.flip(pixels, flipped_axes))

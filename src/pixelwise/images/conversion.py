"""Conversion of stored pixels to 8-bit RGB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..types import Array

FULL_SCALES = (1023, 4095, 16383, 65535)
"""The largest values of sensors with 10, 12, 14 and 16 bits."""

FLOAT_FULL_SCALES = (1, 255, *FULL_SCALES)
"""The largest values that are usual in floating point images."""

MAX_UINT16 = 65535


def max_value(path: Path, pixels: Array) -> float:
    """The largest value of an image, or of some of its rows.

    Args:
        path: the name of the file, for errors.
        pixels: its numbers, of any shape.

    Raises:
        ValueError: a value is NaN, infinite or negative.
    """
    if pixels.dtype.kind == "f":
        check_finite(path, pixels)
    low, high = float(pixels.min()), float(pixels.max())
    if low < 0:
        raise ValueError(f"{path}: holds negative values (down to {low:g}): shift them to start at 0")
    return high


def full_scale_of(path: Path, dtype: np.dtype[Any], high: float) -> float:
    """The value that becomes 255: the smallest usual full scale that is not exceeded.

    Args:
        path: the name of the file, for errors.
        dtype: type of the image's values.
        high: largest value of the image.

    Raises:
        ValueError: the value exceeds every full scale.
    """
    scales = FLOAT_FULL_SCALES if dtype.kind == "f" else FULL_SCALES
    for scale in scales:
        if high <= scale:
            return scale
    raise ValueError(f"{path}: holds values up to {high:g}, more than {scales[-1]}: state full_scale")


def as_rgb(pixels: Array, full_scale: float) -> Array:
    """Convert pixels to 8-bit RGB.

    Args:
        pixels: (H, W) or (H, W, 1 | 3 | 4) numbers: grey, RGB or RGBA.
        full_scale: the value that becomes 255; uint8 values stay as they are.

    Returns:
        (H, W, 3) uint8.
    """
    if pixels.dtype != np.uint8:
        pixels = _to_uint8(pixels, full_scale)
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB))
    return on_white(pixels) if pixels.shape[2] == 4 else pixels


def on_white(pixels: Array) -> Array:
    """Blend RGBA pixels with a white background: (H, W, 4) uint8 → (H, W, 3) uint8."""
    alpha = pixels[..., 3:].astype(np.uint16)
    if int(alpha.min()) == 255:
        return np.ascontiguousarray(pixels[..., :3])
    # 127 is added before the division by 255, which thereby rounds to the nearest value.
    return ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def check_finite(path: Path, values: Array) -> None:
    """Raise a ValueError that names the file if any value is NaN or infinite."""
    number = int(values.size - np.isfinite(values).sum())
    if number:
        raise ValueError(f"{path}: {number} of {values.size} values are NaN or infinite: fill them before saving it")


def _to_uint8(pixels: Array, full_scale: float) -> Array:
    if pixels.dtype != np.uint16:
        return _rescale(pixels, full_scale)
    # There are only 65,536 values: looking each pixel up in a table is faster than rescaling it.
    table = _rescale(np.arange(MAX_UINT16 + 1), full_scale)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        alpha_table = np.rint(np.arange(MAX_UINT16 + 1) / 257).astype(np.uint8)  # 257 = 65535 / 255
        return np.concatenate([table[pixels[..., :3]], alpha_table[pixels[..., 3:]]], axis=2)
    return np.asarray(table[pixels])


def _rescale(values: Array, full_scale: float) -> Array:
    return np.rint(np.minimum(values, full_scale) * (255 / full_scale)).astype(np.uint8)

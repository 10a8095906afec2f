"""Conversion of stored pixels to 8-bit RGB."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..types import Array
from .intensity import IntensityRange

FULL_SCALES = (1023, 4095, 16383, 65535)
"""The largest values of sensors with 10, 12, 14 and 16 bits."""

FLOAT_FULL_SCALES = (1, 255, *FULL_SCALES)
"""The largest values that are usual in floating point images."""

MAX_UINT16 = 65535

_GUESS_WARNED = threading.Event()
"""Set once the warning about a guessed range was given: it says the same for every image."""


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


def guessed_range(path: Path, dtype: np.dtype[Any], high: float) -> IntensityRange:
    """Guess the range of an image of more than 8 bits from its largest value, and warn once that it is a guess.

    Args:
        path: the name of the file.
        dtype: type of the image's values.
        high: largest value of the image.

    Raises:
        ValueError: the value exceeds every full scale.
    """
    full_scale = full_scale_of(path, dtype, high)
    if not _GUESS_WARNED.is_set():
        _GUESS_WARNED.set()
        warnings.warn(
            f"{path} has more than 8 bits, and nothing says which values are black and white: its largest value is "
            f"{high:g}, so {full_scale} becomes 255. Images of another brightness are scaled otherwise: state one "
            f"range for all with --range 0,{high:g} (in Python intensity=(0, {high:g}))",
            stacklevel=3,
        )
    return IntensityRange(((0.0, float(full_scale)),))


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
    raise ValueError(f"{path}: holds values up to {high:g}, more than {scales[-1]}: state --range LOW,HIGH")


def as_rgb(pixels: Array, intensity: IntensityRange) -> Array:
    """Convert pixels to 8-bit RGB.

    Args:
        pixels: (H, W) or (H, W, 1 | 3 | 4) numbers: grey, RGB or RGBA.
        intensity: the values that become 0 and 255; uint8 values stay as they are.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: there is a range for each of three channels, and the image is grey.
    """
    if pixels.dtype != np.uint8:
        pixels = _to_uint8(pixels, intensity)
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


def _to_uint8(pixels: Array, intensity: IntensityRange) -> Array:
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    colors = pixels[..., : 3 if pixels.shape[2] == 4 else pixels.shape[2]]
    if len(intensity.limits) > colors.shape[2]:
        raise ValueError(f"the range {intensity} has three channels, and the image is grey: state one LOW,HIGH")
    if len(intensity.limits) == 1:
        planes = [_stretched(colors, *intensity.limits[0])]
    else:
        planes = []
        for channel, (low, high) in enumerate(intensity.limits):
            planes.append(_stretched(colors[..., channel : channel + 1], low, high))
    if pixels.shape[2] == 4:
        planes.append(_stretched(pixels[..., 3:], 0, _opaque(pixels.dtype, intensity)))
    return planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)


def _opaque(dtype: np.dtype[Any], intensity: IntensityRange) -> float:
    """The alpha of opaque pixels. Other types than uint16 have no rule: it is the full scale that the range fits."""
    if dtype == np.uint16:
        return MAX_UINT16
    high = max(limits[1] for limits in intensity.limits)
    scales = FLOAT_FULL_SCALES if dtype.kind == "f" else FULL_SCALES
    return next((scale for scale in scales if high <= scale), high)


def _stretched(values: Array, low: float, high: float) -> Array:
    """Numbers → uint8: `low` and what is below it becomes 0, `high` and what is above it 255."""
    if values.dtype != np.uint16:
        return _rescale(values, low, high)
    # There are only 65,536 values: looking each pixel up in a table is faster than rescaling it.
    return np.asarray(_rescale(np.arange(MAX_UINT16 + 1), low, high)[values])


def _rescale(values: Array, low: float, high: float) -> Array:
    scaled = (np.clip(values, low, high) - low) * (255 / (high - low))
    return np.asarray(np.rint(scaled).astype(np.uint8))

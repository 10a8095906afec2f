"""Images and masks from files: the right way up, whole, and within reason, or an error that says what to do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from .image_file import MAX_PIXELS, Array, load

FULL_SCALES = (1023, 4095, 16383, 65535)
"""The brightest value of sensors of 10, 12, 14 and 16 bits."""


def read_image(
    path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS, full_scale: float | None = None
) -> Tensor:
    """An image as the network sees it: upright, RGB, 8 bit.

    JPEG, PNG, TIFF, BMP, WebP, GIF and PPM; of several frames or pages the first. EXIF's rotation is applied. Grey,
    1-bit, palette and CMYK pixels become RGB; what is transparent lies on white.

    Values of more than 8 bits (and floats) are multiplied by 255 / full scale and rounded. Unless `full_scale` states
    it, the full scale is the smallest of 1023, 4095, 16383 and 65535 that holds the image's largest value, for floats
    of 1, 255 and those; a set of images that differ in exposure wants it stated, so that all are treated alike.

    Args:
        path: the file.
        max_pixels: refuse an image of more pixels than this, before decoding it.
        full_scale: the value that becomes 255, for images of more than 8 bits; what is brighter stays 255.

    Returns:
        (3, H, W) uint8, a view of rows of RGB pixels.

    Raises:
        FileNotFoundError: names the file of the most similar name.
        ValueError: the file is empty, no image, cut short, too large, or holds NaN, infinite or negative values.
    """
    path = Path(path)
    header, pixels = load(path, max_pixels, indices=False)
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * 255
    scale = 255.0
    if pixels.dtype != np.uint8:
        scale = full_scale or full_scale_of(path, pixels.dtype, largest(path, pixels))
        if scale <= 0:
            raise ValueError(f"full_scale is {scale}: it is the value that becomes 255, a positive number")
    return torch.from_numpy(_upright(as_rgb(pixels, scale), header.orientation)).permute(2, 0, 1)


def largest(path: Path, pixels: Array) -> float:
    """The largest value of an image, or of some of its rows.

    Raises:
        ValueError: names the file when a value is NaN, infinite or negative.
    """
    if pixels.dtype.kind == "f":
        _check_finite(path, pixels)
    low, high = float(pixels.min()), float(pixels.max())
    if low < 0:
        raise ValueError(f"{path}: holds negative values (down to {low:g}): shift them to start at 0")
    return high


def full_scale_of(path: Path, dtype: np.dtype[Any], high: float) -> float:
    """The value that becomes 255 in an image whose largest is `high`, as `read_image` says.

    Raises:
        ValueError: names the file when no full scale holds the largest value.
    """
    scales = (1, 255, *FULL_SCALES) if dtype.kind == "f" else FULL_SCALES
    scale = next((scale for scale in scales if high <= scale), None)
    if scale is None:
        raise ValueError(f"{path}: holds values up to {high:g}, more than {scales[-1]}: state full_scale")
    return scale


def as_rgb(pixels: Array, scale: float) -> Array:
    """(H, W) or (H, W, 1 | 3 | 4) numbers, of which `scale` becomes 255 → (H, W, 3) uint8; bytes stay as they are."""
    if pixels.dtype != np.uint8:
        pixels = _to_bytes(pixels, scale)
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB))
    return on_white(pixels) if pixels.shape[2] == 4 else pixels


def read_values(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Array:
    """A mask's numbers as they are in the file, upright: never rescaled, of a palette image the indices.

    Returns:
        (H, W) of integers (1-bit images hold 0 and 1), or (H, W, 3) uint8 RGB where the three differ.

    Raises:
        FileNotFoundError, ValueError: as `read_image`; also for numbers that are not whole, and for colours of 16 bit.
    """
    path = Path(path)
    header, values = load(path, max_pixels, indices=True)
    if values.dtype.kind == "f":
        _check_finite(path, values)
        whole = values.astype(np.int64)
        if not np.array_equal(whole, values):
            raise ValueError(f"{path}: a mask holds whole numbers, but this file holds {values[whole != values][0]}")
        values = whole
    if values.ndim == 3:
        values = values[..., :3]
        if all(np.array_equal(values[..., 0], values[..., k]) for k in range(1, values.shape[2])):
            values = values[..., 0]
        elif values.dtype != np.uint8:
            raise ValueError(f"{path}: a mask in colours must have 8 bits a colour, not {values.dtype}")
    return _upright(np.ascontiguousarray(values), header.orientation)


def _upright(pixels: Array, orientation: int) -> Array:
    """EXIF orientation 2 to 8: mirrored, turned, or both (Exif 2.3, table 6)."""
    if orientation == 1:
        return pixels
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    flips = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}.get(orientation, ())
    return np.ascontiguousarray(np.flip(pixels, flips))


def on_white(pixels: Array) -> Array:
    """(H, W, 4) uint8 RGBA → (H, W, 3): what is transparent shows white paper."""
    alpha = pixels[..., 3:].astype(np.uint16)
    if int(alpha.min()) == 255:
        return np.ascontiguousarray(pixels[..., :3])
    return ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _to_bytes(pixels: Array, scale: float) -> Array:
    if pixels.dtype != np.uint16:
        return np.rint(np.minimum(pixels, scale) * (255 / scale)).astype(np.uint8)
    table = np.rint(np.minimum(np.arange(65536), scale) * (255 / scale)).astype(np.uint8)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        alpha = np.rint(np.arange(65536) / 257).astype(np.uint8)
        return np.concatenate([table[pixels[..., :3]], alpha[pixels[..., 3:]]], axis=2)
    return np.asarray(table[pixels])


def _check_finite(path: Path, values: Array) -> None:
    wrong = int(values.size - np.isfinite(values).sum())
    if wrong:
        raise ValueError(f"{path}: {wrong} of {values.size} values are NaN or infinite: fill them before saving it")

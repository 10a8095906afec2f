"""Scanning of masks: which numbers and colours they hold, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ....classes import Color
from ....images.header import read_header, read_palette
from ....images.reading import read_mask
from ....types import Array

MAX_SCANNED_MASKS = 200
MAX_SCANNED_PIXELS = 60_000_000
"""At most so many masks are scanned, evenly spaced, and about so many pixels in all."""

MAX_COLORS = 64
"""Masks with more colours than this are not masks, or have blurred edges."""


@dataclass
class MaskScan:
    """Values that occur in masks.

    Attributes:
        numbers: pixels with each number, or index of a palette.
        colors: pixels with each colour; empty if no mask is in colours.
        first: the first file with each number, and each colour.
    """

    numbers: Counter[int] = field(default_factory=Counter)
    colors: Counter[Color] = field(default_factory=Counter)
    first: dict[int | Color, Path] = field(default_factory=dict)


def spread(masks: Sequence[Path]) -> list[Path]:
    """Choose masks at even intervals, few enough to be scanned quickly."""
    height, width = read_header(masks[0]).size
    number = min(len(masks), MAX_SCANNED_MASKS, max(20, MAX_SCANNED_PIXELS // (height * width)))
    return [masks[k * len(masks) // number] for k in range(number)]


def scan(masks: Sequence[Path]) -> MaskScan:
    """Count the numbers and colours in masks.

    If some masks are in colours, the numbers of the others count as colours too, as shades of grey.
    """
    result = MaskScan()
    for path in masks:
        pixels = read_mask(path)
        if pixels.ndim == 3:
            packed, counts = np.unique(pack_colors(path, pixels), return_counts=True)
            # A photo in place of a mask has many thousands: enough of them tell that there are too many.
            colors = [unpack_color(number) for number in packed[: 4 * MAX_COLORS].tolist()]
            result.colors.update(dict(zip(colors, counts.tolist(), strict=False)))
            for color in colors:
                result.first.setdefault(color, path)
        else:
            values, counts = _count(pixels)
            numbers = values.tolist()
            result.numbers.update(dict(zip(numbers, counts.tolist(), strict=True)))
            for number in numbers:
                result.first.setdefault(number, path)
    if result.colors:
        result.colors.update({(v, v, v): count for v, count in result.numbers.items() if v < 256})
        for v in result.numbers:
            result.first[v, v, v] = result.first[v]
    return result


def pack_colors(path: Path, pixels: Array) -> Array:
    """Pack the colour of each pixel into one number, as `pack_color` does.

    Args:
        path: the mask's file, whose palette gives the colours of indices; without a palette, numbers are greys.
        pixels: (H, W, 3) uint8 colours, or (H, W) numbers.

    Returns:
        (H, W) int32; −1 for numbers beyond the palette.
    """
    if pixels.ndim == 3:
        red = pixels[..., 0].astype(np.int32)
        green = pixels[..., 1].astype(np.int32)
        blue = pixels[..., 2].astype(np.int32)
        return np.asarray((red << 16) + (green << 8) + blue)
    palette = read_palette(path) or tuple((v, v, v) for v in range(256))
    table = np.full(65536, -1, np.int32)
    table[: len(palette)] = [pack_color(color) for color in palette]
    return np.asarray(table[pixels.clip(0, 65535)])


def pack_color(color: Color) -> int:
    """Pack red, green and blue into one number."""
    return (color[0] << 16) + (color[1] << 8) + color[2]


def unpack_color(number: int) -> Color:
    """Unpack red, green and blue."""
    return number >> 16, number >> 8 & 255, number & 255


def _count(pixels: Array) -> tuple[Array, Array]:
    """Values and their counts; for 8 bits much faster than np.unique."""
    if pixels.dtype != np.uint8:
        return np.unique(pixels, return_counts=True)
    counts = np.bincount(pixels.ravel(), minlength=256)
    return counts.nonzero()[0], counts[counts > 0]

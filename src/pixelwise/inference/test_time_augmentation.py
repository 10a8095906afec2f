"""Seeing one image several times: at other scales, flipped; the mean of what the model says of each view is used."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

# The axes that are flipped in each view.
FLIPS: dict[bool | str, tuple[tuple[int, ...], ...]] = {
    False: ((),),
    True: ((), (-1,)),
    "both": ((), (-1,), (-2,), (-2, -1)),
}


@dataclass(frozen=True)
class View:
    """One way to look at an image.

    Attributes:
        scale: what the image's height and width are multiplied with.
        axes: those that are flipped: -1 left and right, -2 top and bottom.
    """

    scale: float = 1.0
    axes: tuple[int, ...] = ()

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of this view of an image, pixels."""
        return max(1, round(self.scale * height)), max(1, round(self.scale * width))

    def flip(self, maps: Tensor) -> Tensor:
        """(…, H, W) flipped; a second flip undoes the first."""
        return maps.flip(self.axes) if self.axes else maps


def views(scales: Sequence[float], flip: bool | str) -> tuple[View, ...]:
    """Every scale with every flip.

    Args:
        scales: factors on height and width, such as (0.75, 1, 1.25).
        flip: False; True for left and right; "both" for all four of left, right, top and bottom, where images have
            no natural up (microscopes, satellites).

    Raises:
        ValueError: for no scale, a scale that is not positive, an unknown flip.
    """
    if not scales or not all(math.isfinite(scale) and scale > 0 for scale in scales):
        raise ValueError(f"scales are {tuple(scales)}: give at least one, each a positive number such as 0.75")
    if flip not in FLIPS:
        raise ValueError(f"flip is {flip!r}: it must be False, True (left and right) or 'both' (up and down too)")
    return tuple(View(float(scale), axes) for scale in scales for axes in FLIPS[flip])

"""Resizing images and score maps, with the rule of each model spelled out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

LARGEST = 1 << 28
"""The most pixels that resizing may make of an image: a line of 1×5000 must not become 256×1,280,000."""


@dataclass(frozen=True)
class Resizing:
    """The size at which a model wants to see an image; the image as it is when nothing is given.

    Attributes:
        short_side: length of the shorter side, pixels; the aspect ratio is kept.
        long_side: the longer side is made no longer than this, pixels.
        square: both sides are made this long, pixels, whatever the aspect ratio; given alone.
    """

    short_side: int | None = None
    long_side: int | None = None
    square: int | None = None

    def __post_init__(self) -> None:
        for name in ("short_side", "long_side", "square"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}: it is a length in pixels, 1 or more")
        if self.square and (self.short_side or self.long_side):
            raise ValueError(f"square is {self.square}, so both sides are told: leave short_side and long_side out")

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after resizing an image of this height and width, pixels.

        Raises:
            ValueError: when that would be more than `LARGEST` pixels.
        """
        if self.square:
            return self.square, self.square
        scale = self.short_side / min(height, width) if self.short_side else 1.0
        if self.long_side:
            scale = min(scale, self.long_side / max(height, width))
        size = max(1, round(height * scale)), max(1, round(width * scale))
        if scale > 1 and size[0] * size[1] > LARGEST:
            raise ValueError(
                f"an image of {width}x{height} would become {size[1]}x{size[0]}, as its shorter side is to be "
                f"{self.short_side}: leave such images out, or train without resizing them"
            )
        return size


def resize(maps: Tensor, size: tuple[int, int], *, align_corners: bool = False) -> Tensor:
    """(B, D, H, W) resized bilinearly to (B, D, *size); itself when it has that size already."""
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size, mode="bilinear", align_corners=align_corners)


def bilinear_weights(length: int, cells: int, step: float, device: torch.device | str = "cpu") -> Tensor:
    """(length, cells) float32: how much of each cell a pixel takes along one axis, each row summing to one.

    With a step of cells / length, `bilinear_weights(…) @ cells` is what `resize` gives; a part of the matrix gives a
    part of that.

    Args:
        length: pixels.
        cells: of the map; pixels beyond the middle of the first and of the last take those.
        step: cells to a pixel.
        device: where the weights are to be.
    """
    place = ((torch.arange(length, dtype=torch.float64) + 0.5) * step - 0.5).clamp(0, cells - 1)
    low = place.long()
    share = (place - low).float()[:, None]
    weights = torch.zeros(length, cells).scatter_(1, low[:, None], 1 - share)
    return weights.scatter_add_(1, (low[:, None] + 1).clamp(max=cells - 1), share).to(device)

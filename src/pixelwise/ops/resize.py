"""Resizing pictures and score maps, with the rule of each model spelled out."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

LARGEST = 1 << 28
"""The most pixels that resizing may make of a picture: a line of 1×5000 must not become 256×1,280,000."""


@dataclass(frozen=True)
class Resizing:
    """The size at which a model wants to see a picture; the picture as it is when nothing is given.

    Attributes:
        short_side: length of the shorter side, pixels; the aspect ratio is kept.
        long_side: the longer side is made no longer than this, pixels.
    """

    short_side: int | None = None
    long_side: int | None = None

    def __post_init__(self) -> None:
        for name in ("short_side", "long_side"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}: it is a length in pixels, 1 or more")

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after resizing a picture of this height and width, pixels.

        Raises:
            ValueError: when that would be more than `LARGEST` pixels.
        """
        scale = self.short_side / min(height, width) if self.short_side else 1.0
        if self.long_side:
            scale = min(scale, self.long_side / max(height, width))
        size = max(1, round(height * scale)), max(1, round(width * scale))
        if scale > 1 and size[0] * size[1] > LARGEST:
            raise ValueError(
                f"a picture of {width}x{height} would become {size[1]}x{size[0]}, as its shorter side is to be "
                f"{self.short_side}: leave such pictures out, or train without resizing them"
            )
        return size


def resize(maps: Tensor, size: tuple[int, int], *, align_corners: bool = False) -> Tensor:
    """(B, D, H, W) resized bilinearly to (B, D, *size); itself when it has that size already."""
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size, mode="bilinear", align_corners=align_corners)

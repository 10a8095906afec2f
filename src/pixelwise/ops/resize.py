"""Resizing of images and score maps: the rule of each model, and bilinear interpolation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

LARGEST = 1 << 28
"""Maximum number of pixels of a resized image: a line of 1×5000 must not become 256×1,280,000."""


@dataclass(frozen=True)
class Resizing:
    """The size to which a model resizes images; by default they keep their size.

    Attributes:
        short_side: length of the shorter side, pixels; the aspect ratio is kept.
        long_side: maximum length of the longer side, pixels.
        square: length of both sides, pixels, whatever the aspect ratio; not together with the others.
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
            raise ValueError(f"square is {self.square}, which fixes both sides: leave short_side and long_side out")

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Compute the height and width of an image of this height and width after resizing, pixels.

        Raises:
            ValueError: the resized image would have more than `LARGEST` pixels.
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
    """Resize (B, D, H, W) to (B, D, *size) bilinearly; returns the same tensor if it has that size already."""
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size, mode="bilinear", align_corners=align_corners)


def bilinear_weights(length: int, cells: int, step: float, device: torch.device | str = "cpu") -> Tensor:
    """Make the matrix of bilinear interpolation along one axis, (length, cells) float32; each row sums to one.

    With a step of cells / length, `bilinear_weights(…) @ cells` equals `resize`; some rows of the matrix give a part of
    that.

    Args:
        length: pixels of the output.
        cells: pixels of the map; outputs beyond the centre of its first or last pixel take the value of that.
        step: pixels of the map per pixel of the output.
        device: device of the matrix.
    """
    place = ((torch.arange(length, dtype=torch.float64) + 0.5) * step - 0.5).clamp(0, cells - 1)
    low = place.long()
    share = (place - low).float()[:, None]
    weights = torch.zeros(length, cells).scatter_(1, low[:, None], 1 - share)
    return weights.scatter_add_(1, (low[:, None] + 1).clamp(max=cells - 1), share).to(device)

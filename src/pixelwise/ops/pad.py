"""Padding and cropping at the borders of images and maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def mirror(images: Tensor, before: int, size: tuple[int, int]) -> Tensor:
    """Pad (B, D, H, W) to (B, D, *size) by reflection: `before` pixels above and on the left, the rest opposite.

    The pixel at the border is not repeated. An image smaller than the padding is reflected several times.
    """
    for axis, length in zip((-2, -1), size, strict=True):
        last = images.shape[axis] - 1
        # Positions run up and down the image with a period of 2 · last; an image of one pixel is repeated.
        position = torch.arange(-before, length - before, device=images.device) % max(2 * last, 1)
        images = images.index_select(axis, torch.minimum(position, 2 * last - position).clamp_min(0))
    return images


def pad_to(images: Tensor, multiple: int) -> Tensor:
    """Zero-pad (B, D, H, W) on the right and below, so that both sides are a multiple of `multiple`."""
    height, width = images.shape[-2:]
    below, right = -height % multiple, -width % multiple
    return F.pad(images, (0, right, 0, below)) if below or right else images


def centre(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Crop the centre of (…, H, W) to (…, *size); the larger half of an odd margin is below and on the right.

    Raises:
        ValueError: the maps are smaller than `size`.
    """
    height, width = size
    top, left = (maps.shape[-2] - height) // 2, (maps.shape[-1] - width) // 2
    if top < 0 or left < 0:
        raise ValueError(f"maps of {maps.shape[-1]}x{maps.shape[-2]} have no middle of {width}x{height}")
    return maps[..., top : top + height, left : left + width]

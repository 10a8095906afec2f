"""Images made larger and maps made smaller, at their borders."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def mirror(images: Tensor, before: int, size: tuple[int, int]) -> Tensor:
    """(B, D, H, W) → (B, D, *size): `before` pixels of mirror image above and on the left, the rest below and right.

    The pixel at the border is the mirror and is not repeated; where the image is smaller than what is missing, the
    mirror images are mirrored again.
    """
    for axis, length in zip((-2, -1), size, strict=True):
        last = images.shape[axis] - 1
        position = torch.arange(-before, length - before, device=images.device) % max(2 * last, 1)
        images = images.index_select(axis, torch.minimum(position, 2 * last - position).clamp_min(0))
    return images


def pad_to(images: Tensor, multiple: int) -> Tensor:
    """(B, D, H, W) with zeros on the right and below, so that both sides are a multiple of `multiple`."""
    height, width = images.shape[-2:]
    below, right = -height % multiple, -width % multiple
    return F.pad(images, (0, right, 0, below)) if below or right else images


def centre(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(…, H, W) → (…, *size): the middle; the larger half of an odd margin lies below and on the right."""
    height, width = size
    top, left = (maps.shape[-2] - height) // 2, (maps.shape[-1] - width) // 2
    if top < 0 or left < 0:
        raise ValueError(f"maps of {maps.shape[-1]}x{maps.shape[-2]} have no middle of {width}x{height}")
    return maps[..., top : top + height, left : left + width]

"""Coordinate channels for convolutions that must know where a pixel lies (CoordConv, Liu et al. 2018, 1807.03247)."""

from __future__ import annotations

import torch
from torch import Tensor


def coordinates(maps: Tensor) -> Tensor:
    """(B, D, h, w) → (B, 2, h, w): x and y of each pixel, from −1 at the left and upper edge to 1 at the others."""
    batch, _, height, width = maps.shape
    x = torch.linspace(-1, 1, width, device=maps.device, dtype=maps.dtype)
    y = torch.linspace(-1, 1, height, device=maps.device, dtype=maps.dtype)
    return torch.stack([x[None].expand(height, -1), y[:, None].expand(-1, width)]).expand(batch, -1, -1, -1)

"""Images and hand-made ground truths that SOLO's authors' heads and ours are compared on."""

from __future__ import annotations

import torch
from torch import Tensor

from pixelwise.masks import Masks

GRIDS = [40, 36, 24, 16, 12]
SIZES = ((64, 96), (96, 64))
INNER = (3, 5)
"""So many rows and columns of those images are padding."""
ORIGINAL = (120, 131)
SCALE = 0.5
LOSS_SIZE = (128, 160)
TRUTHS = (([0, 1, 2, 3, 4], [1]), ([2], [0]), ([0], [3, 4]))
"""Of the two images of a batch: the objects that each has."""


def masks(index: list[int]) -> Tensor:
    """(N, H, W) bool: a disc on two levels, a bar at the border, three pixels, a box over the disc, nearly all."""
    y, x = torch.meshgrid(*(torch.arange(side) for side in LOSS_SIZE), indexing="ij")
    every = [
        (y - 50) ** 2 + (x - 45) ** 2 < 16**2,
        (x >= 150) & (y > 100) & (y < 125),
        (y == 25) & (x >= 30) & (x < 33),
        ((y - 50).abs() < 15) & ((x - 47).abs() < 14),
        ((y - 65).abs() < 55) & ((x - 85).abs() < 65),
    ]
    return torch.stack([every[n] for n in index])


def labels(index: list[int]) -> Tensor:
    """(N,) int64."""
    return torch.tensor([3, 7, 80, 1, 20])[index]


def boxes(index: list[int]) -> Tensor:
    """(N, 4) float32."""
    return Masks.from_dense(masks(index)).boxes().float()

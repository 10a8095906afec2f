"""A hand-made truth: objects that learn on several levels, at the border, of three pixels."""

from __future__ import annotations

import torch
from torch import Tensor

HEIGHT, WIDTH = 160, 256


def scene() -> tuple[Tensor, Tensor]:
    """Masks (5, 160, 256) bool and their classes, 1 to 4: large, small, at two borders, three pixels, a ring."""
    y, x = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    masks = torch.zeros(5, HEIGHT, WIDTH, dtype=torch.bool)
    masks[0] = (y - 80) ** 2 + ((x - 100) / 1.4) ** 2 < 62**2
    masks[1] = ((y - 30) + (x - 200).abs() < 12) & (y > 20)
    masks[2, 120:, 216:] = True
    masks[3, 70:72, 180] = True
    masks[3, 70, 181] = True
    masks[4] = ((y - 84) ** 2 + (x - 98) ** 2 < 30**2) & ((y - 84) ** 2 + (x - 98) ** 2 > 15**2)
    return masks, torch.tensor([1, 2, 3, 4, 1])

"""Pictures that are asked for one window of rows and columns after the other, from top to bottom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .geometry import Size, scaled

Window = Callable[[slice, slice], Tensor]
"""(rows, columns) → (3, h, w) uint8 RGB of a picture; no window starts above the one before it."""


class Rows(Protocol):
    """A picture of which nobody says where its pixels are."""

    @property
    def size(self) -> Size:
        """Height and width, pixels."""
        ...

    def at(self, size: Size) -> Window:
        """The windows of the picture scaled to this size, from its top on."""
        ...


@dataclass(frozen=True)
class InMemory:
    """A picture that is in memory as a whole.

    Attributes:
        pixels: (3, H, W) uint8.
    """

    pixels: Tensor

    @property
    def size(self) -> Size:
        return self.pixels.shape[1], self.pixels.shape[2]

    def at(self, size: Size) -> Window:
        rows = scaled(self.pixels.permute(1, 2, 0).cpu().numpy(), size)
        picture = torch.from_numpy(rows).permute(2, 0, 1)
        return lambda rows, columns: picture[:, rows, columns]

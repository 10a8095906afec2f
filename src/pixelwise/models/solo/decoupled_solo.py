"""Decoupled SOLO: a mask is the product of one for its column and one for its row (1912.04488, section 3.4).

Of 2S maps instead of SOLO's S²; all else, and what differs from the paper, is as in `solo`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ...ops.resize import resize
from .coordinates import coordinates
from .solo import GRIDS, STRIDES, LocationModel, Outputs, begin, doubt, resize_levels, tower


class DecoupledSOLO(LocationModel):
    """SOLO with a map for each column and each row of cells.

    Args:
        num_classes, backbone, grids, scale: as `LocationModel` has them.
        convs: in each of the branches; the paper has 7, the authors' light model 4 (with `scale` 2/3, shorter side
            512).
        width: channels of the pyramid and of the branches.
        shared: columns and rows share one branch, which knows x and y (the light model).
    """

    def __init__(
        self,
        num_classes: int,
        backbone: str = "resnet50",
        grids: Sequence[int] = GRIDS,
        convs: int = 7,
        width: int = 256,
        shared: bool = False,
        scale: float | None = None,
    ) -> None:
        super().__init__(num_classes, backbone, grids, width, scale)
        self.categories = tower(width, width, convs)
        known = (2,) if shared else (1, 1)
        self.sides = nn.ModuleList(tower(width + places, width, convs) for places in known)
        self.columns, self.rows = (nn.ModuleList(nn.Conv2d(width, grid, 3, padding=1) for grid in grids) for _ in "xy")
        self.head = nn.Conv2d(width, num_classes - 1, 3, padding=1)
        for part in (self.categories, self.sides, self.columns, self.rows, self.head):
            begin(part)
        doubt(self.head, *cast(list[nn.Conv2d], [*self.columns, *self.rows]))

    def forward(self, images: Tensor) -> Outputs:
        """(B, 3, H, W) of any size → logits of the cells' classes; (B, 2S, 2h, 2w) of each level, columns and rows."""
        levels = resize_levels(self.pyramid(images))  # strides 8, 8, 16, 32, 32
        categories = [
            self.head(self.categories(resize(x, (s, s)))) for x, s in zip(levels, self.grids, strict=True)
        ]  # (B, C − 1, S, S)
        masks = [self._sides(x, n) for n, x in enumerate(levels)]
        return Outputs(tuple(categories), tuple(masks))

    def _sides(self, x: Tensor, level: int) -> Tensor:
        """(B, width, h, w) → (B, 2S, 2h, 2w) logits of a level's columns, then of its rows."""
        place = coordinates(x).split(2 // len(self.sides), 1)  # x and y, or both at once
        size = (2 * x.shape[-2], 2 * x.shape[-1])
        branches = [resize(branch(torch.cat([x, p], 1)), size) for branch, p in zip(self.sides, place, strict=True)]
        columns, rows = self.columns[level], self.rows[level]
        return torch.cat([columns(branches[0]), rows(branches[-1])], 1)

    def padded(self, outputs: Outputs) -> tuple[int, int]:
        height, width = outputs.masks[0].shape[-2:]
        return height * STRIDES[0] // 2, width * STRIDES[0] // 2

    def soft_masks(self, outputs: Outputs, image: int, level: int, cells: Tensor, size: tuple[int, int]) -> Tensor:
        soft = resize(outputs.masks[level][image : image + 1].float().sigmoid(), size)[0]  # (2S, *size)
        grid = self.grids[level]
        return soft[cells % grid] * soft[grid + cells // grid]

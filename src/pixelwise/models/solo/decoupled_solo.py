"""Decoupled SOLO: the mask of a cell is the product of a map of its column and one of its row (1912.04488).

It has 2S mask channels on each level instead of SOLO's S². For all else, and for what differs from the paper, see
`solo.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ...ops.resize import resize
from .branches import conv_tower, init_prior_bias, resize_levels
from .coordinates import coordinates
from .decoding import Size
from .location_model import CENTRE_REGION, GRIDS, RANGES, STRIDES, LocationModel

SIDES_STRIDE = STRIDES[0] // 2
"""Pixels of the image to one of the finest column and row maps."""


class DecoupledOutputs(NamedTuple):
    """Outputs of Decoupled SOLO, level by level, for a batch of B images."""

    categories: tuple[Tensor, ...]  # (B, C − 1, S, S) logits
    sides: tuple[Tensor, ...]  # (B, 2S, 2h, 2w) logits: the maps of the S columns, then those of the S rows


class DecoupledSOLO(LocationModel[DecoupledOutputs]):
    """SOLO with one mask channel for each column and each row of cells.

    Args:
        num_classes, backbone, grids, scale, ranges, centre_region: see `LocationModel`.
        convs: convolutions of each of the branches; 7 in the paper, 4 in the authors' light model (with `scale` 2/3,
            shorter side 512).
        width: channels of the pyramid and of the branches.
        shared: columns and rows share one mask branch, which sees x and y (the light model).
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
        ranges: Sequence[Sequence[float | None]] = RANGES,
        centre_region: float = CENTRE_REGION,
    ) -> None:
        super().__init__(
            num_classes, backbone, grids, ranges, centre_region, scale, pyramid=width, width=width, convs=convs
        )
        coordinate_channels = (2,) if shared else (1, 1)  # x and y in one branch, or x in the first and y in the second
        self.sides = nn.ModuleList(conv_tower(width + extra, width, convs) for extra in coordinate_channels)
        self.columns = nn.ModuleList(nn.Conv2d(width, grid, 3, padding=1) for grid in grids)
        self.rows = nn.ModuleList(nn.Conv2d(width, grid, 3, padding=1) for grid in grids)
        self.add_category_head(width, self.sides, self.columns, self.rows)
        init_prior_bias(*self.columns, *self.rows)

    def forward(self, images: Tensor) -> DecoupledOutputs:
        """(B, 3, H, W) of any size → logits of the cells' classes; (B, 2S, 2h, 2w) of each level, columns and rows."""
        levels = resize_levels(self.pyramid_levels(images))  # strides 8, 8, 16, 32, 32
        categories = self.category_logits(levels)  # (B, C − 1, S, S) each
        sides = [self.side_logits(x, level) for level, x in enumerate(levels)]
        return DecoupledOutputs(categories, tuple(sides))

    def side_logits(self, x: Tensor, level: int) -> Tensor:
        """The logits of a level's columns, then of its rows: (B, width, h, w) → (B, 2S, 2h, 2w)."""
        size = (2 * x.shape[-2], 2 * x.shape[-1])
        places = coordinates(x).split(2 // len(self.sides), 1)  # x and y, or both at once
        maps = []
        for branch, place in zip(self.sides, places, strict=True):
            maps.append(resize(branch(torch.cat([x, place], 1)), size))
        columns = cast(Tensor, self.columns[level](maps[0]))
        rows = cast(Tensor, self.rows[level](maps[-1]))
        return torch.cat([columns, rows], 1)

    def padded_size(self, outputs: DecoupledOutputs) -> Size:
        height, width = outputs.sides[0].shape[-2:]
        return height * SIDES_STRIDE, width * SIDES_STRIDE

    def soft_masks(self, outputs: DecoupledOutputs, image: int, level: int, cells: Tensor, size: Size) -> Tensor:
        soft = resize(outputs.sides[level][image : image + 1].float().sigmoid(), size)[0]  # (2S, *size)
        grid = self.grids[level]
        return soft[cells % grid] * soft[grid + cells // grid]

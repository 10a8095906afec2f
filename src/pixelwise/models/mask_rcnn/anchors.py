"""Anchors: the boxes that a detector refines, the same at every place of a map (Ren et al. 2015, section 3.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

Grid = tuple[int, int]


def cell_anchors(sizes: Sequence[float], ratios: Sequence[float], *, rounded: bool = False) -> Tensor:
    """The anchors of one place, around the origin.

    Args:
        sizes: square roots of the areas, pixels.
        ratios: height over width.
        rounded: corners are rounded to whole pixels, halves to the even one (torchvision).

    Returns:
        (ratios · sizes, 4) float32, x1 y1 x2 y2, all sizes of the first ratio first.
    """
    root = torch.tensor(ratios, dtype=torch.float32).sqrt()[:, None]
    side = torch.tensor(sizes, dtype=torch.float32)[None]
    half = torch.stack([(side / root).flatten(), (side * root).flatten()], 1) / 2
    anchors = torch.cat([-half, half], 1)
    return anchors.round() if rounded else anchors


def grid_anchors(cells: Tensor, grid: Grid, strides: tuple[int, int]) -> Tensor:
    """The anchors of every place of a map.

    Args:
        cells: (A, 4), the anchors of one place.
        grid: height and width of the map.
        strides: pixels from a row to the next, and from a column to the next; the first place lies at the origin.

    Returns:
        (h · w · A, 4): row by row, at each place in the order of `cells`.
    """
    y = torch.arange(grid[0], dtype=cells.dtype) * strides[0]
    x = torch.arange(grid[1], dtype=cells.dtype) * strides[1]
    down, across = torch.meshgrid(y, x, indexing="ij")
    places = torch.stack([across, down, across, down], -1)
    return (places.reshape(-1, 1, 4) + cells).reshape(-1, 4)


@lru_cache(maxsize=32)
def level_anchors(
    sizes: tuple[float, ...],
    ratios: tuple[float, ...],
    grids: tuple[Grid, ...],
    strides: tuple[tuple[int, int], ...],
    rounded: bool,
    device: torch.device,
) -> tuple[Tensor, ...]:
    """The anchors of each level of a pyramid, one size a level; they are cached by the size of images.

    Args:
        sizes: square root of the area of each level's anchors, pixels.
        ratios: height over width.
        grids: height and width of the map of each level.
        strides: pixels down and across of each level.
        rounded: as in `cell_anchors`.
        device: device of the result.

    Returns:
        (h · w · ratios, 4) float32 for each level; they are shared, so they must not be written to.
    """
    anchors = []
    with torch.inference_mode(False):  # inference tensors in the cache could not be used in training
        for size, grid, stride in zip(sizes, grids, strides, strict=True):
            cells = cell_anchors((size,), ratios, rounded=rounded)
            anchors.append(grid_anchors(cells, grid, stride).to(device))
    return tuple(anchors)

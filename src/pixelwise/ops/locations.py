"""Objects by where they are: each belongs to the cells of a grid around its centre (SOLO, Wang et al. 2019)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..masks import Masks

CENTRE = 0.2
"""The middle part of an object's box, along each side, whose cells are the object's (§3.3 there)."""


def suppress_neighbours(scores: Tensor) -> Tensor:
    """(B, C, S, S) with 0 wherever the cell above, left, or above and left of it has a higher score (points NMS)."""
    highest = F.max_pool2d(scores, 2, stride=1, padding=1)[..., :-1, :-1]
    return scores * (highest == scores)


def centres_of_mass(masks: Masks) -> Tensor:
    """(N, 2) float64: the mean column and row of the pixels of each mask, counted from 0; 0 for an empty one."""
    mask, column, first, end = masks.runs.long().T
    length = (end - first).double()
    sums = torch.zeros(len(masks), 3, dtype=torch.float64, device=masks.runs.device)
    sums.index_add_(0, mask, torch.stack([column * length, (first + end - 1) / 2 * length, length], 1))
    return sums[:, :2] / sums[:, 2:].clamp(min=1)


def assign_cells(centres: Tensor, boxes: Tensor, size: tuple[int, int], grid: int) -> Tensor:
    """Which object each cell of a grid belongs to.

    An object has the cells that the middle of its box touches, those next to the cell of its centre at most (3 × 3);
    where two want a cell, the later has it.

    Args:
        centres: (N, 2) float, x and y of the centres of mass, pixels.
        boxes: (N, 4), x1 y1 x2 y2.
        size: height and width of the picture that the grid lies on, pixels.
        grid: number of cells along each side.

    Returns:
        (grid, grid) int64, on the CPU: rows, columns; the index of the object, -1 where there is none.
    """
    cells = torch.full((grid, grid), -1, dtype=torch.int64)
    sides = torch.tensor([size[1], size[0]], dtype=torch.float64)
    centres, boxes = centres.double().cpu(), boxes.double().cpu()
    half = (boxes[:, 2:] - boxes[:, :2]) * CENTRE / 2
    middle = _cell(centres, sides, grid)
    low = torch.maximum(_cell(centres - half, sides, grid), middle - 1).clamp(0, grid - 1)
    high = torch.minimum(_cell(centres + half, sides, grid), middle + 1).clamp(0, grid - 1)
    table = cells.numpy()
    for n, (x, y, right, bottom) in enumerate(torch.cat([low, high + 1], 1).tolist()):
        table[y:bottom, x:right] = n
    return cells


def shrink(masks: Masks, index: Tensor, stride: int, size: tuple[int, int]) -> Tensor:
    """Some masks at a stride, as bilinear interpolation samples them: the four pixels in the middle of each cell.

    Args:
        masks: on the CPU.
        index: (K,) int64, which of them.
        stride: pixels to a cell, even.
        size: height and width of the result; cells beyond the picture hold nothing.

    Returns:
        (K, *size) bool, on the CPU: whether two of the four pixels or more belong to the mask.
    """
    shrunk = torch.zeros(len(index), *size, dtype=torch.bool)
    near = stride // 2 - 1
    for canvas, n in zip(shrunk, index.tolist(), strict=True):
        crop, (x, y) = masks.crop(n)
        left, top = x % stride, y % stride
        right, bottom = -(left + crop.shape[1]) % stride, -(top + crop.shape[0]) % stride
        pixels = F.pad(crop.to(torch.uint8), (left, right, top, bottom))
        four = sum(pixels[a::stride, b::stride] for a in (near, near + 1) for b in (near, near + 1))
        part = canvas[y // stride :, x // stride :][: four.shape[0], : four.shape[1]]
        part.copy_(four[: part.shape[0], : part.shape[1]] >= 2)
    return shrunk


def _cell(points: Tensor, sides: Tensor, grid: int) -> Tensor:
    """(N, 2) x and y in pixels → column and row of the cell; outside of the grid where the point is."""
    return (points / sides * grid).floor().long()

"""Objects by where they are: each belongs to the cells of a grid around its centre (SOLO, Wang et al. 2019)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...masks import Masks

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


def cells_of_objects(centres: Tensor, boxes: Tensor, size: tuple[int, int], grid: int) -> Tensor:
    """The cells of a grid that each object has.

    Those that the middle of its box touches, and of them the ones next to the cell of its centre at most (3 × 3).

    Args:
        centres: (N, 2) float, x and y of the centres of mass, pixels.
        boxes: (N, 4), x1 y1 x2 y2.
        size: height and width of the image that the grid lies on, pixels.
        grid: number of cells along each side.

    Returns:
        (K, 2) int64: row · grid + column of a cell, and the object; object by object.
    """
    sides = torch.tensor([size[1], size[0]], dtype=torch.float64, device=boxes.device)
    half = (boxes[:, 2:] - boxes[:, :2]).double() * CENTRE / 2
    low, middle, high = ((point / sides * grid).floor().long() for point in (centres - half, centres, centres + half))
    low = torch.maximum(low, middle - 1).clamp(0, grid - 1)
    high = torch.minimum(high, middle + 1).clamp(0, grid - 1)
    place = low[:, None] + torch.arange(3, device=boxes.device)[None, :, None]  # (N, 3, 2): columns and rows
    inside = place <= high[:, None]
    cells = place[:, :, None, 1] * grid + place[:, None, :, 0]  # (N, 3, 3)
    wanted = inside[:, :, None, 1] & inside[:, None, :, 0]
    return torch.stack([cells[wanted], wanted.nonzero()[:, 0]], 1)


def latest_owners(pairs: Tensor) -> Tensor:
    """(K, 2) cells and objects → those with the last object of each cell alone, in the order of the cells."""
    cells, which = pairs[:, 0].unique(return_inverse=True)
    return torch.stack([cells, torch.zeros_like(cells).scatter_reduce(0, which, pairs[:, 1], "amax")], 1)


def shrink(masks: Masks, index: Tensor, stride: int, size: tuple[int, int]) -> Tensor:
    """Some masks at a stride, as bilinear interpolation samples them: the four pixels in the middle of each cell.

    Args:
        masks: on the CPU.
        index: (K,) int64, which of them.
        stride: pixels to a cell, even.
        size: height and width of the result; cells beyond the image hold nothing.

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
        two = pixels[near::stride] + pixels[near + 1 :: stride]
        four = two[:, near::stride] + two[:, near + 1 :: stride]
        part = canvas[y // stride :, x // stride :][: four.shape[0], : four.shape[1]]
        part.copy_(four[: part.shape[0], : part.shape[1]] >= 2)
    return shrunk

"""Assignment of objects to cells of grids by location and size (SOLO, Wang et al. 2019, 1912.04488, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...masks import Masks


def suppress_neighbours(scores: Tensor) -> Tensor:
    """Points NMS: set a score to 0 where the cell above, to the left, or above and to the left has a higher one.

    Args:
        scores: (B, C, S, S).
    """
    highest = F.max_pool2d(scores, 2, stride=1, padding=1)[..., :-1, :-1]
    return scores * (highest == scores)


def centres_of_mass(masks: Masks) -> Tensor:
    """Mean column and row of the pixels of each mask, counted from 0: (N, 2) float64, 0 for an empty mask."""
    mask, column, first, end = masks.runs.long().T
    length = (end - first).double()
    sums = torch.zeros(len(masks), 3, dtype=torch.float64, device=masks.runs.device)
    sums.index_add_(0, mask, torch.stack([column * length, (first + end - 1) / 2 * length, length], 1))
    return sums[:, :2] / sums[:, 2:].clamp(min=1)


def objects_by_level(masks: Masks, crowd: Tensor, ranges: Sequence[tuple[float, float]], scale: float) -> list[Tensor]:
    """The objects whose size, √(width · height) of the bounding box, lies in the range of each level.

    Args:
        masks: of all segments, on the CPU; empty ones belong to no level.
        crowd: (N,) bool; crowds belong to no level.
        ranges: smallest and largest size of each level, pixels, both included.
        scale: factor of the ranges.

    Returns:
        (K,) int64 for each level: indices of masks. Where ranges overlap, an object belongs to two levels.
    """
    boxes = masks.boxes().double()
    sizes = (boxes[:, 2:] - boxes[:, :2]).prod(1).sqrt() / scale
    usable = ~crowd & (masks.areas() > 0)
    return [(usable & (sizes >= low) & (sizes <= high)).nonzero().flatten() for low, high in ranges]


def cells_of_objects(
    centres: Tensor, boxes: Tensor, size: tuple[int, int], grid: int, centre_region: float = 0.2
) -> Tensor:
    """The positive cells of each object: those that its centre region touches, at most 3 × 3 around its centre.

    Args:
        centres: (N, 2) float, x and y of the centres of mass, pixels.
        boxes: (N, 4), x1 y1 x2 y2.
        size: height and width of the image that the grid lies on, pixels.
        grid: number of cells along each side.
        centre_region: sides of the centre region as a share of those of the box (ε there).

    Returns:
        (K, 2) int64: row · grid + column of a cell, and the object; object by object.
    """
    sides = torch.tensor([size[1], size[0]], dtype=torch.float64, device=boxes.device)
    half = (boxes[:, 2:] - boxes[:, :2]).double() * centre_region / 2
    low = ((centres - half) / sides * grid).floor().long()
    middle = (centres / sides * grid).floor().long()
    high = ((centres + half) / sides * grid).floor().long()
    low = torch.maximum(low, middle - 1).clamp(0, grid - 1)
    high = torch.minimum(high, middle + 1).clamp(0, grid - 1)
    places = low[:, None] + torch.arange(3, device=boxes.device)[None, :, None]  # (N, 3, 2): columns and rows
    inside = places <= high[:, None]
    cells = places[:, :, None, 1] * grid + places[:, None, :, 0]  # (N, 3, 3)
    positive = inside[:, :, None, 1] & inside[:, None, :, 0]
    return torch.stack([cells[positive], positive.nonzero()[:, 0]], 1)


def latest_owners(pairs: Tensor) -> Tensor:
    """Keep one object for each cell, the last one.

    Args:
        pairs: (K, 2) int64: cells and objects.

    Returns:
        (L, 2) int64, in the order of the cells.
    """
    cells, which = pairs[:, 0].unique(return_inverse=True)
    return torch.stack([cells, torch.zeros_like(cells).scatter_reduce(0, which, pairs[:, 1], "amax")], 1)


def shrink(masks: Masks, index: Tensor, stride: int, size: tuple[int, int]) -> Tensor:
    """Downsample masks by a stride as bilinear interpolation does: by the four pixels in the middle of each cell.

    Args:
        masks: on the CPU.
        index: (K,) int64, the masks to downsample.
        stride: pixels to a cell, even.
        size: height and width of the result; cells beyond the image are False.

    Returns:
        (K, *size) bool, on the CPU: True where at least two of the four pixels belong to the mask.
    """
    shrunk = torch.zeros(len(index), *size, dtype=torch.bool)
    near = stride // 2 - 1  # of the two middle pixels of a cell, along an axis, the first
    for canvas, n in zip(shrunk, index.tolist(), strict=True):
        crop, (x, y) = masks.crop(n)
        left, top = x % stride, y % stride  # pads the crop to whole cells
        right, bottom = -(left + crop.shape[1]) % stride, -(top + crop.shape[0]) % stride
        pixels = F.pad(crop.to(torch.uint8), (left, right, top, bottom))
        two = pixels[near::stride] + pixels[near + 1 :: stride]
        four = two[:, near::stride] + two[:, near + 1 :: stride]
        part = canvas[y // stride :, x // stride :][: four.shape[0], : four.shape[1]]
        part.copy_(four[: part.shape[0], : part.shape[1]] >= 2)
    return shrunk

"""Inference of SOLO: from the category scores and soft masks of cells to objects (1912.04488).

Masks are computed for the cells that are candidates, not for all 3,872 cells of an image; the numbers are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ...masks import Masks
from .enlarge import enlarge_masks
from .locations import suppress_neighbours

PRE_NMS_THRESHOLD = 0.1
"""A cell is a candidate for the classes whose score is above this."""

MASK_THRESHOLD = 0.5
"""Pixels whose soft mask is above this belong to the object."""

MASK_STRIDE = 4
"""Pixels of the padded image to one value of the masks that candidates are compared by."""

MAX_MASK_VALUES = 1 << 24
"""The most values of soft masks that are in memory at once, whatever the number of masks."""

Size = tuple[int, int]


class Candidates(NamedTuple):
    """Pairs of a cell and a class that may be an object."""

    cells: Tensor  # (N,) int64, counted through the grids of all levels
    labels: Tensor  # (N,) int64, 1 to C − 1
    scores: Tensor  # (N,) float32 in [0, 1]

    def select(self, index: Tensor) -> Candidates:
        """The candidates of these indices, in their order, or those where a mask is True."""
        return Candidates(self.cells[index], self.labels[index], self.scores[index])

    def best(self, number: int) -> Candidates:
        """At most this many candidates, those of the highest scores, in descending order."""
        return self.select(self.scores.argsort(descending=True, stable=True)[:number])


def find_candidates(categories: Sequence[Tensor]) -> Candidates:
    """Cells whose score for a class is above `PRE_NMS_THRESHOLD` after points NMS.

    Args:
        categories: (C − 1, S, S) logits of each level, of one image.
    """
    levels = []
    for logits in categories:
        scores = suppress_neighbours(logits[None].float().sigmoid())[0]
        levels.append(scores.flatten(1))  # (C − 1, S²)
    table = torch.cat(levels, 1).T  # (cells, C − 1)
    cells, classes = (table > PRE_NMS_THRESHOLD).nonzero(as_tuple=True)
    return Candidates(cells, classes + 1, table[cells, classes])


def levels_of(cells: Tensor, grids: Sequence[int]) -> Tensor:
    """The level of each cell: (N,) int64, counted through the grids of all levels → (N,) int64."""
    ends = torch.tensor([grid * grid for grid in grids], device=cells.device).cumsum(0)
    return torch.bucketize(cells, ends, right=True)


def masks_at_once(size: Size) -> int:
    """The number of soft masks of this height and width that may be in memory at once, at least 1."""
    return max(1, MAX_MASK_VALUES // (size[0] * size[1]))


@dataclass(frozen=True)
class CellMasks:
    """Soft masks of the cells of one image, computed for the cells that are asked for, a part at a time.

    Attributes:
        compute: (level, cells of that level, size) → (N, *size) float32 in [0, 1].
        grids: cells along each side, level by level.
        size: height and width of the masks, a quarter of the padded image's.
    """

    compute: Callable[[int, Tensor, Size], Tensor]
    grids: tuple[int, ...]
    size: Size

    def parts(self, cells: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Indices of some of the cells, and their soft masks (n, h, w), until all cells had their turn."""
        levels = levels_of(cells, self.grids)
        first = 0  # the number of the level's first cell
        for level, grid in enumerate(self.grids):
            index = (levels == level).nonzero().flatten()
            for part in index.split(masks_at_once(self.size)):
                if len(part):
                    yield part, self.compute(level, cells[part] - first, self.size)
            first += grid * grid

    def areas_and_maskness(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """The area of each mask in its own pixels, and the mean of its soft values there, both (N,) float32.

        The latter is the "maskness" of the authors' code; it is 0 for an empty mask.
        """
        areas = torch.zeros(len(cells), device=cells.device)
        maskness = torch.zeros(len(cells), device=cells.device)
        for part, soft in self.parts(cells):
            inside = soft > MASK_THRESHOLD
            areas[part] = inside.sum((1, 2)).float()
            maskness[part] = (soft * inside).sum((1, 2)) / areas[part].clamp(min=1)
        return areas, maskness

    def binary(self, cells: Tensor) -> Tensor:
        """The masks of cells: (N,) → (N, h, w) bool."""
        masks = torch.zeros(len(cells), *self.size, dtype=torch.bool, device=cells.device)
        for part, soft in self.parts(cells):
            masks[part] = soft > MASK_THRESHOLD
        return masks

    def enlarged(self, cells: Tensor, inner: Size, size: Size) -> Masks:
        """The masks of cells at the size of the original image.

        Args:
            cells: (N,).
            inner: height and width of the image without the padding.
            size: height and width of the original image.
        """
        masks = [Masks.from_crops((), size, cells.device)]
        order = [cells[:0]]
        for part, soft in self.parts(cells):
            crops = enlarge_masks(soft, MASK_STRIDE, inner, size, MASK_THRESHOLD)
            masks.append(Masks.from_crops(crops, size, cells.device))
            order.append(part)
        return Masks.joined(masks).select(torch.cat(order).argsort())


def weight_by_mask(candidates: Candidates, masks: CellMasks, min_areas: Sequence[float]) -> Candidates:
    """Multiply the scores by the maskness of the cells' masks; a mask that is too small gets the score 0.

    Args:
        candidates: at least one.
        masks: of the image.
        min_areas: of each level; the area of a mask, in its own pixels, must be above this.
    """
    cells, which = candidates.cells.unique(return_inverse=True)  # a cell may be a candidate for several classes
    areas, maskness = masks.areas_and_maskness(cells)
    required = areas.new_tensor(min_areas)[levels_of(cells, masks.grids)]
    factors = maskness * (areas > required)
    return candidates._replace(scores=candidates.scores * factors[which])

"""Inference of SOLO: candidates, and masks that are computed in parts."""

from __future__ import annotations

import pytest
import torch

from pixelwise.models.solo import decoding
from pixelwise.models.solo.decoding import Candidates, CellMasks, find_candidates, levels_of, weight_by_mask

GRIDS = (2, 3)


def cell_masks(calls: list[tuple[int, list[int]]] | None = None) -> CellMasks:
    """Masks of 4 × 4 pixels whose first pixels, as many as the number of the cell, are 0.8."""

    def compute(level: int, cells: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        if calls is not None:
            calls.append((level, cells.tolist()))
        pixels = torch.arange(size[0] * size[1])
        return torch.where(pixels < cells[:, None], 0.8, 0.2).view(len(cells), *size)

    return CellMasks(compute, GRIDS, (4, 4))


def test_candidates_are_cells_above_the_threshold_that_no_neighbour_suppresses():
    first, second = torch.full((2, 2, 2), -9.0), torch.full((2, 3, 3), -9.0)
    first[0, 0, 0], first[0, 0, 1] = 2.0, 1.0  # the second has a higher score to its left
    first[1, 1, 1] = -2.3  # a score of 0.09
    second[1, 2, 2] = 0.0
    candidates = find_candidates([first, second])
    assert candidates.cells.tolist() == [0, 4 + 8]
    assert candidates.labels.tolist() == [1, 2]
    assert candidates.scores.tolist() == pytest.approx([torch.tensor(2.0).sigmoid().item(), 0.5])


def test_cells_are_counted_through_the_levels():
    assert levels_of(torch.tensor([0, 3, 4, 12]), GRIDS).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("number", "parts"),
    [(100, [(0, [2, 2]), (1, [5, 0, 8])]), (1, [(0, [2]), (0, [2]), (1, [5]), (1, [0]), (1, [8])])],
    ids=["at once", "one by one"],
)
def test_masks_come_in_the_order_of_their_cells(number, parts, monkeypatch):
    monkeypatch.setattr(decoding, "MAX_MASK_VALUES", number * 16)
    calls: list[tuple[int, list[int]]] = []
    masks = cell_masks(calls)
    cells = torch.tensor([9, 2, 4, 2, 12])
    assert masks.binary(cells).sum((1, 2)).tolist() == [5, 2, 0, 2, 8]
    assert calls == parts
    areas, maskness = masks.areas_and_maskness(cells)
    assert areas.tolist() == [5, 2, 0, 2, 8]
    assert maskness.tolist() == pytest.approx([0.8, 0.8, 0, 0.8, 0.8])
    enlarged = masks.enlarged(cells, (16, 16), (16, 16))
    assert torch.equal(enlarged[1], enlarged[3])
    assert enlarged.areas().argsort().tolist()[0] == 2
    assert enlarged.areas().argmax() == 4


def test_scores_are_multiplied_by_maskness_and_small_masks_get_none():
    candidates = Candidates(
        torch.tensor([3, 3, 2, 4 + 7]), torch.tensor([1, 2, 1, 1]), torch.tensor([0.9, 0.5, 0.8, 1.0])
    )
    weighted = weight_by_mask(candidates, cell_masks(), (2, 7))
    assert weighted.scores.tolist() == pytest.approx([0.72, 0.4, 0, 0])  # an area must be above the least
    assert weighted.cells.tolist() == candidates.cells.tolist()
    best = weighted.best(2)
    assert best.labels.tolist() == [1, 2]

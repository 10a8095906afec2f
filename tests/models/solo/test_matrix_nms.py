"""Matrix NMS: values measured on the authors' code, and extreme cases."""

from __future__ import annotations

import pytest
import torch

from pixelwise.models.solo.matrix_nms import mask_overlaps, matrix_nms


def strips(*ends: tuple[int, int]) -> torch.Tensor:
    columns = torch.arange(20)
    return torch.stack([((columns >= a) & (columns < b))[None] for a, b in ends])


FOUR = strips((0, 10), (2, 12), (0, 9), (1, 11))
LABELS = torch.tensor([0, 0, 0, 1])
SCORES = torch.tensor([0.9, 0.8, 0.7, 0.6])


@pytest.mark.parametrize(
    ("linear", "expected"), [(False, [0.9, 0.3289, 0.1385, 0.6]), (True, [0.9, 0.2667, 0.07, 0.6])]
)
def test_the_measured_values(linear, expected):
    assert matrix_nms(FOUR, LABELS, SCORES, linear=linear).tolist() == pytest.approx(expected, abs=5e-5)


def test_any_order_goes_in_and_the_same_order_comes_out():
    order = torch.tensor([2, 0, 3, 1])
    actual = matrix_nms(FOUR[order], LABELS[order], SCORES[order])
    assert actual.tolist() == pytest.approx(matrix_nms(FOUR, LABELS, SCORES)[order].tolist())


@pytest.mark.parametrize("linear", [False, True])
def test_equal_masks_stay_finite(linear):
    same = strips((0, 10), (0, 10), (0, 10), (5, 12))
    actual = matrix_nms(same, torch.zeros(4, dtype=torch.int64), SCORES, linear=linear)
    assert actual.isfinite().all()
    assert actual[0] == SCORES[0]
    if linear:
        assert actual[1:3].tolist() == [0, 0]


def test_nothing_and_empty_masks():
    assert len(matrix_nms(torch.zeros(0, 4, 4, dtype=torch.bool), LABELS[:0], SCORES[:0])) == 0
    empty = torch.zeros(4, 3, 3, dtype=torch.bool)
    assert torch.equal(matrix_nms(empty, LABELS, SCORES), SCORES)


def test_overlaps():
    actual = mask_overlaps(strips((0, 10), (5, 15), (10, 12), (0, 0)))
    assert actual[0].tolist() == pytest.approx([1, 1 / 3, 0, 0])
    assert actual[3].tolist() == [0, 0, 0, 0]

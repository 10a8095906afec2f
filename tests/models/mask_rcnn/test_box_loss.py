"""The loss of boxes: equation 3 of Fast R-CNN by hand."""

from __future__ import annotations

import pytest
import torch

from pixelwise.models.mask_rcnn.box_loss import smooth_l1


@pytest.mark.parametrize(
    ("beta", "expected"),
    [(1.0, 0.5 * 0.25 + 1.5), (0.0, 0.5 + 2.0), (1 / 9, (0.5 - 1 / 18) + (2 - 1 / 18)), (4.0, 0.25 / 8 + 4 / 8)],
)
def test_by_hand(beta, expected):
    assert smooth_l1(torch.tensor([0.5, -2.0]), torch.zeros(2), beta).item() == pytest.approx(expected, rel=1e-6)


def test_nothing_to_compare():
    actual = torch.zeros(0, 4, requires_grad=True)
    loss = smooth_l1(actual, torch.zeros(0, 4), 1 / 9)
    loss.backward()
    assert loss.item() == 0
    assert actual.grad is not None

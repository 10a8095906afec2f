"""Enlarged masks equal those of two bilinear resizings of the dense maps."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from pixelwise.masks import Masks
from pixelwise.models.solo.enlarge import enlarge_masks


@pytest.mark.parametrize(
    ("inner", "size"), [((93, 121), (93, 121)), ((96, 128), (300, 400)), ((90, 127), (45, 61)), ((1, 1), (7, 5))]
)
def test_as_two_resizings(inner, size):
    torch.manual_seed(0)
    soft = F.interpolate(torch.rand(1, 6, 5, 7), (24, 32), mode="bicubic")[0].clamp(0, 1)
    soft[0], soft[1] = 1, 0
    soft[2, :, :20] = 0
    soft[3, 10:] = 0
    padded = F.interpolate(soft[None], scale_factor=4, mode="bilinear")[:, :, : inner[0], : inner[1]]
    expected = F.interpolate(padded, size, mode="bilinear")[0]
    actual = Masks.from_crops(enlarge_masks(soft, 4, inner, size), size).dense()
    sure = (expected - 0.5).abs() > 1e-5
    assert actual.shape == expected.shape
    assert torch.equal(actual[sure], (expected > 0.5)[sure])
    assert actual[0].all()
    assert not actual[1].any()


def test_a_mask_in_the_padding_alone_is_empty():
    soft = torch.zeros(1, 8, 8)
    soft[0, 6:] = 1
    (crop,) = enlarge_masks(soft, 4, (16, 32), (16, 32))
    assert not crop[0].any()

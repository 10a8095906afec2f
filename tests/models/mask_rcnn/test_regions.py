"""Regions of interest: levels, RoIAlign and NMS, by hand and compared with torchvision."""

from __future__ import annotations

import pytest
import torch

from pixelwise.models.mask_rcnn.regions import box_levels, grouped_nms, roi_align_levels


def boxes(sides: list[float]) -> torch.Tensor:
    return torch.tensor([[3.0, 5.0, 3 + side, 5 + side] for side in sides])


def test_levels_of_equation_1():
    actual = box_levels(boxes([10, 111, 112, 223, 224, 447, 448, 900, 5000]), 2, 5, level_epsilon=1e-6)
    assert actual.tolist() == [2, 2, 3, 3, 4, 4, 5, 5, 5]
    assert torch.equal(
        actual, box_levels(boxes([10, 111, 112, 223, 224, 447, 448, 900, 5000]), 2, 5, ratio_epsilon=1e-8)
    )


def test_an_empty_box_is_on_the_lowest_level():
    assert box_levels(torch.zeros(1, 4), 2, 5).tolist() == [2]


def test_roi_align_equals_torchvision():
    from torchvision.ops import MultiScaleRoIAlign

    torch.manual_seed(0)
    maps = [torch.randn(2, 3, 64 >> k, 96 >> k) for k in range(4)]
    corner = torch.rand(2, 9, 2) * 150
    regions = [torch.cat([c, c + torch.tensor([2.0, 3]) + torch.rand(9, 2) * 200], 1) for c in corner]
    theirs = MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2)
    expected = theirs({str(k): x for k, x in enumerate(maps)}, regions, [(256, 384)] * 2)
    level = box_levels(torch.cat(regions), 2, 5, level_epsilon=1e-6)
    assert len(set(level.tolist())) > 1
    torch.testing.assert_close(roi_align_levels(maps, regions, 7, level, 2, sampling_ratio=2, aligned=False), expected)


def test_roi_align_samples_between_pixel_centres():
    ramp = torch.arange(16.0).expand(1, 1, 16, 16) + 0.5  # each pixel holds the position of its centre
    box = [torch.tensor([[16.0, 16, 48, 48]])]  # of the map: 4 to 12
    actual = roi_align_levels([ramp], box, 4, torch.tensor([2]), 2, aligned=True)
    assert actual[0, 0, 0].tolist() == pytest.approx([5, 7, 9, 11])
    moved = roi_align_levels([ramp], box, 4, torch.tensor([2]), 2, aligned=False)
    assert moved[0, 0, 0].tolist() == pytest.approx([5.5, 7.5, 9.5, 11.5])


def test_roi_align_of_no_boxes_still_reaches_the_maps():
    maps = [torch.randn(1, 2, 8, 8, requires_grad=True) for _ in range(2)]
    actual = roi_align_levels(maps, [torch.zeros(0, 4)], 7, torch.zeros(0, dtype=torch.int64), 2)
    assert actual.shape == (0, 2, 7, 7)
    actual.sum().backward()
    assert all(x.grad is not None and not x.grad.any() for x in maps)


def test_nms_by_group():
    near = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 8], [50, 50, 60, 60]])
    scores, groups = torch.tensor([0.5, 0.9, 0.8, 0.1]), torch.tensor([1, 1, 2, 1])
    assert grouped_nms(near, scores, groups, 0.5).tolist() == [1, 2, 3]
    assert grouped_nms(near, scores, groups, 0.95).tolist() == [1, 2, 0, 3]
    assert grouped_nms(near[:0], scores[:0], groups[:0], 0.5).tolist() == []

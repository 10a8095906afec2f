"""Bounding boxes: worked numbers, and torchvision's functions."""

from __future__ import annotations

import pytest
import torch

from pixelwise.ops.boxes import areas, clip, decode, encode, intersections, overlaps


def random_boxes(number: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(number, 2, generator=generator) * 80
    return torch.cat([corner, corner + 1 + torch.rand(number, 2, generator=generator) * 40], 1)


def test_areas_and_overlaps_are_torchvisions():
    from torchvision.ops import box_area, box_iou

    boxes, others = random_boxes(30), random_boxes(20, 1)
    torch.testing.assert_close(areas(boxes), box_area(boxes))
    torch.testing.assert_close(overlaps(boxes, others), box_iou(boxes, others))


def test_boxes_of_a_hand_made_case():
    boxes = torch.tensor([[0, 0, 0.5, 0.5], [0.05, 0, 0.55, 0.5], [0.3, 0, 0.8, 0.5]])
    actual = overlaps(boxes, boxes)
    assert actual[0, 1].item() == pytest.approx(0.8182, abs=1e-4)  # measured on YOLACT's own function
    assert actual[0, 2].item() == pytest.approx(0.25, abs=1e-6)
    assert actual[1, 2].item() == pytest.approx(1 / 3, abs=1e-6)
    assert intersections(boxes[:1], boxes[1:2]).item() == pytest.approx(0.225)


def test_empty_boxes_overlap_nothing():
    empty = torch.zeros(2, 4)
    assert not overlaps(empty, empty).any()
    assert overlaps(empty[:0], random_boxes(3)).shape == (0, 3)


def test_decode_of_yolacts_example():
    prior = torch.tensor([[0.4, 0.4, 0.6, 0.6]])  # centre .5, side .2
    actual = decode(torch.tensor([[1.0, -1.0, 0.5, -0.5]]), prior, (10, 10, 5, 5))
    assert actual[0].tolist() == pytest.approx([0.4095, 0.3895, 0.6305, 0.5705], abs=1e-4)


def test_decode_undoes_encode():
    boxes, anchors = random_boxes(50), random_boxes(50, 1)
    deltas = encode(boxes, anchors, (10, 10, 5, 5))
    torch.testing.assert_close(decode(deltas, anchors, (10, 10, 5, 5)), boxes, atol=1e-4, rtol=1e-4)
    several = decode(torch.stack([deltas, deltas * 0], 1), anchors, (10, 10, 5, 5))
    torch.testing.assert_close(several[:, 1], anchors, atol=1e-4, rtol=1e-4)


def test_a_wild_step_does_not_overflow():
    actual = decode(torch.tensor([[0.0, 0.0, 1e4, 1e4]]), torch.tensor([[0.0, 0.0, 16.0, 16.0]]))
    assert actual[0].tolist() == pytest.approx([8 - 500, 8 - 500, 8 + 500, 8 + 500], rel=1e-4)


def test_clip():
    assert clip(torch.tensor([[-3.0, 2.0, 30.0, 40.0]]), (20, 10)).tolist() == [[0, 2, 10, 20]]

"""Fast NMS: numbers measured on the authors' code, and the rule applied pair by pair."""

from __future__ import annotations

import pytest
import torch

from pixelwise.models.yolact.fast_nms import fast_nms
from pixelwise.ops.boxes import overlaps

A, B, C, D = range(4)
BOXES = torch.tensor([[0, 0, 0.5, 0.5], [0.05, 0, 0.55, 0.5], [0.3, 0, 0.8, 0.5], [0.6, 0.6, 0.9, 0.9]])


def test_two_classes_of_four_boxes():
    scores = torch.tensor([[0.9, 0.8, 0.7, 0.01], [0.1, 0.2, 0.3, 0.6]])
    box, label, score = fast_nms(BOXES, scores)
    assert box.tolist() == [A, C, D, C, B, D]
    assert label.tolist() == [0, 0, 1, 1, 1, 0]
    assert score.tolist() == pytest.approx([0.9, 0.7, 0.6, 0.3, 0.2, 0.01])


def test_the_limits():
    scores = torch.tensor([[0.9, 0.8, 0.7, 0.01], [0.1, 0.2, 0.3, 0.6]])
    assert fast_nms(BOXES, scores, max_detections=2)[0].tolist() == [A, C]
    assert fast_nms(BOXES, scores, candidates=1)[0].tolist() == [A, D]
    assert fast_nms(BOXES, scores, 0.2)[0].tolist() == [A, D, C, D]
    assert fast_nms(BOXES, scores, 1.0)[0].tolist() == [A, B, C, D, C, B, A, D]


def test_a_suppressed_box_still_suppresses():
    row = torch.tensor([[0.0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]])
    box, _, _ = fast_nms(row, torch.tensor([[0.9, 0.8, 0.7]]))
    assert box.tolist() == [0]  # usual NMS, one box after the other, keeps the third too


def test_it_is_the_rule_pair_by_pair():
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(40, 2, generator=generator) * 50
    boxes = torch.cat([corner, corner + 5 + torch.rand(40, 2, generator=generator) * 30], 1)
    scores = torch.rand(3, 40, generator=generator)
    shared = overlaps(boxes, boxes)
    expected = [
        (float(scores[c, k]), c, k)
        for c in range(3)
        for k in range(40)
        if not any(scores[c, j] > scores[c, k] and shared[j, k] > 0.5 for j in range(40))
    ]
    box, label, score = fast_nms(boxes, scores, max_detections=200)
    assert list(zip(score.tolist(), label.tolist(), box.tolist(), strict=True)) == sorted(expected, reverse=True)


@pytest.mark.parametrize("number", [1, 3, 10, 50])
def test_the_first_of_many_are_those_of_all(number):
    """A few pairs suffice, or many are suppressed, or there are ties."""
    generator = torch.Generator().manual_seed(number)
    corner = torch.rand(300, 2, generator=generator) * 20
    boxes = torch.cat([corner, corner + 15], 1)
    scores = (torch.rand(4, 300, generator=generator) ** 4 * 50).round() / 50
    every = fast_nms(boxes, scores, max_detections=1200)
    for actual, expected in zip(fast_nms(boxes, scores, max_detections=number), every, strict=True):
        assert torch.equal(actual, expected[:number])


def test_no_boxes_and_no_classes():
    for boxes, scores in ((torch.zeros(0, 4), torch.zeros(3, 0)), (torch.zeros(2, 4), torch.zeros(0, 2))):
        assert [len(one) for one in fast_nms(boxes, scores)] == [0, 0, 0]

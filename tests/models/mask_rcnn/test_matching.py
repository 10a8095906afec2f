"""Matching and sampling: hand-made cases, and a comparison with torchvision."""

from __future__ import annotations

import pytest
import torch

from pixelwise.models.mask_rcnn import matching
from pixelwise.models.mask_rcnn.matching import inside, match, sample
from pixelwise.ops.boxes import overlaps


def boxes(number: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(number, 2, generator=generator) * 80
    return torch.cat([corner, corner + 4 + torch.rand(number, 2, generator=generator) * 40], 1)


def test_thresholds_by_hand():
    one = torch.tensor([[0.0, 0, 10, 10]])
    others = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 7], [0, 0, 10, 3], [0, 0, 10, 2.9], [20, 0, 30, 10]])
    owner, label = match(one, others, 0.7, 0.3)
    assert label.tolist() == [1, 1, -1, 0, 0]
    assert owner.tolist() == [0] * 5


def test_the_nearest_box_is_positive_however_far():
    two = torch.tensor([[0.0, 0, 10, 10], [40, 40, 100, 100]])
    others = torch.tensor([[0.0, 0, 10, 10], [0, 0, 40, 44], [36, 36, 46, 46], [36, 36, 46, 46]])
    assert match(two, others, 0.7, 0.3)[1].tolist() == [1, 0, 0, 0]
    owner, label = match(two, others, 0.7, 0.3, nearest=True)
    assert (owner.tolist(), label.tolist()) == ([0, 0, 1, 1], [1, 0, 1, 1])  # both boxes that overlap equally


def test_an_object_that_no_box_overlaps_takes_none():
    far = torch.tensor([[500.0, 500, 510, 510]])
    assert not match(far, boxes(20, 0), 0.7, 0.3, nearest=True)[1].any()


@pytest.mark.parametrize("nearest", [False, True])
@pytest.mark.parametrize("pairs", [matching.MAX_PAIRS, 700])
def test_torchvision_matches_the_same_boxes(nearest, pairs, monkeypatch):
    from torchvision.models.detection._utils import Matcher

    monkeypatch.setattr(matching, "MAX_PAIRS", pairs)  # objects are compared in parts
    objects, others = boxes(12, 1), boxes(300, 2)
    theirs = Matcher(0.6, 0.3, allow_low_quality_matches=nearest)(overlaps(objects, others))
    owner, label = match(objects, others, 0.6, 0.3, nearest=nearest)
    assert torch.equal(label, torch.where(theirs >= 0, 1, torch.where(theirs == -1, 0, -1)))
    assert torch.equal(owner[label > 0], theirs[label > 0])


def test_no_objects_and_no_boxes():
    owner, label = match(boxes(0, 0), boxes(5, 1), 0.5, 0.5, nearest=True)
    assert (owner.tolist(), label.tolist()) == ([0] * 5, [0] * 5)
    assert [len(x) for x in match(boxes(3, 0), boxes(0, 1), 0.5, 0.5)] == [0, 0]


def test_inside_a_crowd():
    crowd = torch.tensor([[0.0, 0, 100, 100]])
    actual = inside(torch.tensor([[10.0, 10, 20, 20], [90, 0, 110, 10], [5, 5, 5, 9]]), crowd)
    assert actual.tolist() == [1.0, 0.5, 0.0]
    assert inside(boxes(2, 0), crowd[:0]).tolist() == [0, 0]


def test_a_balanced_sample():
    labels = torch.tensor([1] * 10 + [0] * 100 + [-1] * 50)
    torch.manual_seed(0)
    positive, negative = sample(labels, 16, 0.25)
    assert (len(positive), len(negative)) == (4, 12)
    assert labels[positive].tolist() == [1] * 4
    assert labels[negative].tolist() == [0] * 12
    torch.manual_seed(0)
    assert torch.equal(sample(labels, 16, 0.25)[0], positive)
    positive, negative = sample(labels, 64, 0.5)
    assert (len(positive), len(negative)) == (10, 54)  # negatives fill up
    assert [len(x) for x in sample(labels[:10], 64, 0.5)] == [10, 0]
    drawn = {tuple(sorted(sample(labels, 4, 1.0)[0].tolist())) for _ in range(20)}
    assert len(drawn) > 10

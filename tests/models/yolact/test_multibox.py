"""Losses of YOLACT: by hand, and by PyTorch's functions on the anchors that should be chosen."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from pixelwise.models.yolact.multibox import hard_class_loss, mask_loss, semantic_loss


def test_the_three_hardest_negatives_count():
    background = torch.tensor([5.0, 1.0, 0.0, 3.0, 4.0, -2.0, 9.0])
    logits = torch.stack([background, torch.zeros(7)], 1)[None]
    labels = torch.tensor([[0, 1, 0, 0, 0, -1, 0]])
    every = F.cross_entropy(logits[0], labels[0].clamp(min=0), reduction="none")
    assert hard_class_loss(logits, labels).item() == pytest.approx(float(every[[1, 2, 3, 4]].sum()))
    assert hard_class_loss(logits, labels, ratio=1).item() == pytest.approx(float(every[[1, 2]].sum()))


def test_each_image_has_negatives_for_its_own_positives():
    logits = torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.zeros(2, 9, dtype=torch.int64)
    labels[0, :4] = 2
    loss = hard_class_loss(logits, labels)
    assert loss.item() == pytest.approx(F.cross_entropy(logits[0], labels[0], reduction="sum").item(), rel=1e-5)
    loss.backward()
    assert bool((logits.grad[0] != 0).all())
    assert bool((logits.grad[1] == 0).all())
    assert hard_class_loss(logits, torch.full((2, 9), -1)) == 0


def test_masks_count_inside_and_by_area():
    logits = torch.zeros(2, 4, 4)
    inside = torch.zeros(2, 4, 4, dtype=torch.bool)
    inside[0, :2, :2], inside[1] = True, True
    truths = torch.zeros(2, 4, 4, dtype=torch.bool)
    actual = mask_loss(logits, truths, inside, torch.tensor([4.0, 8.0]))
    assert actual.item() == pytest.approx((4 / 4 + 16 / 8) * 0.693147, rel=1e-5)
    assert mask_loss(torch.full((1, 4, 4), 90.0), truths[:1], inside[1:], torch.ones(1)).item() == pytest.approx(1440)
    assert mask_loss(logits[:0], truths[:0], inside[:0], torch.zeros(0)) == 0


def test_classes_are_the_union_of_their_objects():
    masks = torch.zeros(3, 2, 2, dtype=torch.bool)
    masks[0, 0], masks[1, :, 0], masks[2, 1, 1] = True, True, True
    expected = torch.tensor([[[1.0, 1], [1, 0]], [[0, 0], [0, 1]], [[0, 0], [0, 0]]])
    logits = torch.randn(3, 2, 2, generator=torch.Generator().manual_seed(0))
    actual = semantic_loss(logits, masks, torch.tensor([0, 0, 1]))
    assert actual.item() == pytest.approx(F.binary_cross_entropy_with_logits(logits, expected).item() * 3, rel=1e-5)
    assert semantic_loss(logits, masks[:0], torch.zeros(0, dtype=torch.int64)).isfinite()

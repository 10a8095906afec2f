"""The losses of SOLO by hand."""

from __future__ import annotations

import pytest
import torch

from pixelwise.models.solo.losses import dice_coefficients, focal_loss


def test_dice_by_hand():
    soft = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.0, 0.0]])
    masks = torch.tensor([[True, True, False], [False, False, False]])
    assert dice_coefficients(soft, masks).tolist() == pytest.approx([2 * 1.5 / (1.25 + 2 + 0.002), 0])


def test_focal_loss_by_hand():
    logits = torch.tensor([0.3, -1.2, 2.0, -0.5])
    target = torch.tensor([1.0, 1.0, 0.0, 0.0])
    p = logits.double().sigmoid()
    expected = -0.25 * ((1 - p[:2]) ** 2 * p[:2].log()).sum() - 0.75 * (p[2:] ** 2 * (1 - p[2:]).log()).sum()
    assert focal_loss(logits, target).item() == pytest.approx(expected.item(), rel=1e-5)
    assert focal_loss(logits[:0], target[:0]) == 0

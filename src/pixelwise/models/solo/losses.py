"""The two losses of SOLO: focal loss of the categories, Dice loss of the masks (1912.04488, section 3.3)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

SMOOTH = 0.001
"""Added to both terms of the denominator of Dice, so that two empty masks do not divide by 0."""


def focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Focal loss, summed, with α = 0.25 and γ = 2 (Lin et al. 2017, equation 5).

    Args:
        logits: of any shape, float32.
        target: of the same shape, 0 or 1.
    """
    cross_entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    error = (target - logits.sigmoid()).abs()
    alpha = 0.75 - target / 2  # 0.25 where the target is 1, 0.75 where it is 0
    return (alpha * error**2 * cross_entropy).sum()


def dice_coefficients(soft: Tensor, truth: Tensor) -> Tensor:
    """Dice coefficient of each pair of masks, 2 Σ pq / (Σ p² + Σ q²), in [0, 1].

    Args:
        soft: (N, P) float in [0, 1], the pixels of the predicted masks.
        truth: (N, P) bool.

    Returns:
        (N,).
    """
    shared = (soft * truth).sum(1)
    return 2 * shared / (soft.square().sum(1) + truth.sum(1) + 2 * SMOOTH)

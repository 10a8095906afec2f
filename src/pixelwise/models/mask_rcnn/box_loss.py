"""Smooth L1 loss of the deltas of boxes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def smooth_l1(deltas: Tensor, target_deltas: Tensor, beta: float) -> Tensor:
    """Sum of |d| − beta / 2, and of d² / (2 · beta) where |d| < beta (Girshick 2015, equation 3, with beta 1).

    Args:
        deltas, target_deltas: of one shape, which may be empty; d is their difference.
        beta: where the parabola ends; 0 for the sum of |d|.
    """
    return F.smooth_l1_loss(deltas, target_deltas, reduction="sum", beta=beta)

"""How far found boxes lie from those that are wanted."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def smooth_l1(found: Tensor, wanted: Tensor, beta: float) -> Tensor:
    """The sum of |d| − beta / 2, and of d² / (2 · beta) where |d| < beta (Girshick 2015, equation 3, with beta 1).

    Args:
        found, wanted: of one shape, which may be empty.
        beta: where the parabola ends; 0: the sum of |d|.
    """
    return F.smooth_l1_loss(found, wanted, reduction="sum", beta=beta)

"""Batch normalisation of maps that are pooled to a single pixel."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class PooledBatchNorm2d(nn.BatchNorm2d):
    """As `nn.BatchNorm2d`; of a single value a channel it takes the running statistics, in training too.

    One value has no variance, so PyTorch refuses a batch of one image here. Its mean is the value itself, and
    subtracting it would leave nothing of the image: the statistics gathered so far are used and stay as they are.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, H, W) → the same shape; B·H·W = 1 in training is normalised as in evaluation."""
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(x)

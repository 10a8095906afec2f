"""Batch normalisation of globally pooled maps."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class PooledBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` that uses its running statistics for a single value per channel, in training too.

    A single value has no variance, and PyTorch raises an error for a batch of one image here. Its mean would be the
    value itself, and subtracting it would leave nothing of the image. So the running statistics are used, and stay
    unchanged.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, D, H, W); with B·H·W = 1 in training as in evaluation."""
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(x)

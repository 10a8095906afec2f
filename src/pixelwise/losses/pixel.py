"""Losses that add up over pixels: cross-entropy, focal, and cross-entropy over the hard pixels only.

Every loss takes logits (B, C, H, W), C ≥ 2, and the true class of each pixel (B, H, W) int64, and returns a dict of
named scalars in float32 or better, whatever autocast made of the logits. Void pixels (255) count in nothing: neither in
the loss, nor in its gradient, nor in what it is divided by. Where nothing counts, the loss is 0 and so is its gradient.
Nothing here waits for the GPU.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..classes import VOID


def full_precision(logits: Tensor, target: Tensor) -> Tensor:
    """The logits in float32 (float64 as they are), once their shape is known to fit the target's.

    Raises:
        ValueError: for other shapes than (B, C, H, W) and (B, H, W), and for a single class.
    """
    if logits.ndim != 4 or (logits.shape[0], *logits.shape[2:]) != tuple(target.shape):
        raise ValueError(
            f"a loss compares logits (B, C, H, W) with a target (B, H, W), not {tuple(logits.shape)} with "
            f"{tuple(target.shape)}"
        )
    if logits.shape[1] < 2:
        raise ValueError(
            "the logits have one class, and a softmax over one class is always 1: an object on a background is two "
            "classes, so make the model with num_classes=2"
        )
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


class ClassWeighted(nn.Module):
    """What has one weight a class, 1 when none are given.

    Args:
        weights: (C,), not negative; `balance.class_weights` makes them from pixel counts.
    """

    weights: Tensor | None

    def __init__(self, weights: Tensor | Sequence[float] | None = None) -> None:
        super().__init__()
        values = None if weights is None else torch.as_tensor(weights, dtype=torch.float32)
        if values is not None and (values.ndim != 1 or not bool((values >= 0).all() & values.isfinite().all())):
            raise ValueError(f"class weights are one number a class, finite and 0 or more, not {values.tolist()}")
        self.register_buffer("weights", values, persistent=False)

    def of_pixels(self, target: Tensor, num_classes: int) -> Tensor:
        """(B, H, W) float32: the weight of each pixel's class, 0 where void."""
        if self.weights is None:
            return (target != VOID).float()
        if len(self.weights) != num_classes:
            raise ValueError(f"{len(self.weights)} class weights for logits of {num_classes} classes: give one a class")
        return F.pad(self.weights, (0, VOID + 1 - num_classes))[target]


class CrossEntropy(ClassWeighted):
    """−log p of the true class: Σ w·(−log p) / Σ w over the pixels that are not void.

    Dividing by the sum of the weights, not by the number of pixels, is PyTorch's weighted mean; all weights times ten
    is the same loss.
    """

    def forward(self, logits: Tensor, target: Tensor, pixel_weights: Tensor | None = None) -> dict[str, Tensor]:
        """{"cross_entropy": scalar}.

        Args:
            logits: (B, C, H, W).
            target: (B, H, W) int64, 255 is void.
            pixel_weights: (B, H, W), *added* to the weight of each pixel's class, as U-Net's equation 2 adds
                `border.border_weights` to w_c.
        """
        logits = full_precision(logits, target)
        weights = self.of_pixels(target, logits.shape[1])
        if pixel_weights is not None:
            weights = weights + pixel_weights * (target != VOID)
        if self.weights is None and pixel_weights is None:
            total = F.cross_entropy(logits, target, ignore_index=VOID, reduction="sum")
        else:
            total = (weights * F.cross_entropy(logits, target, ignore_index=VOID, reduction="none")).sum()
        return {"cross_entropy": total / positive(weights.sum())}


def positive(denominator: Tensor) -> Tensor:
    """The denominator, or 1 where it is 0."""
    return denominator + (denominator == 0)

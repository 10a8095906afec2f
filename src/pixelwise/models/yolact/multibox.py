"""Losses of YOLACT: classes with hard negative mining (SSD, Liu et al. 2016), masks, and semantic segmentation.

All are sums that the caller normalises. Logits are float32.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def hard_class_loss(logits: Tensor, labels: Tensor, ratio: int = 3) -> Tensor:
    """Cross-entropy of the positive anchors and of the hardest negative ones.

    In each image, `ratio` times as many negatives as positives count, those with the lowest probability of background;
    so an image without positives adds nothing.

    Args:
        logits: (B, A, C), the background first.
        labels: (B, A) int64: a class, 0 for background, −1 for anchors that are ignored.
        ratio: negatives for each positive (section 2.2 of SSD).

    Returns:
        The sum over these anchors.
    """
    losses = F.cross_entropy(logits.flatten(0, 1), labels.clamp(min=0).flatten(), reduction="none").view(labels.shape)
    positive, negative = labels > 0, labels == 0
    total = losses[positive].sum()
    for own, loss, number in zip(negative, losses, positive.sum(1).tolist(), strict=True):
        hard = loss[own]
        total = total + hard.topk(min(ratio * number, labels.shape[1] - 1, len(hard))).values.sum()
    return total


def mask_loss(logits: Tensor, truths: Tensor, inside: Tensor, areas: Tensor) -> Tensor:
    """Binary cross-entropy of masks within their boxes, each divided by the area of its box (section 3.2 of YOLACT).

    The authors' code computes it from probabilities, so that a cell that is wrong with certainty has a loss of 100 and
    no gradient.

    Args:
        logits: (N, h, w).
        truths: (N, h, w) bool.
        inside: (N, h, w) bool, the cells within each box.
        areas: (N,), the area of each box, cells.

    Returns:
        The sum over the masks.
    """
    losses = F.binary_cross_entropy_with_logits(logits, truths.float(), reduction="none")
    return ((losses * inside).sum((1, 2)) / areas).sum()


def semantic_loss(logits: Tensor, masks: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of each class with the union of its objects (section 3.4 of YOLACT).

    Args:
        logits: (C, h, w) of an image.
        masks: (N, h, w) bool, its objects; they may overlap.
        labels: (N,) int64, 0 to C − 1.

    Returns:
        The sum over the classes of the mean over the cells.
    """
    target = torch.zeros_like(logits).index_add_(0, labels, masks.float()).clamp(max=1)
    return F.binary_cross_entropy_with_logits(logits, target, reduction="sum") / logits[0].numel()

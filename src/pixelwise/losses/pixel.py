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
from torch import Tensor

from ..classes import VOID
from .base import Criterion, full_precision


class ClassWeighted(Criterion):
    """A loss with a weight for each class, 1 when none are given.

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

    def of_classes(self, num_classes: int, device: torch.device) -> Tensor:
        """(C,) float32; a ValueError where there are weights for another number of classes."""
        if self.weights is None:
            return torch.ones(num_classes, device=device)
        if len(self.weights) != num_classes:
            raise ValueError(f"{len(self.weights)} class weights for logits of {num_classes} classes: give one a class")
        return self.weights

    def of_pixels(self, target: Tensor, num_classes: int) -> Tensor:
        """(B, H, W) float32: the weight of each pixel's class, 0 where void."""
        if self.weights is None:
            return (target != VOID).float()
        return F.pad(self.of_classes(num_classes, target.device), (0, VOID + 1 - num_classes))[target]


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


class Focal(ClassWeighted):
    """Focal loss over the softmax: α·(1 − p)^γ·(−log p) of the true class (Lin et al. 2017, equation 5).

    Divided as cross-entropy is, by the sum of the class weights of the pixels that count. γ = 0 is α times
    cross-entropy.

    Args:
        gamma: how much less the pixels count that are already right, 0 or more.
        alpha: a factor on the whole loss.
        weights: (C,) one a class.
    """

    def __init__(self, gamma: float = 2.0, alpha: float = 1.0, weights: Tensor | Sequence[float] | None = None) -> None:
        super().__init__(weights)
        self.gamma, self.alpha = gamma, alpha

    def forward(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """(B, C, H, W) logits and (B, H, W) classes → {"focal": scalar}."""
        logits = full_precision(logits, target)
        weights = self.of_pixels(target, logits.shape[1])
        entropy = F.cross_entropy(logits, target, ignore_index=VOID, reduction="none")
        terms = _wrong(torch.exp(-entropy)) ** self.gamma * entropy
        return {"focal": self.alpha * (weights * terms).sum() / positive(weights.sum())}


class SigmoidFocal(ClassWeighted):
    """Focal loss over sigmoids, each class against the rest: α_t·(1 − p_t)^γ·BCE (RetinaNet; Lin et al. 2017).

    Averaged over the pixels that count, then over the classes by their weights (as segmentation_models.pytorch does);
    times C it is RetinaNet's sum over the number of positives, as each pixel that counts is positive for one class.

    Args:
        gamma: how much less the pixels count that are already right, 0 or more.
        alpha: factor of the true class; the others get 1 − alpha. None: 1 for both.
        weights: (C,) one a class.
    """

    def __init__(
        self, gamma: float = 2.0, alpha: float | None = 0.25, weights: Tensor | Sequence[float] | None = None
    ) -> None:
        super().__init__(weights)
        self.gamma, self.alpha = gamma, alpha

    def forward(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """(B, C, H, W) logits and (B, H, W) classes → {"sigmoid_focal": scalar}."""
        logits = full_precision(logits, target)
        num_classes = logits.shape[1]
        weights = self.of_classes(num_classes, target.device)
        valid = target != VOID
        truth = target[:, None] == torch.arange(num_classes, device=target.device)[:, None, None]
        entropy = F.binary_cross_entropy_with_logits(logits, truth.to(logits.dtype), reduction="none")
        terms = _wrong(torch.exp(-entropy)) ** self.gamma * entropy * valid[:, None]
        if self.alpha is not None:
            terms = torch.where(truth, self.alpha * terms, (1 - self.alpha) * terms)
        means = terms.sum((0, 2, 3)) / positive(valid.sum())
        return {"sigmoid_focal": (weights * means).sum() / positive(weights.sum())}


class OHEM(ClassWeighted):
    """Cross-entropy over the hard pixels only (online hard example mining), as MMSegmentation's sampler picks them.

    Kept are the pixels whose true class has a probability below `threshold`, or, where these are too few, those below
    the `min_kept`-th lowest probability. The mean is over what was kept, weighted as in `CrossEntropy`.

    Args:
        threshold: below this probability a pixel is hard.
        min_kept: as many pixels are kept *for each image of the batch* (counted over the batch as a whole). Crops
            smaller than that are kept whole, but for the easiest pixel.
        weights: (C,) one a class.
    """

    def __init__(
        self, threshold: float = 0.7, min_kept: int = 100_000, weights: Tensor | Sequence[float] | None = None
    ) -> None:
        super().__init__(weights)
        self.threshold, self.min_kept = threshold, min_kept

    def forward(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """(B, C, H, W) logits and (B, H, W) classes → {"ohem": scalar}."""
        logits = full_precision(logits, target)
        entropy = F.cross_entropy(logits, target, ignore_index=VOID, reduction="none")
        probability, void = torch.exp(-entropy.detach()).flatten(), (target == VOID).flatten()
        rank = min(self.min_kept * len(target), len(void) - 1)
        ranked = probability.masked_fill(void, 2).kthvalue(rank + 1).values
        limit = torch.minimum(ranked, probability.masked_fill(void, 0).max()).clamp(min=self.threshold)
        kept = self.of_pixels(target, logits.shape[1]) * (probability < limit).view_as(entropy)
        return {"ohem": (kept * entropy).sum() / positive(kept.sum())}


def _wrong(probability: Tensor) -> Tensor:
    """1 − p, kept off 0, where a power below 1 has no finite gradient."""
    return (1 - probability).clamp(min=torch.finfo(probability.dtype).eps)

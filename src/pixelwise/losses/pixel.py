"""Losses that are means over pixels: cross-entropy, focal loss, and online hard example mining.

Every loss takes logits (B, C, H, W), C ≥ 2, and the ground-truth class of each pixel (B, H, W) int64, and returns a
dict of named scalars in float32 or float64, also under autocast. Void pixels (255) are ignored in the loss, in its
gradient and in its denominator. If there are no others, the loss and its gradient are 0. Nothing here synchronises with
the GPU.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..classes import VOID
from .base_criterion import Criterion, full_precision


class ClassWeighted(Criterion):
    """Base class of losses with class weights.

    Args:
        weights: (C,), 0 or more; `balance.class_weights` computes them from pixel counts; 1 each when not given.
    """

    weights: Tensor | None

    def __init__(self, weights: Tensor | Sequence[float] | None = None) -> None:
        super().__init__()
        values = None if weights is None else torch.as_tensor(weights, dtype=torch.float32)
        if values is not None and (values.ndim != 1 or not bool((values >= 0).all() & values.isfinite().all())):
            raise ValueError(f"class weights are one number per class, finite and 0 or more, not {values.tolist()}")
        self.register_buffer("weights", values, persistent=False)

    def of_classes(self, num_classes: int, device: torch.device) -> Tensor:
        """The class weights, (C,) float32; raises ValueError if they are for another number of classes."""
        if self.weights is None:
            return torch.ones(num_classes, device=device)
        if len(self.weights) != num_classes:
            raise ValueError(
                f"{len(self.weights)} class weights for logits of {num_classes} classes: give one per class"
            )
        return self.weights

    def of_pixels(self, target: Tensor, num_classes: int) -> Tensor:
        """The weight of each pixel's class, (B, H, W) float32, 0 for void."""
        if self.weights is None:
            return (target != VOID).float()
        # A table of 256 weights, in which void has 0.
        return F.pad(self.of_classes(num_classes, target.device), (0, VOID + 1 - num_classes))[target]


class CrossEntropy(ClassWeighted):
    """Cross-entropy: Σ w·(−log p) / Σ w over the pixels that are not void, p the probability of the pixel's class.

    The denominator is the sum of the weights, as in PyTorch's weighted mean, so a factor on all weights changes
    nothing.
    """

    def forward(self, logits: Tensor, target: Tensor, pixel_weights: Tensor | None = None) -> dict[str, Tensor]:
        """Compute {"cross_entropy": scalar}.

        Args:
            logits: (B, C, H, W).
            target: (B, H, W) int64, 255 is void.
            pixel_weights: (B, H, W), *added* to the weight of each pixel's class, like `border.border_weights` in
                U-Net's equation 2.
        """
        logits = full_precision(logits, target)
        weights = self.of_pixels(target, logits.shape[1])
        if pixel_weights is not None:
            weights = weights + pixel_weights * (target != VOID)
        if self.weights is None and pixel_weights is None:  # the same, without a map of losses in memory
            total = F.cross_entropy(logits, target, ignore_index=VOID, reduction="sum")
        else:
            total = (weights * F.cross_entropy(logits, target, ignore_index=VOID, reduction="none")).sum()
        return {"cross_entropy": total / positive(weights.sum())}


def positive(denominator: Tensor) -> Tensor:
    """Replace a denominator of 0 by 1."""
    return denominator + (denominator == 0)


class Focal(ClassWeighted):
    """Focal loss on the softmax: α·(1 − p)^γ·(−log p), p the probability of the pixel's class (Lin et al. 2017, eq. 5).

    The denominator is that of cross-entropy, the sum of the class weights of all pixels but void ones. γ = 0 is α times
    cross-entropy.

    Args:
        gamma: focusing parameter, 0 or more: larger values weigh down well-classified pixels.
        alpha: factor of the whole loss.
        weights: (C,) class weights.
    """

    def __init__(self, gamma: float = 2.0, alpha: float = 1.0, weights: Tensor | Sequence[float] | None = None) -> None:
        super().__init__(weights)
        self.gamma, self.alpha = gamma, alpha

    def forward(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Compare logits (B, C, H, W) with classes (B, H, W); returns {"focal": scalar}."""
        logits = full_precision(logits, target)
        weights = self.of_pixels(target, logits.shape[1])
        entropy = F.cross_entropy(logits, target, ignore_index=VOID, reduction="none")
        terms = _wrong(torch.exp(-entropy)) ** self.gamma * entropy
        return {"focal": self.alpha * (weights * terms).sum() / positive(weights.sum())}


class SigmoidFocal(ClassWeighted):
    """Focal loss on sigmoids, each class against the rest: α_t·(1 − p_t)^γ·BCE (RetinaNet; Lin et al. 2017).

    The mean over all pixels but void ones, then the weighted mean over the classes, as in segmentation_models.pytorch.
    Times C it is RetinaNet's sum divided by the number of positives, because each pixel is positive for one class.

    Args:
        gamma: focusing parameter, 0 or more: larger values weigh down well-classified pixels.
        alpha: factor of the pixel's class; the other classes have 1 − alpha. None: 1 for both.
        weights: (C,) class weights.
    """

    def __init__(
        self, gamma: float = 2.0, alpha: float | None = 0.25, weights: Tensor | Sequence[float] | None = None
    ) -> None:
        super().__init__(weights)
        self.gamma, self.alpha = gamma, alpha

    def forward(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Compare logits (B, C, H, W) with classes (B, H, W); returns {"sigmoid_focal": scalar}."""
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
    """Online hard example mining: cross-entropy over the hard pixels only, sampled as in MMSegmentation.

    A pixel is kept if the probability of its class is below `threshold`; if these pixels are too few, if it is below
    the `min_kept`-th lowest probability. The mean is over the pixels kept, weighted as in `CrossEntropy`.

    Args:
        threshold: pixels with a lower probability of their class are hard.
        min_kept: minimum number of pixels to keep *per image of the batch* (counted over the batch as a whole). Of
            smaller crops, all but the easiest pixel are kept.
        weights: (C,) class weights.
    """

    def __init__(
        self, threshold: float = 0.7, min_kept: int = 100_000, weights: Tensor | Sequence[float] | None = None
    ) -> None:
        super().__init__(weights)
        self.threshold, self.min_kept = threshold, min_kept

    def forward(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Compare logits (B, C, H, W) with classes (B, H, W); returns {"ohem": scalar}."""
        logits = full_precision(logits, target)
        entropy = F.cross_entropy(logits, target, ignore_index=VOID, reduction="none")
        probability = torch.exp(-entropy.detach()).flatten()
        void = (target == VOID).flatten()
        rank = min(self.min_kept * len(target), len(void) - 1)
        # Void pixels rank last, with a "probability" of 2; a limit among them becomes the largest real one instead.
        ranked = probability.masked_fill(void, 2).kthvalue(rank + 1).values
        limit = torch.minimum(ranked, probability.masked_fill(void, 0).max()).clamp(min=self.threshold)
        kept = self.of_pixels(target, logits.shape[1]) * (probability < limit).view_as(entropy)
        return {"ohem": (kept * entropy).sum() / positive(kept.sum())}


def _wrong(probability: Tensor) -> Tensor:
    """1 − p, at least the machine epsilon, because a power below 1 has an infinite gradient at 0."""
    return (1 - probability).clamp(min=torch.finfo(probability.dtype).eps)

"""Losses on the overlap of regions: Dice, Tversky, Lovász. Each class has the same weight, whatever its size.

Arguments and results are those of the losses in `pixel`. Void pixels belong to neither region; the loss and the
gradient of a batch of void pixels only are 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..classes import VOID
from .base_criterion import Criterion, full_precision

SMOOTH = {"usual": 1.0, "smp": 0.0, "squared": 0.0, "milesial": 1e-6}
"""The forms of `Dice` → their default for `smooth`, which is added to numerator and denominator."""

EPSILON = 1e-7
"""Smallest denominator."""

_LARGEST_BITS = 2**31 - 1
"""Largest bit pattern of a float32 that is 0 or more, as an integer."""


class Dice(Criterion):
    """Dice loss, 1 − Dice, in one of four forms that share this name in the literature.

    With I = Σ p·y, P = Σ p and Y = Σ y of a class over all pixels of the batch, p the softmax, y the ground truth:

    - "smp": 1 − (I + s) / ((P + Y)/2 + s), 0 for classes absent from the batch; mean over all classes
      (segmentation_models.pytorch).
    - "usual": 1 − (2I + s) / (P + Y + s); mean over all classes, so that absent classes are penalised.
    - "squared": 1 − (2I + s) / (Σ p² + Y + s); mean over all classes (V-Net).
    - "milesial": 1 − (2I + s) / (P + Y + s), with I, P and Y summed over the classes first (Pytorch-UNet).

    Args:
        variant: one of these names.
        smooth: s; that of `SMOOTH` when not given.
    """

    def __init__(self, variant: str = "smp", smooth: float | None = None) -> None:
        super().__init__()
        if variant not in SMOOTH:
            raise ValueError(f"there is no Dice loss called {variant!r}; there are: {', '.join(SMOOTH)}")
        self.variant = variant
        self.smooth = SMOOTH[variant] if smooth is None else smooth

    def forward(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Compare logits (B, C, H, W) with classes (B, H, W); returns {"dice": scalar}."""
        overlap, predicted, truth = _regions(logits, target, squared=self.variant == "squared")
        if self.variant == "milesial":
            overlap, predicted, truth = overlap.sum(), predicted.sum(), truth.sum()
        # smp's numerator and denominator are halves of ours.
        smooth = self.smooth * (2 if self.variant == "smp" else 1)
        size = predicted + truth
        score = (2 * overlap + smooth) / (size + smooth).clamp(min=EPSILON)
        included = truth > 0 if self.variant == "smp" else size > 0
        return {"dice": ((1 - score) * included).mean()}


class Tversky(Criterion):
    """Tversky loss, 1 − (I + s) / (I + α·FP + β·FN + s) (Salehi et al. 2017): Dice with separate costs of errors.

    The mean over all classes, 0 for those absent from the batch. α = β = ½ is Dice, α = β = 1 the Jaccard index.

    Args:
        alpha: cost of false positives.
        beta: cost of false negatives.
        smooth: s.
    """

    def __init__(self, alpha: float = 0.3, beta: float = 0.7, smooth: float = 0.0) -> None:
        super().__init__()
        self.alpha, self.beta, self.smooth = alpha, beta, smooth

    def forward(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Compare logits (B, C, H, W) with classes (B, H, W); returns {"tversky": scalar}."""
        overlap, predicted, truth = _regions(logits, target)
        size = overlap + self.alpha * (predicted - overlap) + self.beta * (truth - overlap)
        score = (overlap + self.smooth) / (size + self.smooth).clamp(min=EPSILON)
        return {"tversky": ((1 - score) * (truth > 0)).mean()}


class Lovasz(Criterion):
    """Lovász softmax (Berman et al. 2018): the convex extension of 1 − IoU of each class, averaged over the classes.

    Args:
        present: average over the classes that occur in the ground truth; otherwise over all, where the loss of an
            absent class is its largest probability.
        per_image: compute the loss of each image, and average over the images, rather than that of the whole batch.
    """

    def __init__(self, present: bool = True, per_image: bool = False) -> None:
        super().__init__()
        self.present, self.per_image = present, per_image

    def forward(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Compare logits (B, C, H, W) with classes (B, H, W); returns {"lovasz": scalar}."""
        probability = full_precision(logits, target).softmax(1)
        if self.per_image:
            parts = [self._loss(p[None], t[None]) for p, t in zip(probability, target, strict=True)]
            return {"lovasz": torch.stack(parts).mean()}
        return {"lovasz": self._loss(probability, target)}

    def _loss(self, probability: Tensor, target: Tensor) -> Tensor:
        """Mean over the classes, of (B, C, H, W) and (B, H, W)."""
        pixels = torch.bincount(target.flatten(), minlength=VOID + 1)[: probability.shape[1]].tolist()
        if not any(pixels):
            return (probability * 0).sum()  # keeps the graph, so that the gradient is 0 and not missing
        classes = [c for c, number in enumerate(pixels) if number or not self.present]
        return torch.stack([_lovasz(probability[:, c].flatten(), target.flatten(), c) for c in classes]).mean()


def _regions(logits: Tensor, target: Tensor, squared: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Σ p·y, Σ p (or Σ p²) and Σ y of each class, (C,) each, over the pixels of the batch that are not void."""
    valid = target != VOID
    probability = full_precision(logits, target).softmax(1) * valid[:, None]
    index = target.masked_fill(~valid, 0)  # any class will do, because the probabilities of void are 0
    # One-hot maps (B, C, H, W) would take C times the memory: sums per row of pixels are scattered to the classes.
    rows = probability.new_zeros(*target.shape[:2], logits.shape[1])
    overlap = rows.scatter_add(2, index, probability.gather(1, index[:, None])[:, 0])
    truth = rows.scatter_add(2, index, valid.to(probability.dtype))
    predicted = probability.square() if squared else probability
    return overlap.sum((0, 1)), predicted.sum((0, 2, 3)), truth.sum((0, 1))


def _lovasz(probability: Tensor, target: Tensor, c: int) -> Tensor:
    """Lovász extension of class c's Jaccard loss at the errors |y − p|; (N,) each.

    The extension is linear in the sorted errors: its slopes are the increments of the Jaccard loss as the pixels become
    wrong one after the other, the worst first. They are computed as quotients of counts, not as differences, in which
    float32 would lose the effect of one pixel among millions.
    """
    truth = target == c
    errors = torch.where(truth, 1 - probability, probability).masked_fill(target == VOID, 0)
    with torch.no_grad():
        # The bits of floats from 0 up sort like the floats, and integers sort four times as fast on a CPU.
        order = (_LARGEST_BITS - errors.float().view(torch.int32).long()).argsort(stable=True)
        positive = truth[order]
        missed = positive.cumsum(0)
        false_positives = (~positive).cumsum(0)
        total = missed[-1]
        union = total + false_positives
        union_before = union - (~positive).long()
        increments = torch.where(positive, 1 / union, (total - missed) / (union_before * union))
        # The first false positive of an absent class takes its IoU from undefined (0/0) to 0.
        slopes = torch.empty_like(errors).scatter_(0, order, increments.nan_to_num(1.0).to(errors.dtype))
    return (errors * slopes).sum()

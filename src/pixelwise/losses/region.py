"""Losses that compare whole regions: Dice, Tversky, Lovász. Each class counts alike, however few pixels it has.

They take and return what the losses in `pixel` do, with the same rules: void pixels count in neither region, and a
batch in which nothing counts has loss 0 and gradient 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..classes import VOID
from .base import Criterion, full_precision

SMOOTH = {"usual": 1.0, "smp": 0.0, "squared": 0.0, "milesial": 1e-6}
"""The forms of `Dice`, and what each adds to numerator and denominator unless told otherwise."""

EPSILON = 1e-7  # smaller denominators are taken as this
LARGEST = 2**31 - 1  # of the bits of a float32


class Dice(Criterion):
    """1 − Dice, in one of four forms that the literature calls by the same name.

    With I = Σ p·y, P = Σ p and Y = Σ y of a class over all pixels of the batch, p the softmax, y the truth:

    - "smp": 1 − (I + s) / ((P + Y)/2 + s), 0 for classes that the batch has not; mean over all classes
      (segmentation_models.pytorch).
    - "usual": 1 − (2I + s) / (P + Y + s); mean over all classes, so that classes that are absent are pushed down.
    - "squared": 1 − (2I + s) / (Σ p² + Y + s); mean over all classes (V-Net).
    - "milesial": 1 − (2I + s) / (P + Y + s), with I, P and Y summed over the classes first (Pytorch-UNet).

    Args:
        variant: one of these names.
        smooth: s; as in `SMOOTH` when not given.
    """

    def __init__(self, variant: str = "smp", smooth: float | None = None) -> None:
        super().__init__()
        if variant not in SMOOTH:
            raise ValueError(f"there is no Dice loss called {variant!r}; there are: {', '.join(SMOOTH)}")
        self.variant = variant
        self.smooth = SMOOTH[variant] if smooth is None else smooth

    def forward(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """(B, C, H, W) logits and (B, H, W) classes → {"dice": scalar}."""
        both, found, true = _regions(logits, target, squared=self.variant == "squared")
        if self.variant == "milesial":
            both, found, true = both.sum(), found.sum(), true.sum()
        smooth = self.smooth * (2 if self.variant == "smp" else 1)
        size = found + true
        score = (2 * both + smooth) / (size + smooth).clamp(min=EPSILON)
        counts = true > 0 if self.variant == "smp" else size > 0
        return {"dice": ((1 - score) * counts).mean()}


class Tversky(Criterion):
    """1 − (I + s) / (I + α·FP + β·FN + s) (Salehi et al. 2017): Dice in which misses may cost more than false alarms.

    Mean over all classes, 0 for those that the batch has not. α = β = ½ is Dice, α = β = 1 the Jaccard index.

    Args:
        alpha: cost of what was found and is not true.
        beta: cost of what is true and was not found.
        smooth: s.
    """

    def __init__(self, alpha: float = 0.3, beta: float = 0.7, smooth: float = 0.0) -> None:
        super().__init__()
        self.alpha, self.beta, self.smooth = alpha, beta, smooth

    def forward(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """(B, C, H, W) logits and (B, H, W) classes → {"tversky": scalar}."""
        both, found, true = _regions(logits, target)
        size = both + self.alpha * (found - both) + self.beta * (true - both)
        score = (both + self.smooth) / (size + self.smooth).clamp(min=EPSILON)
        return {"tversky": ((1 - score) * (true > 0)).mean()}


class Lovasz(Criterion):
    """Lovász softmax (Berman et al. 2018): the convex extension of 1 − IoU of each class, averaged over the classes.

    Args:
        present: average over the classes that occur in the ground truth, else over all: one that is absent then costs
            its largest probability.
        per_image: the loss of each image by itself, averaged over the images, rather than that of the whole batch.
    """

    def __init__(self, present: bool = True, per_image: bool = False) -> None:
        super().__init__()
        self.present, self.per_image = present, per_image

    def forward(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """(B, C, H, W) logits and (B, H, W) classes → {"lovasz": scalar}."""
        probability = full_precision(logits, target).softmax(1)
        if self.per_image:
            parts = [self._loss(p[None], t[None]) for p, t in zip(probability, target, strict=True)]
            return {"lovasz": torch.stack(parts).mean()}
        return {"lovasz": self._loss(probability, target)}

    def _loss(self, probability: Tensor, target: Tensor) -> Tensor:
        pixels = torch.bincount(target.flatten(), minlength=VOID + 1)[: probability.shape[1]].tolist()
        classes = [c for c, number in enumerate(pixels) if number or not self.present]
        if not any(pixels):
            return (probability * 0).sum()
        return torch.stack([_lovasz(probability[:, c].flatten(), target.flatten(), c) for c in classes]).mean()


def _regions(logits: Tensor, target: Tensor, squared: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Σ p·y, Σ p (or Σ p²) and Σ y of each class, (C,) each, over the pixels of the batch that are not void."""
    valid = target != VOID
    probability = full_precision(logits, target).softmax(1) * valid[:, None]
    index = target.masked_fill(~valid, 0)  # where the probability is 0 now, so any class will do
    rows = probability.new_zeros(*target.shape[:2], logits.shape[1])
    both = rows.scatter_add(2, index, probability.gather(1, index[:, None])[:, 0])
    true = rows.scatter_add(2, index, valid.to(probability.dtype))
    found = probability.square() if squared else probability
    return both.sum((0, 1)), found.sum((0, 2, 3)), true.sum((0, 1))


def _lovasz(probability: Tensor, target: Tensor, c: int) -> Tensor:
    """Lovász extension of class c's Jaccard loss at the errors |y − p|; (N,) each.

    The extension is linear in the errors once they are sorted: its slopes are the steps of the Jaccard loss as one
    pixel after the other is taken for wrong, worst first. They are computed as quotients of counts, not as differences,
    which in float32 would lose what one pixel among millions does.
    """
    truth = target == c
    errors = torch.where(truth, 1 - probability, probability).masked_fill(target == VOID, 0)
    with torch.no_grad():
        # The bits of floats from 0 up sort as the floats do, and whole numbers sort four times as fast on a CPU.
        order = (LARGEST - errors.float().view(torch.int32).long()).argsort(stable=True)
        right, other = truth[order], ~truth[order]
        missed, alarms = right.cumsum(0), other.cumsum(0)
        total = missed[-1]
        union, before = total + alarms, total + alarms - other.long()
        steps = torch.where(right, 1 / union, (total - missed) / (before * union))
        # The first false alarm of a class that is nowhere true takes its IoU from undefined (0/0) to 0.
        slopes = torch.empty_like(errors).scatter_(0, order, steps.nan_to_num(1.0).to(errors.dtype))
    return (errors * slopes).sum()

"""Training losses of semantic models. `criterion` makes one from its name: "ce", "ce+dice", "ce+0.5*lovasz"."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn

from ..ops.names import suggest
from .base_criterion import Criterion
from .border import BorderCrossEntropy
from .pixel import OHEM, ClassWeighted, CrossEntropy, Focal, SigmoidFocal
from .region import Dice, Lovasz, Tversky

LOSSES: dict[str, Callable[..., Criterion]] = {
    "ce": CrossEntropy,
    "ce-border": BorderCrossEntropy,
    "ohem": OHEM,
    "focal": Focal,
    "sigmoid-focal": SigmoidFocal,
    "dice": Dice,
    "dice-usual": partial(Dice, "usual"),
    "dice-squared": partial(Dice, "squared"),
    "dice-milesial": partial(Dice, "milesial"),
    "tversky": Tversky,
    "lovasz": Lovasz,
}
"""Name for `criterion` → class of the loss; "dice" is the form of segmentation_models.pytorch."""


class Combined(Criterion):
    """Weighted sum of losses, for example cross-entropy + λ·Dice.

    Args:
        parts: factor and loss of each part.
    """

    def __init__(self, parts: Sequence[tuple[float, Criterion]]) -> None:
        super().__init__()
        self.factors = [factor for factor, _ in parts]
        self.losses = nn.ModuleList(loss for _, loss in parts)

    def forward(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Compare logits (B, C, H, W) with classes (B, H, W); returns each part times its factor."""
        parts = {}
        for factor, loss in zip(self.factors, self.losses, strict=True):
            for name, value in loss(logits, target).items():
                parts[name] = factor * value
        return parts


def criterion(name: str, weights: Tensor | None = None) -> Criterion:
    """Make a loss from its name: (logits (B, C, H, W), target (B, H, W) int64, 255 void) → dict of named scalars.

    Args:
        name: a key of `LOSSES`, or several joined by "+", each with an optional factor: "ce+0.5*dice".
        weights: (C,) class weights, for the parts that are means over pixels.

    Raises:
        ValueError: a name is unknown (similar ones are suggested) or given twice, ce-border is part of a sum, a factor
            is not a positive number, or no part uses class weights although they are given.

    >>> [type(loss).__name__ for loss in criterion("ce + 0.5*dice").losses]
    ['CrossEntropy', 'Dice']
    """
    parts = [_part(term, name, weights) for term in name.split("+")]
    _check_parts(parts, name, weighted=weights is not None)
    factor, loss = parts[0]
    return loss if len(parts) == 1 and factor == 1 else Combined(parts)


def _part(term: str, name: str, weights: Tensor | None) -> tuple[float, Criterion]:
    """Factor and loss of one term of a sum, "dice" or "0.5*dice"; `name` is the whole sum, for errors."""
    factor, star, loss = term.rpartition("*")
    return _factor(factor.strip(), name) if star else 1.0, _make(loss.strip(), weights)


def _check_parts(parts: Sequence[tuple[float, Criterion]], name: str, weighted: bool) -> None:
    kinds = {type(loss) for _, loss in parts}
    if BorderCrossEntropy in kinds and len(parts) > 1:
        raise ValueError(
            f"the loss {name!r}: ce-border stands alone, as it needs the border weights of each pixel: use ce-border"
        )
    if len(kinds) < len(parts):
        raise ValueError(f"the loss {name!r} names one loss twice: give it once, with a factor")
    if weighted and not any(issubclass(kind, ClassWeighted) for kind in kinds):
        raise ValueError(f"the loss {name!r} counts each class alike already: use it without class weights")


def _make(name: str, weights: Tensor | None) -> Criterion:
    if name not in LOSSES:
        raise ValueError(f"there is no loss called {name!r}: {suggest(name, LOSSES)}")
    make = LOSSES[name]
    takes_weights = isinstance(make, type) and issubclass(make, ClassWeighted)
    return make(weights=weights) if takes_weights else make()


def _factor(text: str, name: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise ValueError(f"the loss {name!r} has the factor {text!r}, which is no positive number: write ce+0.5*dice")
    return factor

"""What training makes small. `criterion` makes a loss from its name: "ce", "ce+dice", "ce+0.5*lovasz"."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn

from ..ops.names import suggest
from .base import Criterion
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
"""The names that `criterion` knows; "dice" is the form of segmentation_models.pytorch."""


class Combined(Criterion):
    """A weighted sum of losses, for example cross-entropy + λ·Dice; each part is returned times its factor.

    Args:
        parts: factor and loss of each part.
    """

    def __init__(self, parts: Sequence[tuple[float, Criterion]]) -> None:
        super().__init__()
        self.factors = [factor for factor, _ in parts]
        self.losses = nn.ModuleList(loss for _, loss in parts)

    def forward(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """(B, C, H, W) logits and (B, H, W) classes → the named parts, to be summed."""
        pairs = zip(self.factors, self.losses, strict=True)
        return {name: factor * value for factor, loss in pairs for name, value in loss(logits, target).items()}


def criterion(name: str, weights: Tensor | None = None) -> Criterion:
    """The loss of this name: (logits (B, C, H, W), target (B, H, W) int64, 255 void) → dict of named scalars.

    Args:
        name: of `LOSSES`, or several joined by "+", each perhaps with a factor: "ce+0.5*dice".
        weights: (C,) class weights, for the parts that add up over pixels.

    Raises:
        ValueError: for a name that there is not (the nearest is offered), for a part named twice, for ce-border in a
            sum, for a factor that is not a positive number, for class weights that no part would use.

    >>> [type(loss).__name__ for loss in criterion("ce + 0.5*dice").losses]
    ['CrossEntropy', 'Dice']
    """
    parts: list[tuple[float, Criterion]] = []
    for term in name.split("+"):
        factor, star, loss = (text.strip() for text in term.rpartition("*"))
        parts.append((_factor(factor, name) if star else 1.0, _make(loss, weights)))
    kinds = {type(loss) for _, loss in parts}
    if BorderCrossEntropy in kinds and len(parts) > 1:
        raise ValueError(f"the loss {name!r}: ce-border stands alone, as its weights are for each pixel: use ce-border")
    if len(kinds) < len(parts):
        raise ValueError(f"the loss {name!r} names one loss twice: give it once, with a factor")
    if weights is not None and not any(issubclass(kind, ClassWeighted) for kind in kinds):
        raise ValueError(f"the loss {name!r} counts each class alike already: use it without class weights")
    return parts[0][1] if len(parts) == 1 and parts[0][0] == 1 else Combined(parts)


def _make(name: str, weights: Tensor | None) -> Criterion:
    if name not in LOSSES:
        raise ValueError(f"there is no loss called {name!r}: {suggest(name, LOSSES)}")
    make = LOSSES[name]
    weighted = isinstance(make, type) and issubclass(make, ClassWeighted)
    return make(weights=weights) if weighted else make()


def _factor(text: str, name: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise ValueError(f"the loss {name!r} has the factor {text!r}, which is no positive number: write ce+0.5*dice")
    return factor

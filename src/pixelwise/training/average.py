"""The running average of the weights, which scores better than the weights of any one step."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from ..models.base import Model
from .schedule import average_decay


class Average:
    """An exponential moving average of everything that a model has learnt, batch statistics included.

    Args:
        model: what is averaged.
        decay: of the average, in [0, 1); 0 keeps the model of the last step.

    Attributes:
        model: the averaged model, in `eval()` and without the heads that only training needs; what is validated and
            saved.
    """

    def __init__(self, model: Model, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.model.auxiliary_heads = False

    @torch.no_grad()
    def update(self, model: Model, step: int) -> None:
        """Move towards the model after optimiser step `step`, counted from 0."""
        pairs = list(zip(self.model.state_dict().values(), model.state_dict().values(), strict=True))
        real = [(kept, new) for kept, new in pairs if kept.is_floating_point()]
        torch._foreach_lerp_([a for a, _ in real], [b for _, b in real], 1 - average_decay(self.decay, step))
        for kept, new in pairs:
            if not kept.is_floating_point():
                kept.copy_(new)

    def state_dict(self) -> dict[str, Tensor]:
        """The averaged tensors."""
        return self.model.state_dict()

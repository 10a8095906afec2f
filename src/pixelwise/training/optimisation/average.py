"""The running average of the weights, which scores better than the weights of any single step."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from ...models.base import Model
from .schedule import average_decay


class Average:
    """An exponential moving average of the weights and of the batch statistics of a model.

    Args:
        model: the model in training.
        decay: of the average, in [0, 1); 0 keeps the model of the last step.

    Attributes:
        model: the averaged model, in `eval()` and without auxiliary heads; what is validated and saved.
    """

    def __init__(self, model: Model, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.model.auxiliary_heads = False

    @torch.no_grad()
    def update(self, model: Model, step: int) -> None:
        """Move the average towards the model after optimiser step `step`, counted from 0."""
        averages: list[Tensor] = []
        values: list[Tensor] = []
        for average, value in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if average.is_floating_point():
                averages.append(average)
                values.append(value)
            else:
                average.copy_(value)  # counters, as that of the batches that a normalisation has seen
        # One call for all tensors: a loop over them takes longer than the arithmetic.
        torch._foreach_lerp_(averages, values, 1 - average_decay(self.decay, step))

    def state_dict(self) -> dict[str, Tensor]:
        """Return the averaged tensors."""
        return self.model.state_dict()

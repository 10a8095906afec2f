"""The sums of the training losses of an epoch, which stop the run when one of them is not finite."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ..run_state import State
from .messages import divergence_message

HELD_STEPS = 16
"""Losses of this many batches stay on a GPU before they are read, because reading them waits for the GPU."""

COUNT = "parts"
"""The key under which the number of summands stands beside the sums."""


class LossSums:
    """Adds up the losses since the last finished epoch, in `state.sums`.

    Args:
        state: of the run.
        folder: of the run, which error messages name.
    """

    def __init__(self, state: State, folder: Path) -> None:
        self.state, self.folder = state, folder
        self._held: list[tuple[int, tuple[str, ...], Mapping[str, Tensor]]] = []

    def add(self, names: tuple[str, ...], losses: Mapping[str, Tensor]) -> None:
        """Add the losses of a batch, or of a part of one.

        Args:
            names: of its images.
            losses: scalars by name, `loss` among them.

        Raises:
            FloatingPointError: a loss is not finite.
        """
        self._held.append((self.state.step, names, losses))
        if losses["loss"].device.type == "cpu" or len(self._held) >= HELD_STEPS:
            self.flush()

    def flush(self) -> None:
        """Read the losses that are still on the device.

        Raises:
            FloatingPointError: a loss is not finite; names the step and the images.
        """
        sums = self.state.sums
        for step, names, losses in self._held:
            values = {name: float(loss) for name, loss in losses.items()}
            if not math.isfinite(values["loss"]):
                what = f"the loss of step {step} is {values['loss']}"
                raise FloatingPointError(divergence_message(self.folder, what, names))
            for name, value in values.items():
                sums[name] = sums.get(name, 0.0) + value
            sums[COUNT] = sums.get(COUNT, 0.0) + 1
        self._held.clear()

    def means(self) -> dict[str, float]:
        """Return the mean of each loss since the last finished epoch."""
        number = max(1.0, self.state.sums.get(COUNT, 0.0))
        return {name: total / number for name, total in self.state.sums.items() if name != COUNT}

    def reset(self) -> None:
        """Begin the sums of the next epoch."""
        self.state.sums = {}

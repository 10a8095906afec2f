"""Saving during a run: the averaged weights as checkpoints, and the state from which the run resumes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...metrics import scores_in
from ...models.base import Model
from ...weights import checkpoint
from ..module import TrainingModule
from ..run_folder import BEST, LAST, STATE
from .messages import divergence_message

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

SAVE_SECONDS = 180
"""After this long without a save, the state is saved in the middle of an epoch."""


class RunSaver:
    """Writes the checkpoints and the state of a run.

    Args:
        module: the model in training.
        folder: of the run.
        record: what the checkpoints tell about their origin, beside the step and the scores.
    """

    def __init__(self, module: TrainingModule, folder: Path, record: dict[str, Any]) -> None:
        self.module, self.folder, self.record = module, folder, record
        self._saved_at = time.monotonic()

    def restart_clock(self) -> None:
        """Count the time without a save from now on."""
        self._saved_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        """True if the last save was more than `SAVE_SECONDS` ago."""
        return time.monotonic() - self._saved_at > SAVE_SECONDS

    def save(self, trainer: Trainer, best: bool = False) -> None:
        """Write the weights, then the state; each file is replaced as a whole. Only process 0 writes.

        The order matters: a state always finds weights that are at least as new.

        Args:
            trainer: whose optimiser belongs to the state.
            best: whether the weights are the best so far, to be kept as such too.

        Raises:
            FloatingPointError: a weight is not finite; nothing is written then.
        """
        self.restart_clock()
        if not trainer.is_global_zero:
            return
        module, state = self.module, self.module.state
        self._check_finite(module.model, state.step)
        record = {**self.record, "step": state.step, "scores": self._scores()}
        for file in (BEST, LAST) if best else (LAST,):
            checkpoint.save(module.average.model, self.folder / file, record)
        state.model = module.model.state_dict()
        state.average = module.average.state_dict()
        state.optimizer = trainer.optimizers[0].state_dict()
        state.save(self.folder / STATE)

    def _check_finite(self, model: Model, step: int) -> None:
        for name, value in model.state_dict().items():
            if value.is_floating_point() and not bool(value.isfinite().all()):
                what = f"the weights {name} are not finite after step {step}"
                raise FloatingPointError(divergence_message(self.folder, what))

    def _scores(self) -> dict[str, float]:
        """The scores of the last finished epoch, if it was validated."""
        rows = self.module.state.rows
        return scores_in(rows[-1], self.module.model) if rows else {}

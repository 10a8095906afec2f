"""The callback of a run: after each step and each epoch it averages, validates, saves and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from ...metrics import metric_of
from ...sample import Batch
from ..journal import Journal
from ..module import TrainingModule
from ..run_state import best_row
from ..timed_loader import EpochTimer
from ..validation import Validation
from .loss_sums import LossSums
from .messages import epoch_line
from .run_saving import RunSaver
from .stop_signals import StopSignals


class RunCallback(Callback):
    """Follows a training and keeps what it has reached.

    Args:
        module: the model in training; its state moves along.
        validation: scores the averaged model.
        folder: of the run.
        record: what the checkpoints tell about their origin.
        journal: of the first process; None in the others.

    Attributes:
        signals: tell whether a signal ended the run early.
    """

    def __init__(
        self,
        module: TrainingModule,
        validation: Validation,
        folder: Path,
        record: dict[str, Any],
        journal: Journal | None,
    ) -> None:
        self.module, self.state = module, module.state
        self.validation, self.journal = validation, journal
        self.score = metric_of(module.model).MAIN_SCORE
        self.signals = StopSignals()
        self.losses = LossSums(module.state, folder)
        self.saver = RunSaver(module, folder, record)
        self.timer = EpochTimer()

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Take over Ctrl-C and SIGTERM, and start the clocks."""
        self.signals.install()
        self.saver.restart_clock()
        self.timer.restart(0.0)

    def teardown(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Restore the previous signal handlers."""
        self.signals.restore()

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: BaseException) -> None:
        """Restore the previous signal handlers when the training fails, too."""
        self.signals.restore()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Add the losses; after the last part of a batch, end the step."""
        self.losses.add(batch.names, self.module.losses)
        if (batch_idx + 1) % self.module.length.accumulate == 0:
            self.end_step(trainer)

    def end_step(self, trainer: Trainer) -> None:
        """Average the weights, end the epoch when it is complete, and save when that is due or a signal asks for it."""
        module, state = self.module, self.state
        module.average.update(module.model, state.step)
        state.step += 1
        if self.journal:
            epoch = -(-state.step // module.length.epoch_steps)
            self.journal.advance(f"epoch {epoch}", self.progress_values())
        if state.step % module.length.epoch_steps == 0:
            self.end_epoch(trainer)
        elif self.saver.is_due:
            self.save(trainer)
        if self.signals.agreed(trainer, state.step) and not state.finished:
            self.save(trainer)
            trainer.should_stop = True

    def end_epoch(self, trainer: Trainer) -> None:
        """Add a row to metrics.csv, with scores when validation is due; save; end the run when it is complete."""
        state = self.state
        last = state.step == self.module.length.steps
        row = self.epoch_row(trainer, last)
        state.rows.append(row)
        self.losses.reset()
        best = best_row(state.rows, self.score)
        patience = self.module.recipe.patience
        stale = best is not None and 0 < patience <= row["epoch"] - best["epoch"]
        state.finished = last or stale
        self.save(trainer, best=best is row)
        self.report(trainer, row, best is row)
        if stale and not last:
            trainer.should_stop = True
            if self.journal:
                self.journal.note(f"stopped: no better {self.score} for {patience} epochs")
        self.timer.restart(self.module.seconds_waited)

    def epoch_row(self, trainer: Trainer, last: bool) -> dict[str, float]:
        """Return the row of the epoch that ends: losses and times, and scores when validation is due."""
        module, state = self.module, self.state
        self.losses.flush()
        epoch = state.step // module.length.epoch_steps
        # Each group has the learning rate times its own factor; without the factor, all of them tell the same.
        group = trainer.optimizers[0].param_groups[-1]
        row = {"epoch": float(epoch), "step": float(state.step), "lr": group["lr"] / group["factor"]}
        row |= self.losses.means()
        row |= {"waiting": self.timer.waiting_share(module.seconds_waited), "seconds": self.timer.seconds}
        if epoch % module.length.validate_every == 0 or last:
            row |= self.validation(module.average.model, module.device)
        return row

    def save(self, trainer: Trainer, best: bool = False) -> None:
        """Save the run, once the losses are known to be finite.

        Raises:
            FloatingPointError: a loss or a weight is not finite; nothing is written then.
        """
        self.losses.flush()
        self.saver.save(trainer, best)

    def report(self, trainer: Trainer, row: dict[str, float], best: bool) -> None:
        """Hand a row to the loggers, to metrics.csv and to the log."""
        values = {name: value for name, value in row.items() if name != "step"}
        for logger in trainer.loggers:
            logger.log_metrics(values, step=self.state.step)
        if self.journal:
            self.journal.write(self.state.rows)
            self.journal.note(epoch_line(row, self.score, best))

    def progress_values(self) -> dict[str, float]:
        """Return the numbers behind the progress bar."""
        values = {}
        means = self.losses.means()
        if "loss" in means:
            values["loss"] = means["loss"]
        best = best_row(self.state.rows, self.score)
        if best:
            values[f"best {self.score}"] = best[self.score]
        values["waiting"] = self.timer.waiting_share(self.module.seconds_waited)
        return values

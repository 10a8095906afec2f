"""The two parts that Lightning's Trainer runs: what is learnt at each step, and what is kept of it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from ..metrics import METRICS
from ..models.base import Model
from ..sample import Batch
from ..weights import checkpoint
from .average import Average
from .journal import Journal
from .norms import settled_norms
from .optimizer import make_optimizer, set_learning_rate
from .preparation import RunLength
from .recipe import Recipe
from .run_state import BEST, LAST, STATE, State, best_row
from .schedule import learning_rate_factor, step_seed
from .validation import Validation

SAVE_SECONDS = 180
"""After so long without a saved state one is saved in the middle of an epoch."""


class TimedLoader:
    """A loader that measures for how long, in seconds, one had to wait for it.

    Args:
        loader: of a process.
        parts: that each batch is divided into, to be worked through one after the other.
    """

    def __init__(self, loader: DataLoader[Batch], parts: int) -> None:
        self.loader, self.parts, self.seconds = loader, parts, 0.0

    def __len__(self) -> int:
        return len(self.loader) * self.parts

    def __iter__(self) -> Iterator[Batch]:
        batches = iter(self.loader)
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            self.seconds += time.perf_counter() - start
            if batch is None:
                return
            size = len(batch) // self.parts
            for part in (slice(k * size, (k + 1) * size) for k in range(self.parts)):
                yield Batch(batch.images[part], batch.truths[part], batch.sizes[part], batch.names[part])


class TrainingModule(LightningModule):
    """A model that learns: the loss of a batch, and the optimiser's step.

    Args:
        model: float32; its criterion is set.
        recipe: how it learns.
        course: for how long.
        state: where it begins.
        batches: (rank, world, start) → the loader of that process from that step on.
    """

    def __init__(
        self,
        model: Model,
        recipe: Recipe,
        course: RunLength,
        state: State,
        batches: Callable[[int, int, int], DataLoader[Batch]],
    ) -> None:
        super().__init__()
        self.model, self.recipe, self.course, self.state = model, recipe, course, state
        self.batches = batches
        self.start = state.step
        if state.step:
            model.load_state_dict(state.model)
        self.average = Average(model, recipe.ema)
        if state.step:
            self.average.model.load_state_dict(state.average)
        for norm in settled_norms(model, recipe):
            norm.requires_grad_(False)
        self.train()
        self.waiting: TimedLoader | None = None
        self.parts: dict[str, Tensor] = {}

    def train(self, mode: bool = True) -> Self:
        """As of any module, but the batch normalisations that the recipe settles always keep their statistics."""
        super().train(mode)
        for norm in settled_norms(self.model, self.recipe):
            norm.eval()
        return self

    def train_dataloader(self) -> TimedLoader:
        """The batches that are left."""
        loader = self.batches(self.trainer.global_rank, self.trainer.world_size, self.start)
        self.waiting = TimedLoader(loader, self.course.accumulate)
        return self.waiting

    def configure_optimizers(self) -> Optimizer:
        """The recipe's optimiser, in the state in which the run was left."""
        optimizer = make_optimizer(self.model, self.recipe, fused=self.device.type in ("cpu", "cuda"))
        if self.start:
            optimizer.load_state_dict(self.state.optimizer)
        return optimizer

    def on_fit_start(self) -> None:
        """The average lives where the model does."""
        self.average.model.to(self.device)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The sum of the model's losses; the forward pass in the machine's precision, the losses in float32."""
        torch.manual_seed(step_seed(self.recipe.seed, self.start * self.course.accumulate + index, self.global_rank))
        outputs = self.model(batch.images)
        with torch.autocast(self.device.type, enabled=False):
            parts = self.model.loss(outputs, batch.truths)
            loss = torch.stack(list(parts.values())).sum()
        self.parts = {"loss": loss.detach(), **{name: part.detach() for name, part in parts.items()}}
        return loss

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """The step's learning rate; a gradient that is no longer than the recipe allows."""
        step = self.start + self.trainer.global_step
        factor = learning_rate_factor(self.recipe.schedule, step, self.course.steps, self.recipe.warmup)
        set_learning_rate(optimizer, self.recipe.lr * factor)
        if self.recipe.clip:
            clip_grad_norm_(self.model.parameters(), self.recipe.clip)


class RunCallback(Callback):
    """Keeps what a run has reached: scores, the best and the last weights, the state to resume from.

    Args:
        trainee: what learns.
        validation: scores it.
        folder: of the run.
        record: goes into the checkpoints.
        journal: of the first process; None in the others.

    Attributes:
        stopped_by: the signal that ended the run early, if one did.
    """

    def __init__(
        self,
        trainee: TrainingModule,
        validation: Validation,
        folder: Path,
        record: dict[str, Any],
        journal: Journal | None,
    ) -> None:
        self.trainee, self.state, self.validation = trainee, trainee.state, validation
        self.folder, self.record, self.journal = folder, record, journal
        self.metric = METRICS[trainee.model.task]
        self.score = self.metric.MAIN_SCORE
        self.pending: list[tuple[int, tuple[str, ...], dict[str, Tensor]]] = []
        self.stopped_by: int | None = None
        self.handlers: dict[int, Any] = {}
        self.saved = self.began = time.monotonic()
        self.waited = 0.0

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """From now on Ctrl-C lets the step end and saves; a second one ends at once."""

        def stop(number: int, frame: object) -> None:
            self.stopped_by = number
            signal.signal(number, self.handlers[number] or signal.SIG_DFL)

        try:
            self.handlers = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:
            self.handlers = {}  # not in the main thread: whoever owns that one takes care of signals
        self.saved = self.began = time.monotonic()

    def teardown(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Signals mean again what they meant before."""
        for number, handler in self.handlers.items():
            signal.signal(number, handler or signal.SIG_DFL)

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: BaseException) -> None:
        """After an error too."""
        self.teardown(trainer, module, "fit")

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Note the losses; after a step of the optimiser, average, and at the end of an epoch validate and save."""
        trainee, course, state = self.trainee, self.trainee.course, self.state
        self.pending.append((state.step, batch.names, trainee.parts))
        if trainee.device.type == "cpu" or len(self.pending) >= 16:
            self.settle()
        if (batch_idx + 1) % course.accumulate:
            return
        trainee.average.update(trainee.model, state.step)
        state.step += 1
        if self.journal:
            self.journal.tick(f"epoch {-(-state.step // course.epoch_steps)}", self.shown())
        if state.step % course.epoch_steps == 0:
            self.end_epoch(trainer)
        elif time.monotonic() - self.saved > SAVE_SECONDS:
            self.save(trainer)
        if self.stop_asked(trainer) and not state.finished:
            self.save(trainer)
            trainer.should_stop = True

    def stop_asked(self, trainer: Trainer) -> bool:
        """Whether a signal asked any of the processes to stop; they agree on it every ten steps."""
        asked = self.stopped_by is not None
        if trainer.world_size == 1:
            return asked
        return self.state.step % 10 == 0 and bool(trainer.strategy.reduce_boolean_decision(asked, all=False))

    def settle(self) -> None:
        """Add up the losses of the last steps.

        Raises:
            FloatingPointError: when one is not a finite number.
        """
        for step, names, parts in self.pending:
            values = {name: float(part) for name, part in parts.items()}
            if not abs(values["loss"]) < float("inf"):
                raise FloatingPointError(self.diverged(f"the loss of step {step} is {values['loss']}", names))
            for name, value in values.items():
                self.state.sums[name] = self.state.sums.get(name, 0.0) + value
            self.state.sums["parts"] = self.state.sums.get("parts", 0.0) + 1
        self.pending.clear()

    def diverged(self, what: str, names: tuple[str, ...] = ()) -> str:
        """What to tell when the numbers have run away."""
        images = f" (images: {', '.join(names)})" if names else ""
        kept = f"; the last good weights are in {self.folder / LAST}" if (self.folder / LAST).exists() else ""
        return (
            f"{what}{images}{kept}. Try a lower --lr, a longer --warmup, --clip 1 or --precision fp32; "
            "`pixelwise inspect` shows images that are at fault"
        )

    def means(self) -> dict[str, float]:
        """Mean loss and parts since the last finished epoch."""
        number = max(1.0, self.state.sums.get("parts", 0.0))
        return {name: total / number for name, total in self.state.sums.items() if name != "parts"}

    def shown(self) -> dict[str, float]:
        """What stands behind the progress bar."""
        best = best_row(self.state.rows, self.score)
        score = {f"best {self.score}": best[self.score]} if best else {}
        return {**{k: v for k, v in self.means().items() if k == "loss"}, **score, "waiting": self.share_waiting()}

    def share_waiting(self) -> float:
        """The share of the time since the last finished epoch in which the loader was waited for."""
        waited = (self.trainee.waiting.seconds if self.trainee.waiting else 0.0) - self.waited
        return min(1.0, waited / max(1e-9, time.monotonic() - self.began))

    def end_epoch(self, trainer: Trainer) -> None:
        """A row for metrics.csv, with scores when it is time for them; then save, and end the run when that is due."""
        trainee, course, state, recipe = self.trainee, self.trainee.course, self.state, self.trainee.recipe
        self.settle()
        epoch = state.step // course.epoch_steps
        group = trainer.optimizers[0].param_groups[-1]
        row = {"epoch": float(epoch), "step": float(state.step), "lr": group["lr"] / group["factor"]}
        row |= {**self.means(), "waiting": self.share_waiting(), "seconds": time.monotonic() - self.began}
        last = state.step == course.steps
        if epoch % course.validate_every == 0 or last:
            row |= self.validation(trainee.average.model, trainee.device)
        state.rows.append(row)
        state.sums = {}
        best = best_row(state.rows, self.score)
        stale = best is not None and 0 < recipe.patience <= epoch - best["epoch"]
        state.finished = last or stale
        self.save(trainer, best=best is row)
        for logger in trainer.loggers:
            logger.log_metrics({k: v for k, v in row.items() if k != "step"}, step=state.step)
        if self.journal:
            self.journal.write(state.rows)
            self.journal.say(told(row, self.score, best is row))
        if stale and not last:
            trainer.should_stop = True
            if self.journal:
                self.journal.say(f"stopped: no better {self.score} for {recipe.patience} epochs")
        self.began, self.waited = time.monotonic(), trainee.waiting.seconds if trainee.waiting else 0.0

    def save(self, trainer: Trainer, best: bool = False) -> None:
        """Write the weights, then the state; each is whole or as it was before.

        Raises:
            FloatingPointError: before anything is written, when a weight is not a finite number.
        """
        trainee, state = self.trainee, self.state
        self.settle()
        self.saved = time.monotonic()
        if not trainer.is_global_zero:
            return
        for name, value in trainee.model.state_dict().items():
            if value.is_floating_point() and not bool(value.isfinite().all()):
                raise FloatingPointError(self.diverged(f"the weights {name} are not finite after step {state.step}"))
        row = state.rows[-1] if state.rows else {}
        scores = {name: value for name, value in row.items() if name in self.metric.DEFINITIONS}
        record = {**self.record, "step": state.step, "scores": scores}
        for file in (BEST, LAST) if best else (LAST,):
            checkpoint.save(trainee.average.model, self.folder / file, record)
        state.model, state.average = trainee.model.state_dict(), trainee.average.state_dict()
        state.optimizer = trainer.optimizers[0].state_dict()
        state.save(self.folder / STATE)


def told(row: dict[str, float], name: str, best: bool) -> str:
    """One line about an epoch."""
    score = f", {name} {row[name]:.4f}{' (best)' if best else ''}" if name in row else ""
    return (
        f"epoch {row['epoch']:g}: loss {row['loss']:.4f}{score}, {row['seconds']:.1f} s, "
        f"{row['waiting']:.0%} of it waiting for images"
    )

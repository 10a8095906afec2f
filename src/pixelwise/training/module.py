"""The LightningModule of a training: the loss of a batch, and the step of the optimiser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from ..models.base import Model
from ..ops.phrases import counted
from ..sample import Batch
from .optimisation.average import Average
from .optimisation.norms import frozen_norms
from .optimisation.optimizer import make_optimizer, set_learning_rate
from .optimisation.schedule import RunLength, learning_rate_factor, step_seed
from .recipe import Recipe
from .run_state import State
from .timed_loader import TimedLoader


class TrainingModule(LightningModule):
    """A model in training.

    Args:
        model: float32, with its criterion.
        recipe: how it is trained.
        length: for how many steps.
        state: where the run starts or resumes; its step moves along.
        batches: (rank, number of processes, first step) → the loader of that process from that step on.

    Attributes:
        average: the running average of the weights.
        losses: of the last batch, detached scalars by name; `loss` is their sum.
    """

    def __init__(
        self,
        model: Model,
        recipe: Recipe,
        length: RunLength,
        state: State,
        batches: Callable[[int, int, int], DataLoader[Batch]],
    ) -> None:
        super().__init__()
        self.model, self.recipe, self.length, self.state = model, recipe, length, state
        self.batches = batches
        self.first_step = state.step
        if state.step:
            model.load_state_dict(state.model)
        self.average = Average(model, recipe.ema)
        if state.step:
            self.average.model.load_state_dict(state.average)
        for norm in frozen_norms(model, recipe):
            norm.requires_grad_(False)
        self.train()
        self.loader: TimedLoader | None = None
        self.losses: dict[str, Tensor] = {}

    def train(self, mode: bool = True) -> Self:
        """Set the training mode, in which the batch normalisations that the recipe freezes stay in `eval()`."""
        super().train(mode)
        for norm in frozen_norms(self.model, self.recipe):
            norm.eval()
        return self

    @property
    def seconds_waited(self) -> float:
        """Seconds that the training waited for images so far."""
        return self.loader.seconds if self.loader else 0.0

    def train_dataloader(self) -> TimedLoader:
        """Return the batches that are left."""
        loader = self.batches(self.trainer.global_rank, self.trainer.world_size, self.first_step)
        self.loader = TimedLoader(loader, self.length.accumulate)
        return self.loader

    def configure_optimizers(self) -> Optimizer:
        """Return the recipe's optimiser, in the state in which the run was left."""
        optimizer = make_optimizer(self.model, self.recipe, fused=self.device.type in ("cpu", "cuda"))
        if self.first_step:
            optimizer.load_state_dict(self.state.optimizer)
        return optimizer

    def on_fit_start(self) -> None:
        """Move the average to the model's device; Lightning moves only modules that it knows."""
        self.average.model.to(self.device)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return the sum of the model's losses: forward in the machine's precision, losses in float32."""
        # Dropout depends on the step and the process alone: a resumed run draws what an uninterrupted one draws.
        part = self.first_step * self.length.accumulate + index
        torch.manual_seed(step_seed(self.recipe.seed, part, self.global_rank))
        outputs = self._outputs(batch.images)
        with torch.autocast(self.device.type, enabled=False):
            losses = self.model.loss(outputs, batch.truths)
            loss = torch.stack(list(losses.values())).sum()
        self.losses = {"loss": loss.detach()}
        for name, value in losses.items():
            self.losses[name] = value.detach()
        return loss

    def _outputs(self, images: Tensor) -> Any:
        """Return the outputs of the model.

        Raises:
            ValueError: batch normalisation has a single value per channel, whose spread it cannot measure.
        """
        try:
            return self.model(images)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            number, _, height, width = images.shape
            raise ValueError(
                f"the deepest map of {counted(number, 'crop')} of {width}x{height} pixels is a single pixel, and batch "
                "normalisation needs several: use a larger --imgsz or --batch (or a smaller --accumulate), or "
                "--norm frozen"
            ) from None

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Set the step's learning rate, and clip the gradient to the norm that the recipe allows."""
        recipe = self.recipe
        step = self.first_step + self.trainer.global_step
        factor = learning_rate_factor(recipe.schedule, step, self.length.steps, recipe.warmup)
        set_learning_rate(optimizer, recipe.lr * factor)
        if recipe.clip:
            clip_grad_norm_(self.model.parameters(), recipe.clip)

"""Training: from a recipe to a trained model."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..data.class_balance import class_counts
from ..data.dataset import Dataset
from ..metrics import metric_of, scores_in
from ..models import MODELS
from ..models.base import Model
from .journal import Journal
from .lightning_trainer import make_trainer
from .optimisation.depthwise import keep_depthwise_float
from .optimisation.norms import synchronize_norms
from .optimisation.schedule import RunLength
from .preparation.data_check import check_training_data
from .preparation.machine_check import check_machine, is_distributed, machine_device, uses_bf16, worker_count
from .preparation.prepare_data import ProcessBatches, image_weights, open_splits, run_length
from .preparation.prepare_model import make_model, resolve, set_criterion
from .recipe import Machine, Recipe
from .run_folder import BEST, FOLDER_VARIABLE, LAST, RECIPE, STATE, check_recipe, claim_folder, remove_if_empty
from .run_state import State, best_row, fingerprint
from .validation import Validation

if TYPE_CHECKING:
    from .callback.run_callback import RunCallback
    from .module import TrainingModule


@dataclass(frozen=True)
class TrainingResult:
    """The result of a training.

    Attributes:
        best, last: checkpoints of the best weights and of the last ones; there is no best one where no epoch has a
            score.
        scores: of the best weights, on the validation images.
        folder: of the run.
    """

    best: Path
    last: Path
    scores: dict[str, float]
    folder: Path


def train(
    recipe: Recipe,
    *,
    machine: Machine | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> TrainingResult:
    """Train a model.

    The trained weights follow from the recipe, the data and the versions of the libraries; on the CPU to the last bit,
    however often the run was interrupted and resumed.

    Args:
        recipe: what to train and how.
        machine: what to train on; when not given, one GPU if there is one, else the CPU.
        out: folder of the run; when not given, `runs/train`, or the next free one of `runs/train2`, ….
        resume: continue the run in `out`, or the newest one; its recipe must be this one.
        progress: draw a progress bar, and print a line for each epoch.

    Raises:
        ValueError: the recipe does not fit the data, the machine or the run that is resumed.
        ImportError: the package of a logger is not installed.
        FileExistsError: `out` holds a run already, and `resume` is False.
        FileNotFoundError: there is no run to resume.
        FloatingPointError: the loss or a weight is no longer finite; the last good weights are kept.
        KeyboardInterrupt: after Ctrl-C, once the state is saved.
    """
    machine = machine or Machine()
    check_machine(machine, recipe)
    recipe = resolve(recipe)
    folder = claim_folder(out, resume)
    if resume and (folder / RECIPE).exists():
        check_recipe(recipe, folder / RECIPE)
    state = State.load(folder / STATE) if resume and (folder / STATE).exists() else State()
    if not state.finished:
        try:
            run_training(recipe, machine, folder, state, progress)
        finally:
            remove_if_empty(folder)
    elif progress:
        print(f"{folder} is finished after {state.step} steps: nothing is left to do")
    method = MODELS[recipe.model]
    best = best_row(state.rows, metric_of(method).MAIN_SCORE) or {}
    return TrainingResult(folder / BEST, folder / LAST, scores_in(best, method), folder)


def run_training(recipe: Recipe, machine: Machine, folder: Path, state: State, progress: bool) -> None:
    """Train from `state` on, which moves along, to the end.

    Raises:
        ValueError: the recipe does not fit the data, or the data are not those that the run was started with.
        SystemExit: after SIGTERM, once the state is saved.
        KeyboardInterrupt: after Ctrl-C, once the state is saved.
    """
    images, validation_images, notes = open_splits(recipe)
    check_data(recipe, images, folder, state)
    model, remarks = make_model(recipe, images.classes)
    model.intensity = images.intensity
    remarks += check_training_data(model, recipe, images, validation_images)
    length = run_length(recipe, machine, images, validation_images)
    counts = class_counts(images) if recipe.balance != "none" else None
    set_criterion(model, recipe, counts)
    batches = ProcessBatches(images, recipe, machine, length, model.stride, image_weights(recipe, counts))

    # Lightning takes seconds to load: only after everything that a user may get wrong.
    from .callback.run_callback import RunCallback

    journal = Journal(folder, length.steps, state.step, progress) if _is_first_process() else None
    if journal:
        recipe.to_yaml(folder / RECIPE)
        journal.write(state.rows)
        about_start = [] if state.step else [*notes, *remarks]
        for note in [*about_start, describe_run(machine, state, images, validation_images)]:
            journal.note(note)
    module = make_module(model, recipe, machine, length, state, batches)
    record = {"recipe": recipe.to_dict(), "data": {"fingerprint": state.fingerprint, "images": len(images)}}
    validation = Validation(validation_images, module.model, worker_count(machine))
    callback = RunCallback(module, validation, folder, record, journal)
    try:
        with _shared_folder(folder), warnings.catch_warnings():
            trainer = make_trainer(machine, folder, length, state.step, callback)
            warnings.filterwarnings("ignore", module="lightning")
            trainer.fit(module)
    finally:
        if journal:
            journal.close()
    end_after_signal(callback, length)


def check_data(recipe: Recipe, images: Dataset, folder: Path, state: State) -> None:
    """Note the fingerprint of the data in the state, and check that a resumed run has the data that it started with.

    Raises:
        ValueError: images or masks were changed.
    """
    now = fingerprint(images)
    if state.step and state.fingerprint != now:
        raise ValueError(f"{recipe.data} is not what {folder} was started with: images or masks were changed since")
    state.fingerprint = now


def make_module(
    model: Model, recipe: Recipe, machine: Machine, length: RunLength, state: State, batches: ProcessBatches
) -> TrainingModule:
    """Make the module that Lightning trains, with the model adapted to the machine."""
    from .module import TrainingModule

    device = machine_device(machine)
    if device.type == "cuda" and is_distributed(machine):
        model = synchronize_norms(model)
    module = TrainingModule(model.to(memory_format=torch.channels_last), recipe, length, state, batches)
    # After the module has copied the model for its average, which is validated in float32 and needs no hooks.
    if device.type == "cpu" and uses_bf16(machine):
        keep_depthwise_float(module.model)
    return module


def describe_run(machine: Machine, state: State, images: Dataset, validation_images: Dataset) -> str:
    """Return one line about the run that begins."""
    resumed = f"resumed after step {state.step}: " if state.step else ""
    processes = f"{machine.nodes * machine.devices} x " if is_distributed(machine) else ""
    return (
        f"{resumed}{len(images)} images to train on, {len(validation_images)} to validate on, "
        f"{len(images.classes)} classes, {processes}{machine_device(machine)}, "
        f"{'bf16' if uses_bf16(machine) else 'fp32'}"
    )


def end_after_signal(callback: RunCallback, length: RunLength) -> None:
    """End the process by the signal that stopped the run, if one did; the state is saved by now.

    Raises:
        SystemExit: after SIGTERM, with the code that a shell gives it.
        KeyboardInterrupt: after Ctrl-C.
    """
    state, number = callback.state, callback.signals.received
    if number is None or state.finished:
        return
    if callback.journal:
        callback.journal.note(f"stopped after step {state.step} of {length.steps}; --resume continues")
    if number == signal.SIGTERM:
        sys.exit(128 + signal.SIGTERM)
    raise KeyboardInterrupt


def _is_first_process() -> bool:
    return all(int(os.environ.get(name, 0)) == 0 for name in ("LOCAL_RANK", "NODE_RANK"))


@contextmanager
def _shared_folder(folder: Path) -> Iterator[None]:
    """Tell the folder to the processes that Lightning starts."""
    os.environ[FOLDER_VARIABLE] = str(folder)
    try:
        yield
    finally:
        os.environ.pop(FOLDER_VARIABLE)

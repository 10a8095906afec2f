"""From a recipe to a trained model."""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..data.dataset import Dataset
from ..metrics import METRICS
from ..models import MODELS
from .depthwise import keep_depthwise_float
from .journal import Journal
from .norms import over_all_gpus
from .preparation import (
    Batches,
    balance,
    bf16,
    check_machine,
    course_of,
    device_of,
    make_model,
    open_splits,
    resolve,
    workers_of,
)
from .recipe import Machine, Recipe
from .run_state import (
    BEST,
    FOLDER_VARIABLE,
    LAST,
    RECIPE,
    STATE,
    State,
    best_row,
    check_recipe,
    claim_folder,
    fingerprint,
)
from .validation import Validation

if TYPE_CHECKING:
    from lightning.pytorch import Trainer


@dataclass(frozen=True)
class Training:
    """What a training has left behind.

    Attributes:
        best, last: checkpoints of the best and of the last weights.
        scores: of the best, on the validation images.
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
) -> Training:
    """Train a model.

    The weights that come out follow from the recipe, the data and the versions of the libraries; on the CPU to the last
    bit, however often the run was interrupted and resumed.

    Args:
        recipe: what to train and how.
        machine: on what; one GPU where there is one, else the CPU, when not given.
        out: folder of the run; `runs/train`, or the next free of `runs/train2`, …, when not given.
        resume: continue the run in `out`, or the newest one; its recipe must be this one.
        progress: whether to draw a progress bar and print a line an epoch.

    Raises:
        ValueError: for a recipe that does not fit the data, the machine or the run that is resumed.
        FileExistsError: when `out` holds a run already and `resume` is False.
        FloatingPointError: when the loss is no longer a finite number; the last good weights are kept.
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
            fit(recipe, machine, folder, state, progress)
        finally:
            leave_nothing(folder)
    elif progress:
        print(f"{folder} is finished after {state.step} steps: nothing is left to do")
    metric = METRICS[MODELS[recipe.model].task]
    best = best_row(state.rows, metric.MAIN_SCORE) or {}
    return Training(folder / BEST, folder / LAST, {k: v for k, v in best.items() if k in metric.DEFINITIONS}, folder)


def leave_nothing(folder: Path) -> None:
    """Take away the folder of a run that failed before there was anything to resume or to use."""
    if folder.is_dir() and not any((folder / name).exists() for name in (BEST, LAST, STATE)):
        for name in (RECIPE, "metrics.csv", "curves.svg", "log.txt"):
            (folder / name).unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()


def fit(recipe: Recipe, machine: Machine, folder: Path, state: State, progress: bool) -> None:
    """Train from `state` on, which moves along, to the end."""
    images, validated, notes = open_splits(recipe)
    seen = fingerprint(images)
    if state.step and state.fingerprint != seen:
        raise ValueError(f"{recipe.data} is not what {folder} was begun with: images or masks were changed since")
    state.fingerprint = seen
    model, remarks = make_model(recipe, images.classes)
    course, draws = course_of(recipe, machine, images, validated), balance(model, recipe, images)
    from .module import (  # Lightning takes seconds to load: after everything that a user may get wrong
        RunCallback,
        TrainingModule,
    )

    first = int(os.environ.get("LOCAL_RANK", 0)) == 0 and int(os.environ.get("NODE_RANK", 0)) == 0
    journal = Journal(folder, course.steps, state.step, progress) if first else None
    if journal:
        recipe.to_yaml(folder / RECIPE)
        journal.write(state.rows)
        told = [] if state.step else [*notes, *remarks]
        for note in [*told, described(machine, state, images, validated)]:
            journal.say(note)
    batches = Batches(images, recipe, machine, course, model.stride, draws)
    if device_of(machine) == "cuda" and machine.devices * machine.nodes > 1:
        model = over_all_gpus(model)
    trainee = TrainingModule(model.to(memory_format=torch.channels_last), recipe, course, state, batches)
    if device_of(machine) == "cpu" and bf16(machine):
        keep_depthwise_float(trainee.model)
    record = {"recipe": recipe.to_dict(), "data": {"fingerprint": seen, "images": len(images)}}
    keeper = RunCallback(trainee, Validation(validated, model, workers_of(machine)), folder, record, journal)
    os.environ[FOLDER_VARIABLE] = str(folder)
    try:
        trainer = make_trainer(machine, folder, course.steps, state.step, keeper)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            trainer.fit(trainee)
    finally:
        os.environ.pop(FOLDER_VARIABLE)
        if journal:
            journal.close()
    if keeper.stopped_by is not None and not state.finished:
        if journal:
            journal.say(f"stopped after step {state.step} of {course.steps}; --resume continues")
        if keeper.stopped_by == signal.SIGTERM:
            sys.exit(128 + signal.SIGTERM)
        raise KeyboardInterrupt


def described(machine: Machine, state: State, images: Dataset, validated: Dataset) -> str:
    """One line about what is about to happen."""
    resumed = f"resumed after step {state.step}: " if state.step else ""
    precision = "bf16" if bf16(machine) else "fp32"
    processes = f"{machine.nodes * machine.devices} x " if machine.nodes * machine.devices > 1 else ""
    return (
        f"{resumed}{len(images)} images to train on, {len(validated)} to validate on, "
        f"{len(images.classes)} classes, {processes}{device_of(machine)}, {precision}"
    )


def make_trainer(machine: Machine, folder: Path, steps: int, start: int, keeper: Any) -> Trainer:
    """Lightning's Trainer, which moves tensors and processes; all else is the keeper's."""
    from lightning.pytorch import Trainer

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    several = machine.devices * machine.nodes > 1
    device = device_of(machine)
    return Trainer(
        accelerator={"cuda": "gpu"}.get(device, device),
        devices=machine.devices,
        num_nodes=machine.nodes,
        strategy="ddp" if several else "auto",
        precision="bf16-mixed" if bf16(machine) else "32-true",
        max_epochs=1,
        max_steps=steps - start,
        accumulate_grad_batches=machine.accumulate,
        logger=loggers(machine, folder, start),
        callbacks=[keeper],
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def loggers(machine: Machine, folder: Path, start: int) -> list[Any]:
    """Those of Lightning's loggers that the machine names; metrics.csv is written in any case."""
    from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger, WandbLogger

    made: list[Any] = []
    if "tensorboard" in machine.loggers:
        made.append(TensorBoardLogger(folder, name="", version="tensorboard", purge_step=start + 1 if start else None))
    if "wandb" in machine.loggers:
        made.append(WandbLogger(name=folder.name, save_dir=folder, project="pixelwise"))
    if "mlflow" in machine.loggers:
        place = os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{folder.resolve() / 'mlflow.db'}")
        made.append(MLFlowLogger("pixelwise", run_name=folder.name, tracking_uri=place))
    return made

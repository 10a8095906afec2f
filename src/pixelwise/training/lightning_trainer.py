"""Lightning's Trainer and loggers for a run: Lightning moves tensors and processes, all else is the callback's."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .optimisation.schedule import RunLength
from .preparation.machine_check import is_distributed, machine_device, uses_bf16
from .recipe import Machine

if TYPE_CHECKING:
    from lightning.pytorch import Callback, Trainer


def make_trainer(machine: Machine, folder: Path, length: RunLength, start: int, callback: Callback) -> Trainer:
    """Make the Trainer of a run.

    Args:
        machine: what the run uses.
        folder: of the run.
        length: of the run.
        start: steps that are done.
        callback: averages, validates, saves and reports.
    """
    from lightning.pytorch import Trainer

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    accelerator, devices = trainer_devices(machine)
    return Trainer(
        accelerator=accelerator,
        devices=devices,
        num_nodes=machine.nodes,
        strategy="ddp" if is_distributed(machine) else "auto",
        precision="bf16-mixed" if uses_bf16(machine) else "32-true",
        max_epochs=1,
        max_steps=length.steps - start,
        accumulate_grad_batches=machine.accumulate,
        logger=make_loggers(machine, folder, start),
        callbacks=[callback],
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def trainer_devices(machine: Machine) -> tuple[str, int | list[int]]:
    """Return Lightning's name of the accelerator, and the number of its devices or the list of the one GPU named."""
    device = machine_device(machine)
    accelerator = "gpu" if device.type == "cuda" else device.type
    if device.type == "cuda" and device.index is not None:
        return accelerator, [device.index]
    return accelerator, machine.devices


def make_loggers(machine: Machine, folder: Path, start: int) -> list[Any]:
    """Make the loggers that the machine names; metrics.csv is written in any case."""
    from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger, WandbLogger

    loggers: list[Any] = []
    if "tensorboard" in machine.loggers:
        # A resumed run replaces what its killed predecessor logged after the saved state.
        purge_step = start + 1 if start else None
        loggers.append(TensorBoardLogger(folder, name="", version="tensorboard", purge_step=purge_step))
    if "wandb" in machine.loggers:
        loggers.append(WandbLogger(name=folder.name, save_dir=folder, project="pixelwise"))
    if "mlflow" in machine.loggers:
        default = f"sqlite:///{folder.resolve() / 'mlflow.db'}"
        uri = os.environ.get("MLFLOW_TRACKING_URI", default)
        loggers.append(MLFlowLogger("pixelwise", run_name=folder.name, tracking_uri=uri))
    return loggers

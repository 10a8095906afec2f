"""The machine of a training: its device, precision and processes, and the check that they exist here."""

from __future__ import annotations

import os
from importlib.util import find_spec

import torch

from ...ops.devices import find_device
from ..recipe import EXTRA_LOGGERS, Machine, Recipe

GPU_WORKERS, CPU_WORKERS = 8, 2
"""The most processes that load images when their number is not given."""


def check_machine(machine: Machine, recipe: Recipe) -> None:
    """Check that device, precision and loggers are available, and that the batch can be divided.

    Raises:
        ValueError: the device or the precision does not exist here, or the batch cannot be divided.
        ImportError: the package of a logger is not installed.
    """
    device = machine_device(machine)
    parts = machine.devices * machine.nodes * machine.accumulate
    if recipe.batch % parts:
        raise ValueError(
            f"batch is {recipe.batch}, which {machine.nodes} x {machine.devices} processes and {machine.accumulate} "
            f"accumulated parts cannot share: it must be a multiple of {parts}"
        )
    if device.type == "cuda" and machine.devices > torch.cuda.device_count():
        raise ValueError(f"devices is {machine.devices}, but this machine has {torch.cuda.device_count()} GPUs")
    one_gpu = device.type == "mps" or ":" in machine.device
    if machine.devices > 1 and one_gpu:
        raise ValueError(f"devices is {machine.devices}, but {machine.device} is one GPU: leave out devices")
    if machine.precision == "bf16" and device.type == "mps":
        raise ValueError("precision bf16 is for cuda and cpu: use fp32 with the device mps")
    for name in EXTRA_LOGGERS:
        if name in machine.loggers and not find_spec(name):
            raise ImportError(f"loggers has {name}, which is not installed: pip install 'pixelwise[{name}]'")


def machine_device(machine: Machine) -> torch.device:
    """Return the device that the machine names, by the same rule as for prediction.

    Raises:
        ValueError: there is no such device here.
    """
    return find_device(machine.device)


def is_distributed(machine: Machine) -> bool:
    """Tell whether several processes train together."""
    return machine.devices * machine.nodes > 1


def uses_bf16(machine: Machine) -> bool:
    """Tell whether forward passes run in bfloat16: on request, or where the hardware multiplies it natively."""
    if machine.precision != "auto":
        return machine.precision == "bf16"
    device = machine_device(machine)
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and cpu_multiplies_bf16()


def cpu_multiplies_bf16() -> bool:
    """Tell whether the CPU has bfloat16 dot products (AVX-512 BF16 or AMX); without them bf16 is slower than fp32."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def worker_count(machine: Machine) -> int:
    """Return the number of processes that load images for each training process.

    If the machine does not say it, as many as leave the training its cores. With two cores that train, none is
    fastest: loading takes a thirtieth of a step (`benchmarks/train_step.py`).
    """
    if machine.workers is not None:
        return machine.workers
    on_gpu = machine_device(machine).type == "cuda"
    # A training on a GPU keeps one core busy, one on the CPU keeps two.
    spare = (os.cpu_count() or 1) // machine.devices - (1 if on_gpu else 2)
    return max(0, min(GPU_WORKERS if on_gpu else CPU_WORKERS, spare))

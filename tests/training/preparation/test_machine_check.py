"""Device, precision and processes of a training."""

from __future__ import annotations

from importlib.machinery import ModuleSpec

import pytest
import torch

from pixelwise.training.lightning_trainer import trainer_devices
from pixelwise.training.preparation import machine_check
from pixelwise.training.preparation.machine_check import (
    check_machine,
    cpu_multiplies_bf16,
    machine_device,
    uses_bf16,
    worker_count,
)
from pixelwise.training.recipe import Machine, Recipe


@pytest.fixture
def two_gpus(monkeypatch):
    """PyTorch says that there are two GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def a_mac(monkeypatch):
    """PyTorch says that this is a Mac with a GPU."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)


def test_precision():
    assert uses_bf16(Machine(device="cpu", precision="bf16"))
    assert not uses_bf16(Machine(device="cpu", precision="fp32"))
    assert uses_bf16(Machine(device="cpu")) == cpu_multiplies_bf16()


def test_workers():
    assert worker_count(Machine(device="cpu", workers=5)) == 5
    assert 0 <= worker_count(Machine(device="cpu")) <= 2


@pytest.mark.parametrize(
    ("options", "device", "lightning"),
    [
        ({}, "cuda", ("gpu", 1)),
        ({"devices": 2}, "cuda", ("gpu", 2)),
        ({"device": "cuda"}, "cuda", ("gpu", 1)),
        ({"device": "cuda:1"}, "cuda:1", ("gpu", [1])),
        ({"device": "cuda:0"}, "cuda:0", ("gpu", [0])),
        ({"device": "cpu", "devices": 3}, "cpu", ("cpu", 3)),
    ],
)
def test_the_devices_of_a_machine_with_gpus(two_gpus, options, device, lightning):
    machine = Machine(**options)
    assert machine_device(machine) == torch.device(device)
    assert trainer_devices(machine) == lightning
    check_machine(machine, Recipe("d", batch=6))


def test_the_gpu_of_a_mac_when_it_is_named(a_mac):
    machine = Machine(device="mps", precision="fp32")
    check_machine(machine, Recipe("d"))
    assert trainer_devices(machine) == ("mps", 1)
    assert not uses_bf16(Machine(device="mps"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda:2"}, "there is: cpu, cuda:0, cuda:1"),
        ({"device": "cuda:1", "devices": 2}, "cuda:1 is one GPU"),
        ({"devices": 4}, "this machine has 2 GPUs"),
        ({"device": "mps"}, "finds no GPU of a Mac"),
    ],
)
def test_a_device_that_is_not_here(two_gpus, options, message):
    with pytest.raises(ValueError, match=message):
        check_machine(Machine(**options), Recipe("d"))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"devices": 2}, "mps is one GPU"), ({"precision": "bf16"}, "use fp32 with the device mps")],
)
def test_what_a_mac_cannot_do(a_mac, options, message):
    with pytest.raises(ValueError, match=message):
        check_machine(Machine(device="mps", **options), Recipe("d"))


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_logger_needs_its_extra(monkeypatch, name):
    monkeypatch.setattr(machine_check, "find_spec", lambda package: None)
    with pytest.raises(ImportError, match=rf"loggers has {name}, .*pip install 'pixelwise\[{name}\]'"):
        check_machine(Machine(device="cpu", loggers=("csv", name)), Recipe("d"))
    check_machine(Machine(device="cpu"), Recipe("d"))  # the default needs none
    monkeypatch.setattr(machine_check, "find_spec", lambda package: ModuleSpec(package, None))
    check_machine(Machine(device="cpu", loggers=(name,)), Recipe("d"))

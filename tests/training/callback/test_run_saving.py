"""What a run saves, and what it refuses to save."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

import pixelwise
from pixelwise.training.callback import run_saving as saving
from pixelwise.training.callback.run_saving import RunSaver
from pixelwise.training.module import TrainingModule
from pixelwise.training.optimisation.schedule import RunLength
from pixelwise.training.recipe import Recipe
from pixelwise.training.run_state import State


@pytest.fixture
def module(plain) -> TrainingModule:
    model = pixelwise.create("plain", num_classes=2)
    state = State(step=3, rows=[{"epoch": 1.0, "loss": 0.5, "mIoU": 0.25}])
    state.model, state.average = model.state_dict(), model.state_dict()
    return TrainingModule(model, Recipe("d", model="plain"), RunLength(6, 3, 1, 1), state, lambda *_: None)


def trainer_of(module: TrainingModule, first: bool = True) -> SimpleNamespace:
    return SimpleNamespace(is_global_zero=first, optimizers=[torch.optim.SGD(module.model.parameters(), 0.1)])


def test_checkpoints_have_the_average_and_the_state_has_both(module, tmp_path):
    saver = RunSaver(module, tmp_path, {"recipe": {"model": "plain"}})
    with torch.no_grad():
        module.model.head.bias.fill_(7)
    saver.save(trainer_of(module))
    assert {path.name for path in tmp_path.iterdir()} == {"last.safetensors", "state.pt"}
    saver.save(trainer_of(module), best=True)
    for name in ("last", "best"):
        model = pixelwise.load(tmp_path / f"{name}.safetensors")
        assert torch.equal(model.head.bias, module.average.model.head.bias)
        assert model.record["scores"] == {"mIoU": 0.25}, "the loss is no score"
        assert (model.record["step"], model.record["recipe"]) == (3, {"model": "plain"})
    state = State.load(tmp_path / "state.pt")
    assert state.model["head.bias"].tolist() == [7, 7]
    assert torch.equal(state.average["head.bias"], module.average.model.head.bias)


def test_weights_that_are_not_finite_are_never_written(module, tmp_path):
    saver = RunSaver(module, tmp_path, {})
    saver.save(trainer_of(module))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with torch.no_grad():
        module.model.head.weight[0, 0] = torch.nan
    with pytest.raises(FloatingPointError, match=r"head\.weight are not finite after step 3.*last good weights"):
        saver.save(trainer_of(module))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_only_the_first_process_writes(module, tmp_path):
    RunSaver(module, tmp_path, {}).save(trainer_of(module, first=False))
    assert not list(tmp_path.iterdir())


def test_a_save_is_due_after_three_minutes(module, tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(saving, "time", SimpleNamespace(monotonic=lambda: now[0]))
    saver = RunSaver(module, tmp_path, {})
    now[0] += 179
    assert not saver.is_due
    now[0] += 2
    assert saver.is_due
    saver.save(trainer_of(module, first=False))
    assert not saver.is_due

"""Batch normalisation that stays as it was learnt."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

import pixelwise
from pixelwise.training.optimisation.norms import frozen_norms, synchronize_norms
from pixelwise.training.recipe import Machine, Recipe
from pixelwise.training.run import train

MACHINE = Machine(device="cpu", precision="fp32", workers=0, loggers=())


def test_pretrained_norms_are_frozen():
    model = pixelwise.create("unet", num_classes=2, backbone="resnet10t", width=8)
    norms = {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.BatchNorm2d)}
    backbone = [layer for name, layer in norms.items() if ".backbone." in name]

    def frozen(**keys: object) -> list[nn.Module]:
        return list(frozen_norms(model, Recipe("d", **keys)))

    assert frozen() == []
    assert frozen(norm="frozen") == backbone != list(norms.values())
    assert frozen(norm="frozen", weights="start") == list(norms.values())
    assert frozen(norm="group", pretrained=None) == []


@pytest.fixture(scope="module")
def start(plain, cells, tmp_path_factory):
    """The weights of a short training of a method with batch normalisation."""
    recipe = Recipe(str(cells), model="noisy", epochs=2, batch=4, imgsz=(32,), ema=0)
    return train(recipe, machine=MACHINE, out=tmp_path_factory.mktemp("start") / "run", progress=False).last


def test_frozen_norms_stay_while_the_rest_learns(start, cells, tmp_path):
    recipe = Recipe(str(cells), model="noisy", weights=str(start), norm="frozen", epochs=2, batch=1, imgsz=(32,), ema=0)
    done = train(recipe, machine=MACHINE, out=tmp_path / "run", progress=False)
    before, after = (pixelwise.load(path).state_dict() for path in (start, done.last))
    for name in before:
        assert torch.equal(before[name], after[name]) == name.startswith("body.3."), name  # the batch normalisation


def test_frozen_norms_compute_as_in_evaluation(start, cells):
    from pixelwise.training.module import TrainingModule
    from pixelwise.training.optimisation.schedule import RunLength
    from pixelwise.training.run_state import State

    recipe = Recipe(str(cells), model="noisy", weights=str(start), norm="frozen")
    trainee = TrainingModule(pixelwise.load(start), recipe, RunLength(1, 1, 1, 1), State(), lambda *_: None)
    images = torch.rand(2, 3, 32, 32)
    norm = trainee.model.body[3]
    assert trainee.model.training and not norm.training
    trainee.eval()
    trainee.train()
    assert trainee.model.training and not norm.training
    seen = []
    norm.register_forward_hook(lambda layer, inputs, output: seen.append((inputs[0], output)))
    trainee.model(images)
    expected = nn.functional.batch_norm(seen[0][0], norm.running_mean, norm.running_var, norm.weight, norm.bias)
    torch.testing.assert_close(seen[0][1], expected)


@pytest.mark.slow
def test_synchronised_norms_change_nothing_else():
    """EfficientNet's activations are part of its normalisation layers; a plain conversion loses them."""
    model = pixelwise.create("unet", num_classes=2, backbone="tf_efficientnet_lite0", width=8).eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = model(images).logits
        after = synchronize_norms(model)
        assert all(isinstance(layer, nn.SyncBatchNorm) for layer in after.modules() if isinstance(layer, _BatchNorm))
        torch.testing.assert_close(after(images).logits, before)
    assert after.classes == model.classes
    kept = {id(parameter) for parameter in model.parameters()}
    assert {id(parameter) for parameter in after.parameters()} <= kept


def test_groups_from_the_start(plain, cells, tmp_path):
    recipe = Recipe(str(cells), model="noisy", norm="group", epochs=1, batch=1, imgsz=(32,))
    done = train(recipe, machine=MACHINE, out=tmp_path / "run", progress=False)
    assert isinstance(pixelwise.load(done.best).body[3], nn.GroupNorm)

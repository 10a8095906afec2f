"""Which parameters learn, and how fast each of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import pixelwise
from pixelwise.models.base import SemanticModel
from pixelwise.training.optimisation.optimizer import make_optimizer, parameter_groups, set_learning_rate
from pixelwise.training.recipe import Recipe


@pytest.fixture(scope="module")
def model() -> SemanticModel:
    return pixelwise.create("unet", num_classes=2, backbone="resnet10t", width=8)


def named(model: SemanticModel, recipe: Recipe) -> dict[str, dict[str, Any]]:
    """The group of each parameter that learns."""
    where = {id(p): group for group in parameter_groups(model, recipe) for p in group["params"]}
    return {name: where[id(p)] for name, p in model.named_parameters() if id(p) in where}


def test_no_decay_for_biases_and_norms_and_less_for_the_encoder(model):
    groups = named(model, Recipe("d"))
    assert len(groups) == len(list(model.parameters()))
    assert (groups["network.head.weight"]["factor"], groups["network.head.weight"]["weight_decay"]) == (1, 0.01)
    assert groups["network.head.bias"]["weight_decay"] == 0
    encoder = {name: group for name, group in groups.items() if ".backbone." in name}
    assert {group["factor"] for group in encoder.values()} == {1 / 3}
    assert all(group["weight_decay"] == 0 for name, group in encoder.items() if ".bn" in name)


def test_deeplab_v2_has_four_rates(model):
    """2.5e-4, ten times that for new weights, twenty for their biases; what is frozen is left out."""
    recipe = Recipe("d", optimizer="sgd", lr=2.5e-3, encoder_lr=0.1, bias_lr=2, momentum=0.99, weight_decay=5e-4)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(".backbone.net.bn1." not in name)
    optimizer = make_optimizer(model, recipe, fused=False)
    set_learning_rate(optimizer, recipe.lr * 0.5)
    rate = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    assert {group["momentum"] for group in optimizer.param_groups} == {0.99}
    rates = {name: rate[id(p)]["lr"] for name, p in model.named_parameters() if id(p) in rate}
    assert rates["network.backbone.net.layer1.0.conv1.weight"] == pytest.approx(1.25e-4)
    assert rates["network.backbone.net.layer1.0.bn1.bias"] == pytest.approx(2.5e-4)
    assert rates["network.head.weight"] == pytest.approx(1.25e-3)
    assert rates["network.head.bias"] == pytest.approx(2.5e-3)
    assert not any(".net.bn1." in name for name in rates)
    model.requires_grad_(True)


def test_what_nobody_has_learnt_is_new(model):
    assert {group["factor"] for group in parameter_groups(model, Recipe("d", pretrained="none"))} == {1.0}


def test_the_momentum_is_that_of_the_recipe():
    """Two steps with a gradient of 1: 0.1 · 1, then 0.1 · (0.5 · 1 + 1)."""
    model = pixelwise.create("unet_padded", num_classes=2, width=2)
    start = model.head.bias.detach().clone()
    optimizer = make_optimizer(model, Recipe("d", optimizer="sgd", momentum=0.5, lr=0.1), fused=False)
    for _ in range(2):
        model.head.bias.grad = torch.ones(2)
        optimizer.step()
    torch.testing.assert_close(start - model.head.bias.detach(), torch.full((2,), 0.25))

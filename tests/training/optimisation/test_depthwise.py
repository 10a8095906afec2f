"""Depthwise convolutions in float32 inside a bfloat16 network."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from pixelwise.training.optimisation.depthwise import keep_depthwise_float


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 5, groups=8), nn.Conv2d(8, 2, 1))


def gradients(network: nn.Sequential, bf16: bool) -> list[torch.Tensor]:
    network.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        out = network(torch.linspace(-1, 1, 3 * 81).view(1, 3, 9, 9))
    assert out.dtype == (torch.bfloat16 if bf16 else torch.float32)
    out.float().square().sum().backward()
    return [p.grad for p in network.parameters() if p.grad is not None]


def test_only_depthwise_layers_leave_autocast(network):
    dtypes = {}
    keep_depthwise_float(network)
    before = copy.deepcopy(network.state_dict())
    inner = network[1]._conv_forward

    def watched(x, weight, bias):
        dtypes["inside"] = (x.dtype, torch.is_autocast_enabled("cpu"))
        return inner(x, weight, bias)

    network[1]._conv_forward = watched
    network[2].register_forward_pre_hook(lambda layer, x: dtypes.update(after=x[0].dtype))
    gradients(network, bf16=True)
    assert dtypes == {"inside": (torch.float32, False), "after": torch.bfloat16}
    assert network.state_dict().keys() == before.keys()


def test_gradients_are_those_of_float32_to_bf16_precision(network):
    exact = gradients(copy.deepcopy(network), bf16=False)
    keep_depthwise_float(network)
    for value, expected in zip(gradients(network, bf16=True), exact, strict=True):
        assert (value - expected).abs().max() < 0.03 * expected.abs().max()


def test_without_autocast_nothing_changes(network):
    exact = gradients(copy.deepcopy(network), bf16=False)
    keep_depthwise_float(network)
    for value, expected in zip(gradients(network, bf16=False), exact, strict=True):
        assert torch.equal(value, expected)


def test_an_error_leaves_autocast_as_it_was(network):
    keep_depthwise_float(network)
    with torch.autocast("cpu", torch.bfloat16):
        with pytest.raises(RuntimeError):
            network[1](torch.rand(1, 3, 9, 9))
        assert torch.is_autocast_enabled("cpu")
        assert network(torch.rand(1, 3, 9, 9)).dtype == torch.bfloat16

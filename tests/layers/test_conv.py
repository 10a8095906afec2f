"""Blocks of convolutions and their first weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from pixelwise.layers.conv import conv_norm_relu, double_conv, double_valid_conv, init_he


def test_sizes():
    x = torch.rand(2, 3, 11, 14)
    assert conv_norm_relu(3, 5)(x).shape == (2, 5, 11, 14)
    assert double_conv(3, 5, 7)(x).shape == (2, 5, 11, 14)
    assert double_valid_conv(3, 5)(x).shape == (2, 5, 7, 10)


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (nn.Conv2d(64, 256, 3), 576),  # the example in the paper, Section 3
        (nn.Conv2d(64, 256, 3, groups=4), 144),
        (nn.ConvTranspose2d(256, 128, 2, stride=2), 256),
    ],
)
def test_the_paper_s_first_weights(layer, inputs):
    torch.manual_seed(0)
    init_he(nn.Sequential(layer))
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / inputs), rel=0.03)
    assert layer.weight.mean().item() == pytest.approx(0, abs=3e-3)
    assert not layer.bias.any()

"""Blocks of convolutions and their initialisation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from pixelwise.layers.conv import conv_norm_relu, double_conv, double_valid_conv, init_he, separable_conv_norm_relu


def test_sizes():
    x = torch.rand(2, 3, 11, 14)
    assert conv_norm_relu(3, 5)(x).shape == (2, 5, 11, 14)
    assert conv_norm_relu(3, 5, dilation=6)(x).shape == (2, 5, 11, 14)
    assert separable_conv_norm_relu(3, 5, dilation=6)(x).shape == (2, 5, 11, 14)
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


def test_a_separable_convolution_is_one_of_a_product_kernel():
    """Depthwise and pointwise without anything between are one convolution of 3×3×channels kernels."""
    layer = separable_conv_norm_relu(3, 5, dilation=2, norm_between=False)[0]
    depthwise, pointwise = layer
    assert sum(p.numel() for p in layer.parameters()) == 3 * 9 + 3 * 5
    kernel = pointwise.weight * depthwise.weight.transpose(0, 1)  # (5, 3, 1, 1) · (1, 3, 3, 3)
    x = torch.rand(2, 3, 11, 14)
    torch.testing.assert_close(layer(x), nn.functional.conv2d(x, kernel, padding=2, dilation=2), atol=1e-5, rtol=1e-5)

"""Blocks of convolutions that several papers share, and their initialisation."""

from __future__ import annotations

import math

from torch import nn


def conv_norm_relu(channels: int, width: int, kernel: int = 3, dilation: int = 1) -> nn.Sequential:
    """Convolution without bias that keeps the size, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel, padding=kernel // 2 * dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )


def conv_group_relu(channels: int, width: int, kernel: int = 3) -> nn.Sequential:
    """Convolution without bias that keeps the size, group normalisation (32 groups from 128 channels on), ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=False),
        nn.GroupNorm(math.gcd(32, max(1, width // 4)), width),
        nn.ReLU(inplace=True),
    )


def separable_conv_norm_relu(channels: int, width: int, dilation: int = 1, norm_between: bool = True) -> nn.Sequential:
    """Depthwise separable convolution (a 3×3 per channel, then a 1×1), batch normalisation, ReLU.

    Args:
        channels, width: channels of input and output; the size is kept.
        dilation: of the 3×3 convolution (atrous separable convolution, Chen et al. 2018, Section 3.1).
        norm_between: batch normalisation and ReLU after the 3×3 convolution too.
    """
    between = [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)] if norm_between else []
    return nn.Sequential(
        nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, groups=channels, bias=False),
            *between,
            nn.Conv2d(channels, width, 1, bias=False),
        ),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )


def double_conv(channels: int, width: int, middle: int | None = None) -> nn.Sequential:
    """Two 3×3 `conv_norm_relu` in a row, `middle` channels between them (`width` when not given)."""
    return nn.Sequential(conv_norm_relu(channels, middle or width), conv_norm_relu(middle or width, width))


def double_valid_conv(channels: int, width: int) -> nn.Sequential:
    """Two 3×3 convolutions without padding, each with ReLU; the output is 4 pixels smaller."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3), nn.ReLU(inplace=True), nn.Conv2d(width, width, 3), nn.ReLU(inplace=True)
    )


def init_he(network: nn.Module) -> None:
    """Initialise every convolution with Gaussian weights of variance 2 / fan-in and zero biases (He et al. 2015).

    The fan-in of a transposed convolution is that of one pixel of its output: with a stride of the kernel size, one
    input per channel.
    """
    for layer in network.modules():
        if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            continue
        area = math.prod(layer.kernel_size)
        if isinstance(layer, nn.ConvTranspose2d):
            area = max(1, area // math.prod(layer.stride))
        nn.init.normal_(layer.weight, std=math.sqrt(2 / (layer.in_channels // layer.groups * area)))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)

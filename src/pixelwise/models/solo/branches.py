"""The layers that the branches of SOLO, Decoupled SOLO and SOLOv2 are made of, and their first weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from ...layers.conv import conv_group_relu
from ...ops.resize import resize

PRIOR = 0.01
"""The probability that a new network gives everywhere (focal loss, Lin et al. 2017, section 3.3)."""


def conv_tower(channels: int, width: int, convs: int) -> nn.Sequential:
    """3×3 convolutions from `channels` to `width` channels, each with group normalisation and a ReLU."""
    return nn.Sequential(*(conv_group_relu(channels if n == 0 else width, width) for n in range(convs)))


def init_normal(*parts: nn.Module) -> None:
    """Set the weights of all convolutions to Gaussian noise of standard deviation 0.01 and their biases to 0."""
    for part in parts:
        for layer in part.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)


def init_prior_bias(*layers: nn.Module) -> None:
    """Set the biases of these convolutions so that the sigmoid of their output is about `PRIOR` everywhere."""
    for layer in layers:
        nn.init.constant_(cast(Tensor, layer.bias), -math.log((1 - PRIOR) / PRIOR))


def resize_levels(levels: Sequence[Tensor]) -> list[Tensor]:
    """Bring P2 to P6 to strides 8, 8, 16, 32 and 32, as in the authors' code: P2 and P6 take their neighbour's size.

    Args:
        levels: (B, D, h, w) each, of strides 4, 8, 16, 32 and 64.
    """
    p2, p3, p4, p5, p6 = levels
    finest, coarsest = (p3.shape[-2], p3.shape[-1]), (p5.shape[-2], p5.shape[-1])
    return [resize(p2, finest), p3, p4, p5, resize(p6, coarsest)]

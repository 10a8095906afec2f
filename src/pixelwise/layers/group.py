"""Group normalisation instead of batch normalisation, for batches too small for batch statistics."""

from __future__ import annotations

import math

from torch import nn

CHANNELS = 16
"""Channels of a group (Wu and He 2018, table 3)."""


def group_norms(model: nn.Module) -> None:
    """Replace each batch normalisation outside of modules called `backbone` by a group normalisation, in place.

    The names of weights and biases stay the same. Backbones keep their normalisation, which their pretrained weights
    need.
    """
    for name, layer in model.named_children():
        if isinstance(layer, nn.BatchNorm2d):
            channels = layer.num_features
            setattr(model, name, nn.GroupNorm(math.gcd(channels, max(1, channels // CHANNELS)), channels, layer.eps))
        elif name != "backbone":
            group_norms(layer)

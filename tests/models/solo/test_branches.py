"""The layers of the branches: first weights, and the sizes of the levels."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pixelwise.models.solo.branches import conv_tower, init_normal, init_prior_bias, resize_levels


def test_a_new_network_gives_the_prior_everywhere():
    torch.manual_seed(0)
    tower, head = conv_tower(8, 16, 2), nn.Conv2d(16, 4, 3, padding=1)
    init_normal(tower, head)
    assert head.bias.abs().max() == 0
    assert head.weight.std().item() == pytest.approx(0.01, rel=0.1)
    init_prior_bias(head)
    assert head(torch.zeros(1, 16, 5, 5)).sigmoid().flatten().tolist() == pytest.approx([0.01] * 100)
    assert [layer[0].in_channels for layer in tower] == [8, 16]


def test_the_finest_and_the_coarsest_level_take_the_size_of_their_neighbours():
    levels = [torch.rand(1, 2, 64 >> k, 96 >> k) for k in range(5)]
    resized = resize_levels(levels)
    assert [tuple(x.shape[-2:]) for x in resized] == [(32, 48), (32, 48), (16, 24), (8, 12), (8, 12)]
    assert all(one is other for one, other in zip(resized[1:4], levels[1:4], strict=True))

"""Feature pyramid network, compared with torchvision's."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from filling import fill
from torch import nn

from pixelwise.layers.fpn import FPN


@pytest.mark.parametrize("norm", [False, True])
def test_it_computes_what_torchvisions_does(norm):
    from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

    theirs = FeaturePyramidNetwork([8, 16, 32], 12, LastLevelMaxPool(), nn.BatchNorm2d if norm else None)
    fill(theirs)
    ours = FPN([8, 16, 32], 12, norm=norm, pooled=1).eval()
    names = {"inner_blocks": "lateral", "layer_blocks": "output"}
    renamed = {}
    for key, value in theirs.state_dict().items():
        block, i, part, *rest = key.split(".")
        renamed[".".join([names[block], i, *([part] if norm else []), *rest])] = value
    ours.load_state_dict(renamed)
    maps = [torch.randn(1, d, *size) for d, size in ((8, (21, 30)), (16, (11, 15)), (32, (6, 8)))]
    expected = list(theirs(OrderedDict(enumerate(maps))).values())
    for a, b in zip(ours(maps), expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_yolacts_pyramid_has_two_strided_levels_and_no_negative_number_in_the_first_three():
    levels = FPN([8, 16, 32], 12, smooth=True, relu=True, strided=2)(
        [torch.randn(1, d, n, n) for d, n in ((8, 69), (16, 35), (32, 18))]
    )
    assert [tuple(x.shape[2:]) for x in levels] == [(n, n) for n in (69, 35, 18, 9, 5)]
    assert all(float(x.min()) >= 0 for x in levels[:3])
    assert float(levels[3].min()) < 0


def test_gradients_of_a_single_pixel_are_numbers():
    pyramid = FPN([8, 8, 8], 64, strided=2).to(memory_format=torch.channels_last)
    maps = [torch.randn(2, 8, n, n) for n in (8, 4, 2)]
    for _ in range(10):
        del (_ := [torch.full((1 << k,), torch.nan) for k in range(6, 18)])[:]  # memory that is used next
        pyramid.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            levels = pyramid(maps)
        sum(level.float().sum() for level in levels).backward()
        assert all(bool(p.grad.isfinite().all()) for p in pyramid.parameters())

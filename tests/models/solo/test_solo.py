"""SOLO: a channel of masks for each cell."""

from __future__ import annotations

import torch
import torch.nn.functional as F

import pixelwise


def make():
    torch.manual_seed(0)
    return pixelwise.create("solo", num_classes=3, backbone="resnet18", convs=1, width=16)


def test_maps_have_the_shapes_of_the_paper():
    outputs = make()(torch.zeros(1, 3, 128, 160))
    assert [tuple(x.shape) for x in outputs.categories] == [(1, 2, s, s) for s in (40, 36, 24, 16, 12)]
    assert [tuple(x.shape[-2:]) for x in outputs.features] == [(16, 20), (16, 20), (8, 10), (4, 5), (4, 5)]


def test_a_mask_is_the_channel_of_its_cell():
    model = make().eval()
    with torch.no_grad():
        outputs = model(torch.rand(2, 3, 64, 96))
        channels = F.interpolate(model.locations[2](outputs.features[2][1:]), scale_factor=2, mode="bilinear")
        soft = model.soft_masks(outputs, 1, 2, torch.tensor([3 * 24 + 5, 7]), (8, 12))
    assert torch.allclose(soft, channels.sigmoid()[0, [3 * 24 + 5, 7]], atol=1e-6)

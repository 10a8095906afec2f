"""Group normalisation instead of batch normalisation."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import pixelwise
from pixelwise.layers.group import group_norms
from pixelwise.weights import checkpoint


@pytest.mark.parametrize(("channels", "groups"), [(256, 16), (48, 3), (24, 1), (40, 2), (8, 1), (1, 1)])
def test_sixteen_channels_a_group(channels, groups):
    model = nn.Sequential(nn.BatchNorm2d(channels, eps=1e-3))
    group_norms(model)
    assert (model[0].num_groups, model[0].num_channels, model[0].eps) == (groups, channels, 1e-3)


@pytest.mark.slow
def test_backbones_keep_theirs_and_the_rest_learns_from_one_image(tmp_path):
    model = pixelwise.create("unet", num_classes=2, backbone="resnet10t", width=8, norm="group")
    norms = {name: type(layer) for name, layer in model.named_modules() if "Norm" in type(layer).__name__}
    inside = {kind for name, kind in norms.items() if ".backbone." in name}
    assert nn.GroupNorm not in inside
    assert {kind for name, kind in norms.items() if "decoder" in name} == {nn.GroupNorm}

    checkpoint.save(model, tmp_path / "model.safetensors")
    again, image = checkpoint.load(tmp_path / "model.safetensors"), torch.rand(1, 3, 40, 56)
    assert again.arguments == {"backbone": "resnet10t", "width": 8, "norm": "group"}
    with torch.no_grad():
        torch.testing.assert_close(again(image).logits, model.eval()(image).logits)


def test_a_image_does_not_see_its_neighbours():
    model = pixelwise.create("unet_padded", num_classes=2, width=4, norm="group").train()
    images = torch.rand(3, 3, 16, 32)
    torch.testing.assert_close(model(images).logits[:1], model(images[:1]).logits)

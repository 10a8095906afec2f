"""Backbones of timm."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from pixelwise.layers.backbone import Backbone
from pixelwise.layers.normalize import IMAGENET_MEAN, IMAGENET_STD


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "channels", "strides", "multiple"),
    [
        ("resnet18", (64, 64, 128, 256, 512), (2, 4, 8, 16, 32), 1),
        ("tf_efficientnet_lite0", (16, 24, 40, 112, 320), (2, 4, 8, 16, 32), 1),
        ("convnext_atto", (40, 80, 160, 320), (4, 8, 16, 32), 32),
        ("vgg11_bn", (64, 128, 256, 512, 512, 512), (1, 2, 4, 8, 16, 32), 32),
        ("vit_tiny_patch16_224", (192, 192, 192), (16, 16, 16), 16),
        ("swin_tiny_patch4_window7_224", (96, 192, 384, 768), (4, 8, 16, 32), 32),
    ],
)
def test_maps_are_what_they_are_said_to_be(name, channels, strides, multiple):
    backbone = Backbone(name).eval()
    assert (backbone.channels, backbone.strides, backbone.multiple) == (channels, strides, multiple)
    height, width = (70, 33) if multiple == 1 else (3 * multiple, 2 * multiple)
    with torch.no_grad():
        maps = backbone(torch.rand(1, 3, height, width))
    expected = [(1, c, -(-height // s), -(-width // s)) for c, s in zip(channels, strides, strict=True)]
    assert [tuple(m.shape) for m in maps] == expected


def test_fewer_maps_and_dilation():
    backbone = Backbone("resnet18", out_indices=(1, 4), output_stride=8)
    assert (backbone.channels, backbone.strides) == ((64, 512), (4, 8))
    assert [tuple(m.shape[-2:]) for m in backbone(torch.rand(2, 3, 64, 96))] == [(16, 24), (8, 12)]


def test_the_normalisation_is_that_of_its_weights():
    assert Backbone("resnet18").normalize().to_dict()["mean"] == list(IMAGENET_MEAN)
    assert Backbone("resnet18").normalize().to_dict()["std"] == list(IMAGENET_STD)
    assert Backbone("tf_efficientnet_lite0").normalize().to_dict()["mean"] == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("resnet43", {}, "did you mean 'resnet34'"),
        ("efficientnet-lite0", {}, "efficientnet_lite0"),
        ("resnet18.a9_in1k", {}, r"no weights 'resnet18\.a9_in1k'.*resnet18\.a1_in1k"),
        ("efficientformer_l1", {}, "takes images of 224x224 only"),
        ("mixer_b16_224", {"output_stride": 8}, "cannot give feature maps with output_stride=8"),
        ("resnet18", {"out_indices": (9,)}, "cannot give feature maps"),
    ],
)
def test_what_cannot_be(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        Backbone(name, **arguments)


@pytest.mark.slow
def test_a_model_without_a_backbone_needs_neither_timm_nor_torchvision():
    script = (
        "import sys, torch, pixelwise\n"
        "model = pixelwise.create('unet', num_classes=2, width=4)\n"
        "model.eval()(torch.rand(1, 3, 9, 9))\n"
        "print([name for name in ('timm', 'torchvision', 'lightning') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"

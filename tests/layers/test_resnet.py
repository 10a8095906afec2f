"""Strides and dilations of a ResNet of timm, as papers change them."""

from __future__ import annotations

import pytest

from pixelwise.layers.backbone import Backbone
from pixelwise.layers.resnet import dilate_first_blocks, is_resnet, multi_grid, stride_in_first_convolution


def dilations(backbone: Backbone, stage: int, conv: str = "conv2") -> list[int]:
    """Of that convolution in each block of a stage."""
    actual = [getattr(block, conv) for block in getattr(backbone.net, f"layer{stage}")]
    assert all(layer.padding == layer.dilation for layer in actual)
    return [layer.dilation[0] for layer in actual]


def test_first_blocks_of_bottlenecks():
    backbone = Backbone("resnet50", output_stride=8)
    assert (dilations(backbone, 3), dilations(backbone, 4)) == ([1, 2, 2, 2, 2, 2], [2, 4, 4])
    dilate_first_blocks(backbone.net)
    assert (dilations(backbone, 3), dilations(backbone, 4)) == ([2] * 6, [4] * 3)
    assert (dilations(backbone, 1), dilations(backbone, 2)) == ([1] * 3, [1] * 4)


def test_first_blocks_of_two_3x3_convolutions():
    backbone = Backbone("resnet18", output_stride=16)
    dilate_first_blocks(backbone.net)
    assert dilations(backbone, 4, "conv1") == dilations(backbone, 4) == [2, 2]
    assert dilations(backbone, 3, "conv1")[1:] == [1]


def test_multi_grid_multiplies():
    backbone = Backbone("resnet50", output_stride=16)
    multi_grid(backbone.net, (1, 2, 4))
    assert dilations(backbone, 4) == [2, 4, 8]
    with pytest.raises(ValueError, match="the last stage has 3 blocks"):
        multi_grid(backbone.net, (1, 2))


def test_a_stride_moves_only_in_bottlenecks():
    backbone = Backbone("resnet50")
    stride_in_first_convolution(backbone.net)
    first = backbone.net.layer2[0]
    assert (first.conv1.stride, first.conv2.stride) == ((2, 2), (1, 1))
    with pytest.raises(ValueError, match="only bottlenecks"):
        stride_in_first_convolution(Backbone("resnet18").net)


def test_other_networks_stay_as_they_are():
    backbone = Backbone("tf_efficientnet_lite0", output_stride=16)
    assert not is_resnet(backbone.net) and is_resnet(Backbone("resnet18").net)
    before = str(backbone.net)
    dilate_first_blocks(backbone.net)
    assert str(backbone.net) == before

"""The mobile networks of torchvision and VainF."""

from __future__ import annotations

import torch
from filling import fill, make_image

from pixelwise.layers.backbone import Backbone
from pixelwise.layers.mobilenet import TorchvisionMobileNetV3, pad_before_blocks


def test_the_maps_of_torchvision_s_network():
    net = TorchvisionMobileNetV3().eval()
    for size in ((97, 50), (1, 1)):
        with torch.no_grad():
            maps = net(torch.rand(1, 3, *size))
        expected = [(1, d, *(-(-side // s) for side in size)) for d, s in zip(net.channels, net.strides, strict=True)]
        assert [tuple(m.shape) for m in maps] == expected


def test_padding_before_a_block_changes_the_border_alone():
    backbone = fill(Backbone("mobilenetv2_100", output_stride=16))
    block = backbone.net.blocks[6][0]
    x = torch.rand(1, 160, 9, 9)
    with torch.no_grad():
        before = block(x)
        pad_before_blocks(backbone.net)
        after = block(x)
    reach = block.conv_dw.dilation[0]
    assert after.shape == before.shape and reach == 2
    inside = (..., slice(reach, -reach), slice(reach, -reach))
    torch.testing.assert_close(after[inside], before[inside])
    assert (after[..., 0, :] - before[..., 0, :]).abs().max() > 1e-3


def test_the_stem_loses_a_pixel_of_an_even_side():
    backbone = Backbone("mobilenetv2_100", output_stride=16)
    pad_before_blocks(backbone.net)
    with torch.no_grad():
        sizes = [tuple(m.shape[-2:]) for m in backbone.eval()(make_image(97, 64))]
    assert sizes == [(48, 31), (24, 16), (12, 8), (6, 4), (6, 4)]

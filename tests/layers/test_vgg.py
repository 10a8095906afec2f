"""VGG16 with convolutional fc6 and fc7."""

from __future__ import annotations

import torch
from torch import nn

from pixelwise.layers.vgg import CAFFE_MEAN, VGG16


def small(fc6: nn.Conv2d, **changes: int) -> VGG16:
    return VGG16([nn.MaxPool2d(2, ceil_mode=True) for _ in range(5)], fc6, width=2, **changes)


def test_the_published_count():
    """Simonyan and Zisserman 2015, Table 2: 138 million with the classifier of 4096 × 1000."""
    with torch.device("meta"):
        network = VGG16([nn.MaxPool2d(2) for _ in range(5)], nn.Conv2d(512, 4096, 7))
    assert sum(p.numel() for p in network.parameters()) + 4096 * 1000 + 1000 == 138_357_544
    assert sum(isinstance(layer, nn.Conv2d) for layer in network.blocks.modules()) == 13
    assert network.channels == (64, 128, 256, 512, 512, 4096)


def test_the_maps_after_each_pooling_and_fc7():
    network = small(nn.Conv2d(16, 32, 7), first_padding=100)
    sizes = [tuple(m.shape[1:]) for m in network(torch.rand(1, 3, 40, 33))]
    assert sizes == [(2, 119, 116), (4, 60, 58), (8, 30, 29), (16, 15, 15), (16, 8, 8), (32, 2, 2)]


def test_a_dilated_last_block_keeps_the_size():
    network = small(nn.Conv2d(16, 32, 3, padding=12, dilation=12), last_dilation=2)
    assert [layer.dilation for layer in network.blocks[4] if isinstance(layer, nn.Conv2d)] == [(2, 2)] * 3
    assert network(torch.rand(1, 3, 64, 33))[-1].shape == (1, 32, 2, 2)


def test_bytes_in_bgr_less_the_mean():
    image = torch.rand(1, 3, 5, 5)
    expected = image[:, [2, 1, 0]] * 255 - torch.tensor(CAFFE_MEAN).view(3, 1, 1)
    actual = small(nn.Conv2d(16, 8, 1)).normalize()(image)
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=0)

"""VGG16 with exchangeable poolings, its fully connected layers as convolutions."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from .conv import init_he
from .normalize import Normalize

WIDTHS = ((1, 1), (2, 2), (4, 4, 4), (8, 8, 8), (8, 8, 8))
"""Channels of the 3×3 convolutions, block by block, as multiples of the first (64); a pooling follows each block."""

CAFFE_MEAN = (104.00698793, 116.66876762, 122.67891434)
"""Mean blue, green and red of ImageNet, 0 to 255, with which the Caffe weights of VGG16 were trained."""


class VGG16(nn.Module):
    """VGG16 (Simonyan and Zisserman 2015, configuration D): five blocks and poolings, fc6 and fc7 as convolutions.

    fc6 and fc7 have ReLU and dropout. `pixelwise.create(…, pretrained=True)` loads ImageNet weights.

    Args:
        pools: the five poolings.
        fc6: the first fully connected layer as a convolution; fc7 is 1×1 with as many channels.
        first_padding: padding of the very first convolution (100 in FCN); all others keep the size.
        last_dilation: dilation of the last block (2 in DeepLab v1).
        width: channels of the first block.

    Attributes:
        channels: of the map after each pooling, and of fc7.
    """

    def __init__(
        self,
        pools: Sequence[nn.Module],
        fc6: nn.Conv2d,
        first_padding: int = 1,
        last_dilation: int = 1,
        width: int = 64,
    ) -> None:
        super().__init__()
        self.blocks = _blocks(first_padding, last_dilation, width)
        self.pools = nn.ModuleList(pools)
        self.fc6 = fc6
        self.fc7 = nn.Conv2d(fc6.out_channels, fc6.out_channels, 1)
        self.dropout = nn.Dropout(0.5)
        self.channels = (*(widths[-1] * width for widths in WIDTHS), fc6.out_channels)
        init_he(self)

    def normalize(self) -> Normalize:
        """Make the normalisation of the Caffe weights: BGR, 0 to 255, the mean subtracted."""
        return Normalize(CAFFE_MEAN, scale=255, bgr=True)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Feature maps of (B, 3, H, W), normalised: after each of the five poolings, and of fc7."""
        maps: list[Tensor] = []
        x = images
        for block, pool in zip(self.blocks, self.pools, strict=True):
            x = pool(block(x))  # (B, channels[i], h, w)
            maps.append(x)
        for layer in (self.fc6, self.fc7):
            x = self.dropout(F.relu(layer(x), inplace=True))  # (B, channels[-1], h, w)
        return [*maps, x]


def _blocks(first_padding: int, last_dilation: int, width: int) -> nn.ModuleList:
    """Make the five blocks; a ReLU follows each convolution, so convolution i of block b is `blocks[b][2 * i]`."""
    blocks = nn.ModuleList()
    channels, padding = 3, first_padding
    for number, widths in enumerate(WIDTHS):
        layers: list[nn.Module] = []
        dilation = last_dilation if number == len(WIDTHS) - 1 else 1
        for wide in widths:
            layers += [
                nn.Conv2d(channels, wide * width, 3, padding=padding * dilation, dilation=dilation),
                nn.ReLU(inplace=True),
            ]
            channels, padding = wide * width, 1
        blocks.append(nn.Sequential(*layers))
    return blocks

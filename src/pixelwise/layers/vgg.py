"""The convolutions of VGG16, for the papers that change its poolings and make its classifier convolutional."""

from __future__ import annotations

from torch import nn

WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the 3×3 convolutions, block by block; a pooling follows each block."""


def vgg16_blocks(first_padding: int = 1, last_dilation: int = 1) -> nn.ModuleList:
    """The five blocks of VGG16, without the poolings between them; a ReLU follows each convolution.

    Simonyan and Zisserman 2015, configuration D. Convolution i of block b is `blocks[b][2 * i]`.

    Args:
        first_padding: of the very first convolution (100 in FCN); all others keep the size.
        last_dilation: of the last block (2 in DeepLab v1).
    """
    blocks = nn.ModuleList()
    channels, padding = 3, first_padding
    for number, widths in enumerate(WIDTHS):
        layers: list[nn.Module] = []
        dilation = last_dilation if number == len(WIDTHS) - 1 else 1
        for width in widths:
            layers += [
                nn.Conv2d(channels, width, 3, padding=padding * dilation, dilation=dilation),
                nn.ReLU(inplace=True),
            ]
            channels, padding = width, 1
        blocks.append(nn.Sequential(*layers))
    return blocks

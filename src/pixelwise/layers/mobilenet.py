"""MobileNets as published weights need them, where timm has them only with differences."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize


class TorchvisionMobileNetV3(nn.Module):
    """Backbone of torchvision's segmentation models: MobileNet v3 large, with random weights.

    The last three blocks are dilated, the first of them too; the finer map is taken after one block of its stage.

    Attributes:
        channels, strides: of the two maps.
        multiple: 1; images may have any size.
    """

    channels = (40, 960)
    strides = (8, 16)
    multiple = 1

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import mobilenet_v3_large

        self.net = mobilenet_v3_large(weights=None, weights_backbone=None, dilated=True).features

    def normalize(self) -> Normalize:
        """Make the normalisation with which torchvision's weights were trained."""
        return Normalize(IMAGENET_MEAN, IMAGENET_STD)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W), normalised → (B, 40, ⌈H / 8⌉, ⌈W / 8⌉), (B, 960, ⌈H / 16⌉, ⌈W / 16⌉)."""
        fine = self.net[:5](images)
        return [fine, self.net[5:](fine)]


def pad_before_blocks(network: Any) -> None:
    """Move the padding of timm's `mobilenetv2_100` to the places where VainF's DeepLab has it, in place.

    Each block is padded before its first 1×1 convolution, so that the 3×3 convolution sees at the border what the
    normalisation makes of zeros; the stem is not padded at all.
    """
    network.conv_stem.padding = (0, 0)
    for stage in network.blocks[1:]:
        for block in stage:
            block.conv_pw.padding, block.conv_dw.padding = block.conv_dw.padding, (0, 0)

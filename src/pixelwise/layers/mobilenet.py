"""The mobile networks that published weights need and timm does not have just so."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize


class TorchvisionMobileNetV3(nn.Module):
    """The features of torchvision's large MobileNet v3 that its segmentation models use, with random weights.

    Its last three blocks are all dilated, the first of them too; the finer map comes after one block of its stage.

    Attributes:
        channels, strides: of the two maps.
        multiple: sides of images need be a multiple of nothing more.
    """

    channels = (40, 960)
    strides = (8, 16)
    multiple = 1

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import mobilenet_v3_large

        self.net = mobilenet_v3_large(weights=None, weights_backbone=None, dilated=True).features

    def normalize(self) -> Normalize:
        """The normalisation that torchvision's weights were trained with."""
        return Normalize(IMAGENET_MEAN, IMAGENET_STD)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W), normalised → (B, 40, ⌈H / 8⌉, ⌈W / 8⌉), (B, 960, ⌈H / 16⌉, ⌈W / 16⌉)."""
        fine = self.net[:5](images)
        return [fine, self.net[5:](fine)]


def pad_before_blocks(network: Any) -> None:
    """Move the padding of timm's `mobilenetv2_100` to where VainF's DeepLab has it, in place.

    Each block is padded before its first 1×1 convolution, so that beyond its border lies what that convolution's
    normalisation makes of zero; the stem is not padded at all.
    """
    network.conv_stem.padding = (0, 0)
    for stage in network.blocks[1:]:
        for block in stage:
            block.conv_pw.padding, block.conv_dw.padding = block.conv_dw.padding, (0, 0)

"""DeepLab v3+: DeepLab v3 as the encoder, and a small decoder that refines borders with low-level features.

Chen, Zhu, Papandreou, Schroff, Adam: Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation.
ECCV 2018, arXiv 1802.02611.

- Section 3.1 (DeepLab v3 as encoder): the backbone and the pyramid of `deeplabv3`.
- Section 3.1 (atrous separable convolution): `separable=True`, for the 3×3 convolutions of the pyramid and the decoder.
- Section 3.1, figure 2 (proposed decoder), with the widths of tables 1 and 2: `Decoder`.
- Section 3.2 (modified aligned Xception): `backbone="xception65"`, timm's, also `xception41` and `xception71`.

The implementations in wide use, by VainF and segmentation_models.pytorch, differ from the paper in the choices of
`VARIANTS`.

Differs from the paper: like `deeplabv3`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from ..layers.auxiliary import AuxiliaryHead
from ..layers.conv import conv_norm_relu, init_he, separable_conv_norm_relu
from ..ops.names import suggest
from ..ops.rename_table import Table, rows
from ..ops.resize import resize
from . import deeplabv3
from .base import SemanticModel, SemanticOutputs
from .deeplabv3 import (
    PYRAMID,
    SMP_BACKBONE,
    SMP_ENCODERS,
    VAINF_BACKBONE,
    AtrousPyramid,
    dilated_backbone,
    pad_image,
    pyramid_rates,
)


@dataclass(frozen=True)
class Variant:
    """Choices in which the implementations of DeepLab v3+ differ, beyond `deeplabv3.VARIANTS`; defaults: the paper's.

    Attributes:
        convs: 3×3 convolutions of the decoder.
        low_level_first: the low-level features are concatenated before those of the encoder, not after them.
        separable: separable convolutions, when the argument is not given.
        norm_between: in separable convolutions, normalisation and ReLU between the two parts.
        conv_after: a further 3×3 convolution after the pyramid.
    """

    convs: int = 2
    low_level_first: bool = False
    separable: bool = False
    norm_between: bool = True
    conv_after: bool = False


VARIANTS = {
    "paper": Variant(),
    "vainf": Variant(convs=1, low_level_first=True),
    "smp": Variant(convs=1, separable=True, norm_between=False, conv_after=True),
}
"""The paper, VainF's DeepLabV3Plus-Pytorch, and segmentation_models.pytorch."""


class Decoder(nn.Module):
    """Decoder (figure 2): the encoder's features, upsampled, are concatenated with low-level ones and convolved.

    Args:
        channels: of the low-level map.
        reduced: channels to which the low-level map is reduced, lest it outweigh the encoder's.
        width: channels of the encoder's map, and of the output.
        variant: the row of `VARIANTS`.
        conv: (channels, width) → a 3×3 convolution with its normalisation.
        align_corners: alignment of the encoder's map when it is upsampled.
    """

    def __init__(
        self,
        channels: int,
        reduced: int,
        width: int,
        variant: Variant,
        conv: Callable[..., nn.Module],
        align_corners: bool,
    ) -> None:
        super().__init__()
        self.reduce = conv_norm_relu(channels, reduced, kernel=1)
        widths = [reduced + width, *[width] * variant.convs]
        self.fuse = nn.Sequential(*(conv(a, b) for a, b in pairwise(widths)))
        self.low_level_first = variant.low_level_first
        self.align_corners = align_corners

    def forward(self, x: Tensor, low_level: Tensor) -> Tensor:
        """(B, width, h, w) and (B, D, H, W) → (B, width, H, W)."""
        low_level = self.reduce(low_level)  # (B, reduced, H, W)
        size = (low_level.shape[-2], low_level.shape[-1])
        x = resize(x, size, align_corners=self.align_corners)  # (B, width, H, W)
        maps = [low_level, x] if self.low_level_first else [x, low_level]
        return cast(Tensor, self.fuse(torch.cat(maps, 1)))


class DeepLabV3Plus(SemanticModel):
    """DeepLab v3+: the backbone and pyramid of DeepLab v3, and a decoder with low-level features.

    Args:
        num_classes: background included.
        backbone: a network of timm with a map of stride 4; the ResNet-101 of the paper's studies when not given.
        variant: "paper", "vainf" or "smp", a row of `VARIANTS`.
        output_stride: ratio of the image to the encoder's map, 16 or 8 (32 for networks that timm cannot dilate). It
            changes no weights: the paper trains with 16 and predicts with 16 or 8.
        multi_grid: unit rates of the blocks of a ResNet's last stage; the variant's own when not given.
        rates: dilations of the pyramid at this output stride; the variant's own when not given.
        separable: whether the 3×3 convolutions of pyramid and decoder are separable; the variant's own when not given.
        auxiliary: a second classifier on the last map but one, for training.
        width: channels of the pyramid and of the decoder.
        low_level_channels: channels to which the decoder reduces the map of stride 4 (table 1: 48 is best).
    """

    def __init__(
        self,
        num_classes: int,
        backbone: str = "resnet101",
        variant: str = "paper",
        output_stride: int = 16,
        multi_grid: Sequence[int] | None = None,
        rates: Sequence[int] | None = None,
        separable: bool | None = None,
        auxiliary: bool = False,
        width: int = 256,
        low_level_channels: int = 48,
    ) -> None:
        super().__init__(num_classes)
        if variant not in VARIANTS:
            raise ValueError(f"there is no variant {variant!r} of deeplabv3plus: {suggest(variant, VARIANTS)}")
        encoder, choices = deeplabv3.VARIANTS[variant], VARIANTS[variant]
        self.backbone = dilated_backbone(backbone, encoder, output_stride, multi_grid)
        self.normalize = self.backbone.normalize()
        self.stride = self.backbone.multiple
        if 4 not in self.backbone.strides:
            raise ValueError(f"backbone {backbone!r} has maps of strides {self.backbone.strides}, but none of 4")
        self.low_level = max(k for k, stride in enumerate(self.backbone.strides) if stride == 4)
        *_, finer, channels = self.backbone.channels
        conv: Callable[..., nn.Module] = conv_norm_relu
        if choices.separable if separable is None else separable:
            conv = partial(separable_conv_norm_relu, norm_between=choices.norm_between)
        self.pyramid = AtrousPyramid(
            channels, width, pyramid_rates(encoder, output_stride, rates), encoder.dropout, conv
        )
        self.after = conv(width, width) if choices.conv_after else nn.Identity()
        self.decoder = Decoder(
            self.backbone.channels[self.low_level], low_level_channels, width, choices, conv, encoder.align_corners
        )
        self.head = nn.Conv2d(width, num_classes, 1)
        self.auxiliary = AuxiliaryHead(finer, num_classes) if auxiliary else None
        self.align_corners = encoder.align_corners
        init_he(self.after)
        init_he(self.decoder)

    def forward(self, images: Tensor) -> SemanticOutputs:
        """(B, 3, H, W) of any size → logits (B, C, H, W); those of the auxiliary classifier are as large."""
        height, width = images.shape[-2:]
        x = pad_image(self.normalize(images), self.stride)  # (B, 3, H', W'), nearly always (B, 3, H, W)
        size = (x.shape[-2], x.shape[-1])
        maps = self.backbone(x)
        x = self.after(self.pyramid(maps[-1]))  # (B, 256, H / 16, W / 16)
        x = self.decoder(x, maps[self.low_level])  # (B, 256, H / 4, W / 4)
        logits = resize(self.head(x), size, align_corners=self.align_corners)[..., :height, :width]  # (B, C, H, W)
        if self.auxiliary is None or not self.auxiliary_heads:
            return SemanticOutputs(logits)
        scores = resize(self.auxiliary(maps[-2]), size, align_corners=self.align_corners)  # (B, C, H', W')
        return SemanticOutputs(logits, (scores[..., :height, :width],))


VAINF = Table(
    architecture="deeplabv3plus",
    made_by=(
        "pixelwise.create('deeplabv3plus', variant='vainf', backbone='resnet50', 'resnet101' or 'mobilenetv2_100', "
        "output_stride=16 or 8, num_classes=…)"
    ),
    prefixes={
        **VAINF_BACKBONE,
        "classifier.project.": "decoder.reduce.",
        **rows("classifier.aspp.{part}", "{part}", part=PYRAMID),
        "classifier.classifier.": "decoder.fuse.0.",
        "classifier.classifier.3.": "head.",
    },
    dropped={},
    demands={"variant": "vainf"},
)
"""The names in VainF's DeepLabV3Plus-Pytorch: deeplabv3plus_resnet50, _resnet101 and _mobilenet."""

SMP = Table(
    architecture="deeplabv3plus",
    made_by=(
        "pixelwise.create('deeplabv3plus', variant='smp', backbone=…, output_stride=16 or 8, num_classes=…) "
        f"{SMP_ENCODERS}"
    ),
    prefixes={
        **SMP_BACKBONE,
        **rows("decoder.aspp.0.{part}", "{part}", part=PYRAMID),
        "decoder.aspp.1.": "after.0.",
        "decoder.aspp.2.": "after.1.",
        "decoder.block1.": "decoder.reduce.",
        "decoder.block2.": "decoder.fuse.0.",
        "segmentation_head.0.": "head.",
    },
    dropped={"encoder.fc.": "the classifier of the encoder"},
    demands={"variant": "smp"},
)
"""The names in segmentation_models_pytorch's DeepLabV3Plus with its default decoder."""

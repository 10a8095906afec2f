"""DeepLab v3+: DeepLab v3 as the encoder, and a small decoder that sharpens the borders with early features.

Chen, Zhu, Papandreou, Schroff, Adam: Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation.
ECCV 2018, arXiv 1802.02611.

- Section 3.1 (DeepLab v3 as encoder): the backbone and the pyramid of `deeplabv3`.
- Section 3.1 (atrous separable convolution): `separable=True`, for the 3×3 convolutions of the pyramid and the decoder.
- Section 3.1, figure 2 (proposed decoder), with the widths of tables 1 and 2: `Decoder`.
- Section 3.2 (modified aligned Xception): `backbone="xception65"`, timm's, also `xception41` and `xception71`.

What many people call DeepLab v3+ differs from it, and `VARIANTS` says in what: VainF's network, and that of
segmentation_models.pytorch.

Differs from the paper: as `deeplabv3` does.
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
    filled,
    pyramid_rates,
)

REDUCED = 48
"""Channels that the early features are reduced to (table 1), lest they outweigh the encoder's."""


@dataclass(frozen=True)
class Variant:
    """Where those who programmed a DeepLab v3+ chose differently, beyond what `deeplabv3.VARIANTS` says.

    Attributes:
        convs: 3×3 convolutions of the decoder.
        early_first: in the concatenation, before the encoder's features.
        separable: when it is not said.
        norm_between: in separable convolutions, normalisation and ReLU between their two parts.
        conv_after: a further 3×3 convolution after the pyramid.
    """

    convs: int
    early_first: bool
    separable: bool
    norm_between: bool
    conv_after: bool


VARIANTS = {
    "paper": Variant(2, False, False, True, False),
    "vainf": Variant(1, True, False, True, False),
    "smp": Variant(1, False, True, False, True),
}
"""One row a variant."""


class Decoder(nn.Module):
    """Figure 2: the encoder's features, enlarged, beside early ones of few channels; convolved together.

    Args:
        early: channels of the early map.
        width: of the encoder's map, and of what comes out.
        choices: the row of `VARIANTS`.
        conv: (channels, width) → a 3×3 convolution with its normalisation.
        align_corners: how the encoder's map is enlarged.
    """

    def __init__(
        self, early: int, width: int, choices: Variant, conv: Callable[..., nn.Module], align_corners: bool
    ) -> None:
        super().__init__()
        self.reduce = conv_norm_relu(early, REDUCED, kernel=1)
        widths = [REDUCED + width, *[width] * choices.convs]
        self.fuse = nn.Sequential(*(conv(a, b) for a, b in pairwise(widths)))
        self.early_first = choices.early_first
        self.align_corners = align_corners

    def forward(self, x: Tensor, early: Tensor) -> Tensor:
        """(B, width, h, w) and (B, D, H, W) → (B, width, H, W)."""
        early = self.reduce(early)  # (B, 48, H, W)
        x = resize(x, (early.shape[-2], early.shape[-1]), align_corners=self.align_corners)  # (B, width, H, W)
        return cast(Tensor, self.fuse(torch.cat([early, x] if self.early_first else [x, early], 1)))


class DeepLabV3Plus(SemanticModel):
    """DeepLab v3+: the pyramid of v3, and a decoder that brings back fine edges.

    Args:
        num_classes: background included.
        backbone: a network of timm with a map of stride 4; the ResNet-101 of the paper's studies when not given.
        variant: "paper", "vainf" or "smp", a row of `VARIANTS`.
        output_stride: pixels of the image to one of the encoder's map, 16 or 8 (32 for networks that timm cannot
            dilate). It changes no weights: the paper trains with 16 and predicts with 16 or 8.
        multi_grid: unit rates of the blocks of a ResNet's last stage; the variant's own when not given.
        rates: of the pyramid at this output stride; the variant's own when not given.
        separable: whether the 3×3 convolutions of pyramid and decoder are separable; as the variant has it when not
            given.
        auxiliary: a second classifier on the map before the last, for training.
        width: channels of the pyramid and of the decoder.
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
        self.early = max(k for k, stride in enumerate(self.backbone.strides) if stride == 4)
        early, finer, channels = (self.backbone.channels[k] for k in (self.early, -2, -1))
        conv: Callable[..., nn.Module] = conv_norm_relu
        if choices.separable if separable is None else separable:
            conv = partial(separable_conv_norm_relu, norm_between=choices.norm_between)
        self.pyramid = AtrousPyramid(
            channels, width, pyramid_rates(encoder, output_stride, rates), encoder.dropout, conv
        )
        self.after = conv(width, width) if choices.conv_after else nn.Identity()
        self.decoder = Decoder(early, width, choices, conv, encoder.align_corners)
        self.head = nn.Conv2d(width, num_classes, 1)
        self.auxiliary = AuxiliaryHead(finer, num_classes) if auxiliary else None
        self.align_corners = encoder.align_corners
        init_he(self.after)
        init_he(self.decoder)

    def forward(self, images: Tensor) -> SemanticOutputs:
        """(B, 3, H, W) of any size → logits (B, C, H, W); those of the auxiliary classifier are as large."""
        height, width = images.shape[-2:]
        x = filled(self.normalize(images), self.stride)  # (B, 3, H', W'), nearly always (B, 3, H, W)
        size = (x.shape[-2], x.shape[-1])
        maps = self.backbone(x)
        x = self.after(self.pyramid(maps[-1]))  # (B, 256, H / 16, W / 16)
        x = self.decoder(x, maps[self.early])  # (B, 256, H / 4, W / 4)
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
"""DeepLabV3Plus-Pytorch by VainF: deeplabv3plus_resnet50, deeplabv3plus_resnet101 and deeplabv3plus_mobilenet."""

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
"""segmentation_models_pytorch's DeepLabV3Plus with its default decoder."""

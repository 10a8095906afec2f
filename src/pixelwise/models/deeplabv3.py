"""DeepLab v3: atrous convolutions at several rates in parallel, concatenated with features pooled over the image.

Chen, Papandreou, Schroff, Adam: Rethinking Atrous Convolution for Semantic Image Segmentation. arXiv 1706.05587, 2017.

- Section 3.2 (atrous convolution instead of strides; 3.2.1, multi-grid): `dilated_backbone`.
- Section 3.3, figure 5 (atrous spatial pyramid pooling with image-level features): `AtrousPyramid`.

The implementations in wide use, by torchvision, VainF and segmentation_models.pytorch, differ from the paper in the
choices of `VARIANTS`.

Differs from the paper:
- a batch of a single image can be trained: its one pooled value is normalised by the running statistics;
- the auxiliary classifier (torchvision's) is an option; multi-grid is only for ResNets, for which the paper defines it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.auxiliary import AuxiliaryHead
from ..layers.backbone import Backbone
from ..layers.batch_norm import PooledBatchNorm2d
from ..layers.conv import conv_norm_relu, init_he
from ..layers.mobilenet import TorchvisionMobileNetV3, pad_before_blocks
from ..layers.resnet import dilate_first_blocks, is_resnet, multi_grid
from ..ops.names import suggest
from ..ops.pad import pad_to
from ..ops.rename_table import Table, rows
from ..ops.resize import resize
from .base import SemanticModel, SemanticOutputs


@dataclass(frozen=True)
class Variant:
    """Choices in which the implementations of DeepLab v3 differ; the defaults are those of the paper.

    Attributes:
        output_stride: when none is given.
        rates: dilations of the pyramid at any output stride; None: 6, 12, 18 at output stride 16, doubled at 8.
        multi_grid: unit rates of the blocks of a ResNet's last stage.
        first_dilated: the first block of a dilated stage has the dilation of the others, not that of the stage before.
        padded_before: a MobileNet v2 is padded before its blocks, not within.
        dropout: probability of a value of the pyramid to be dropped while training; the paper mentions none.
        last_conv: a 3×3 convolution between the pyramid and the classifier.
        align_corners: alignment of the logits when they are resized to the image.
    """

    output_stride: int = 16
    rates: tuple[int, ...] | None = None
    multi_grid: tuple[int, ...] = (1, 2, 4)
    first_dilated: bool = True
    padded_before: bool = False
    dropout: float = 0.0
    last_conv: bool = False
    align_corners: bool = False


VARIANTS = {
    "paper": Variant(),
    "torchvision": Variant(
        output_stride=8,
        rates=(12, 24, 36),
        multi_grid=(1, 1, 1),
        first_dilated=False,
        dropout=0.5,
        last_conv=True,
    ),
    "vainf": Variant(
        multi_grid=(1, 1, 1),
        first_dilated=False,
        padded_before=True,
        dropout=0.1,
        last_conv=True,
    ),
    "smp": Variant(
        output_stride=8,
        rates=(12, 24, 36),
        multi_grid=(1, 1, 1),
        dropout=0.5,
        last_conv=True,
        align_corners=True,
    ),
}
"""The paper, torchvision, VainF's DeepLabV3Plus-Pytorch, and segmentation_models.pytorch."""


def dilated_backbone(
    name: str, variant: Variant, output_stride: int, units: Sequence[int] | None = None
) -> Backbone | TorchvisionMobileNetV3:
    """Make a backbone whose deepest map keeps 1 / output_stride of the image.

    Args:
        name: a network of timm, or torchvision's `mobilenet_v3_large`.
        variant: the row of `VARIANTS`.
        output_stride: 8, 16 or 32.
        units: unit rates of the multi-grid; those of the variant when not given.

    Raises:
        ValueError: the network cannot be dilated like this, or `units` are given for one that is no ResNet.
    """
    if name == "mobilenet_v3_large":
        if output_stride != 16:
            raise ValueError(f"output_stride is {output_stride}: mobilenet_v3_large of torchvision has 16; give that")
        return TorchvisionMobileNetV3()
    backbone = Backbone(name, output_stride=output_stride)
    if is_resnet(backbone.net):
        if variant.first_dilated:
            dilate_first_blocks(backbone.net)
        if max(units or variant.multi_grid) > 1:
            multi_grid(backbone.net, units or variant.multi_grid)
    elif units:
        raise ValueError(f"multi_grid is {tuple(units)}, but {name!r} is no ResNet: leave it out")
    if variant.padded_before and name.partition(".")[0] == "mobilenetv2_100":
        pad_before_blocks(backbone.net)
    return backbone


class ImagePooling(nn.Module):
    """Image-level features (Section 3.3): global average pooling and a 1×1 convolution, repeated at every place."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 1, bias=False)
        self.norm = PooledBatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, h, w) → (B, width, h, w)."""
        mean = self.norm(self.conv(x.mean((-2, -1), keepdim=True))).relu()  # (B, width, 1, 1)
        return cast(Tensor, mean.expand(-1, -1, x.shape[-2], x.shape[-1]))


class AtrousPyramid(nn.Module):
    """Atrous spatial pyramid pooling (figure 5): a 1×1 convolution, 3×3 ones at several rates, and image pooling.

    Args:
        channels: of the map.
        width: channels of each branch, and of the output.
        rates: dilations of the 3×3 convolutions.
        dropout: probability of a value to be dropped while training.
        conv: (channels, width, dilation=…) → a 3×3 convolution with its normalisation.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        rates: Sequence[int],
        dropout: float,
        conv: Callable[..., nn.Module] = conv_norm_relu,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                conv_norm_relu(channels, width, kernel=1),
                *(conv(channels, width, dilation=rate) for rate in rates),
                ImagePooling(channels, width),
            ]
        )
        self.project = conv_norm_relu(len(self.branches) * width, width, kernel=1)
        self.dropout = nn.Dropout(dropout)
        init_he(self)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, h, w) → (B, width, h, w)."""
        x = torch.cat([branch(x) for branch in self.branches], 1)  # (B, 5 · width, h, w)
        return cast(Tensor, self.dropout(self.project(x)))


def pad_image(images: Tensor, multiple: int) -> Tensor:
    """Zero-pad (B, 3, H, W) on the right and below to multiples, and to 3 pixels, the kernel of a first convolution."""
    height, width = images.shape[-2:]
    if min(height, width) < 3:
        images = F.pad(images, (0, max(0, 3 - width), 0, max(0, 3 - height)))
    return pad_to(images, multiple)


def pyramid_rates(variant: Variant, output_stride: int, rates: Sequence[int] | None) -> Sequence[int]:
    """Dilations of the pyramid: those given, or of the variant, or 6, 12, 18 at output stride 16, doubled at 8."""
    return rates or variant.rates or [rate * 16 // output_stride for rate in (6, 12, 18)]


class DeepLabV3(SemanticModel):
    """DeepLab v3: a dilated backbone, atrous spatial pyramid pooling with image-level features, and a classifier.

    Args:
        num_classes: background included.
        backbone: a network of timm, or "mobilenet_v3_large" for torchvision's dilated one (which `pretrained` cannot
            fill).
        variant: "paper", "torchvision", "vainf" or "smp", a row of `VARIANTS`.
        output_stride: ratio of the image to the deepest map, 16 or 8 (32 for networks that timm cannot dilate); the
            variant's own when not given. It changes no weights: the paper trains with 16 and predicts with 8.
        multi_grid: unit rates of the blocks of a ResNet's last stage; the variant's own when not given.
        rates: dilations of the pyramid at this output stride; the variant's own when not given.
        auxiliary: a second classifier on the last map but one, for training.
        width: channels of the pyramid.
    """

    def __init__(
        self,
        num_classes: int,
        backbone: str = "resnet101",
        variant: str = "paper",
        output_stride: int | None = None,
        multi_grid: Sequence[int] | None = None,
        rates: Sequence[int] | None = None,
        auxiliary: bool = False,
        width: int = 256,
    ) -> None:
        super().__init__(num_classes)
        if variant not in VARIANTS:
            raise ValueError(f"there is no variant {variant!r} of deeplabv3: {suggest(variant, VARIANTS)}")
        choices = VARIANTS[variant]
        stride = output_stride or choices.output_stride
        self.backbone = dilated_backbone(backbone, choices, stride, multi_grid)
        self.normalize = self.backbone.normalize()
        self.stride = self.backbone.multiple
        *_, finer, channels = self.backbone.channels
        self.pyramid = AtrousPyramid(channels, width, pyramid_rates(choices, stride, rates), choices.dropout)
        self.last = conv_norm_relu(width, width) if choices.last_conv else nn.Identity()
        init_he(self.last)
        self.head = nn.Conv2d(width, num_classes, 1)
        self.auxiliary = AuxiliaryHead(finer, num_classes) if auxiliary else None
        self.align_corners = choices.align_corners

    def forward(self, images: Tensor) -> SemanticOutputs:
        """(B, 3, H, W) of any size → logits (B, C, H, W); those of the auxiliary classifier are as large."""
        height, width = images.shape[-2:]
        x = pad_image(self.normalize(images), self.stride)  # (B, 3, H', W'), nearly always (B, 3, H, W)
        size = (x.shape[-2], x.shape[-1])
        *_, finer, x = self.backbone(x)  # (B, 1024, h, w), (B, 2048, h, w)
        x = self.last(self.pyramid(x))  # (B, 256, h, w)
        logits = resize(self.head(x), size, align_corners=self.align_corners)[..., :height, :width]  # (B, C, H, W)
        if self.auxiliary is None or not self.auxiliary_heads:
            return SemanticOutputs(logits)
        scores = resize(self.auxiliary(finer), size, align_corners=self.align_corners)  # (B, C, H', W')
        return SemanticOutputs(logits, (scores[..., :height, :width],))


PYRAMID = {
    "convs.": "pyramid.branches.",
    "convs.4.1.": "pyramid.branches.4.conv.",
    "convs.4.2.": "pyramid.branches.4.norm.",
    "project.": "pyramid.project.",
}
"""The parts of the pyramid, which torchvision, VainF and smp name alike."""

_CLASSIFIER = {
    **rows("0.{part}", "{part}", part=PYRAMID),
    "1.": "last.0.",
    "2.": "last.1.",
    "4.": "head.",
}

TORCHVISION = Table(
    architecture="deeplabv3",
    made_by=(
        "pixelwise.create('deeplabv3', variant='torchvision', backbone='resnet50' or 'resnet101', num_classes=…), or "
        "with backbone='mobilenet_v3_large', output_stride=16; with auxiliary=True where there is an aux_classifier"
    ),
    prefixes={
        "backbone.": "backbone.net.",
        **rows("classifier.{part}", "{part}", part=_CLASSIFIER),
        "aux_classifier.0.": "auxiliary.conv.0.",
        "aux_classifier.1.": "auxiliary.conv.1.",
        "aux_classifier.4.": "auxiliary.head.",
    },
    dropped={},
    demands={"variant": "torchvision"},
)
"""The names in torchvision's deeplabv3_resnet50, deeplabv3_resnet101 and deeplabv3_mobilenet_v3_large."""

_MOBILENET_BLOCKS = (1, 2, 3, 4, 3, 3, 1)
"""Blocks of each stage of MobileNet v2."""

_FIRST_BLOCK = {"0.0.": "conv_dw.", "0.1.": "bn1.", "1.": "conv_pw.", "2.": "bn2."}
_OTHER_BLOCKS = {
    "0.0.": "conv_pw.",
    "0.1.": "bn1.",
    "1.0.": "conv_dw.",
    "1.1.": "bn2.",
    "2.": "conv_pwl.",
    "3.": "bn3.",
}


def _mobilenet_v2() -> dict[str, str]:
    """VainF's MobileNet v2, whose blocks are numbered through, in two sequences that meet after the second stage."""
    table = {
        "backbone.low_level_features.0.0.": "backbone.net.conv_stem.",
        "backbone.low_level_features.0.1.": "backbone.net.bn1.",
    }
    number = 1  # the stem is 0
    for stage, blocks in enumerate(_MOBILENET_BLOCKS):
        for block in range(blocks):
            half = "low" if number < 4 else "high"
            theirs = f"backbone.{half}_level_features.{number}.conv.{{part}}"
            parts = _FIRST_BLOCK if number == 1 else _OTHER_BLOCKS
            table |= rows(theirs, f"backbone.net.blocks.{stage}.{block}.{{part}}", part=parts)
            number += 1
    return table


VAINF_BACKBONE = {"backbone.": "backbone.net.", **_mobilenet_v2()}
"""VainF's ResNets, which are torchvision's, and its MobileNet v2."""

VAINF = Table(
    architecture="deeplabv3",
    made_by=(
        "pixelwise.create('deeplabv3', variant='vainf', backbone='resnet50', 'resnet101' or 'mobilenetv2_100', "
        "output_stride=16 or 8, num_classes=…)"
    ),
    prefixes={
        **VAINF_BACKBONE,
        **rows("classifier.classifier.{part}", "{part}", part=_CLASSIFIER),
    },
    dropped={},
    demands={"variant": "vainf"},
)
"""The names in VainF's DeepLabV3Plus-Pytorch: deeplabv3_resnet50, deeplabv3_resnet101 and deeplabv3_mobilenet."""

SMP_ENCODERS = (
    "of the same encoder: resnet18 to resnet152, the resnext and wide_resnet kinds of torchvision, and every 'tu-…' "
    "that is no ResNet (give its name in timm); smp dilates a 'tu-resnet…' otherwise, and its other encoders differ"
)
SMP_BACKBONE = {
    "encoder.": "backbone.net.",
    "encoder.model.": "backbone.net.",
    "encoder.model.layer": "a ResNet of timm ",  # a name that no model has: it would give other outputs
}

SMP = Table(
    architecture="deeplabv3",
    made_by=(
        f"pixelwise.create('deeplabv3', variant='smp', backbone=…, output_stride=8 or 16, num_classes=…) {SMP_ENCODERS}"
    ),
    prefixes={
        **SMP_BACKBONE,
        **rows("decoder.aspp.{part}", "{part}", part=PYRAMID),
        **rows("decoder.0.{part}", "{part}", part=PYRAMID),  # older files
        "decoder.conv.": "last.0.",
        "decoder.1.": "last.0.",
        "decoder.bn.": "last.1.",
        "decoder.2.": "last.1.",
        "segmentation_head.0.": "head.",
    },
    dropped={"encoder.fc.": "the classifier of the encoder"},
    demands={"variant": "smp"},
)
"""The names in segmentation_models_pytorch's DeepLabV3 with its default decoder."""

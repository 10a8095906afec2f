"""PSPNet: what lies where in the whole scene, pooled from it at four sizes, beside every pixel's own features.

Zhao, Shi, Qi, Wang, Jia: Pyramid Scene Parsing Network. CVPR 2017, arXiv 1612.01105; and the authors' own program,
hszhao/semseg, whose choices stand where the paper leaves them open.

- Section 3.2, figure 3 (pyramid pooling module): `PyramidPooling`.
- Section 3.3 (dilated ResNet, 1/8 of the image): the backbone, `dilate_first_blocks`.
- Section 4, figure 4 (auxiliary loss of weight 0.4 on the fourth stage): `PSPNet.auxiliary`.

Differs from the paper:
- images of any size: the program takes sides of 8k + 1 pixels, others are filled up to them with the mean colour;
- a batch of a single image can be trained: its one pooled cell is normalised by the running statistics.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.backbone import Backbone
from ..layers.batch_norm import PooledBatchNorm2d
from ..layers.conv import conv_norm_relu
from ..layers.resnet import dilate_first_blocks
from ..ops.names import suggest
from ..ops.rename_table import Table, rows
from ..ops.resize import resize
from .base import SemanticModel, SemanticOutputs

BINS = (1, 2, 3, 6)
"""The image is pooled to so many cells a side."""

WIDTH = 512
"""Channels of the map that is classified."""


@dataclass(frozen=True)
class Variant:
    """Where those who programmed a PSPNet chose differently.

    Attributes:
        backbone: when none is given.
        dilated: the last stages keep 1/8 of the image by dilation; otherwise the stages below 1/8 are left out.
        pyramid_first: in the concatenation, before the features themselves.
        norm_whole: the bin of the whole image has batch normalisation too; otherwise a bias.
        kernels: of the convolution that mixes the pyramid, and of the classifier.
        dropout: share of the channels that are dropped between the two.
        auxiliary: a second classifier on the last stage but one.
        spare: sides are filled up to stride·k + this many pixels.
    """

    backbone: str
    dilated: bool
    pyramid_first: bool
    norm_whole: bool
    kernels: tuple[int, int]
    dropout: float
    auxiliary: bool
    spare: int


VARIANTS = {
    "paper": Variant("resnet50s", True, False, True, (3, 1), 0.1, True, 1),
    "smp": Variant("resnet34", False, True, False, (1, 3), 0.2, False, 0),
}
"""hszhao/semseg; segmentation_models.pytorch with its default depth of 3."""


class PyramidPooling(nn.Module):
    """Figure 3 (c): averages over 1, 2×2, 3×3 and 6×6 parts of the image, a quarter of the channels each."""

    def __init__(self, channels: int, variant: Variant) -> None:
        super().__init__()
        width = channels // len(BINS)
        self.pyramid_first = variant.pyramid_first
        self.channels = channels + width * len(BINS)
        self.branches = nn.ModuleList()
        for cells in BINS:
            norm = cells > 1 or variant.norm_whole
            layers: list[nn.Module] = [nn.AdaptiveAvgPool2d(cells), nn.Conv2d(channels, width, 1, bias=not norm)]
            if norm:
                layers.append(PooledBatchNorm2d(width))
            self.branches.append(nn.Sequential(*layers, nn.ReLU(inplace=True)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, h, w) → (B, `channels`, h, w), twice as many as D."""
        size = (x.shape[-2], x.shape[-1])
        pyramid = [resize(branch(x), size, align_corners=True) for branch in self.branches]  # (B, D / 4, h, w) each
        return torch.cat([*pyramid, x] if self.pyramid_first else [x, *pyramid], 1)


def classifier(channels: int, width: int, num_classes: int, kernels: tuple[int, int], dropout: float) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU, dropped channels, convolution to the classes."""
    first, last = kernels
    mix = conv_norm_relu(channels, width, first)
    head = nn.Conv2d(width, num_classes, last, padding=last // 2)
    return nn.Sequential(OrderedDict(mix=mix, dropout=nn.Dropout2d(dropout), head=head))


class PSPNet(SemanticModel):
    """PSPNet: poolings of four sizes tell each pixel what is around it.

    Args:
        num_classes: background included.
        backbone: a network of timm. When not given, ResNet-50 whose first convolution is replaced by three 3×3 ones,
            as in the paper (`resnet101s` and `resnet152s` are deeper); resnet34 in the variant "smp".
        variant: "paper", or "smp" for the network of segmentation_models.pytorch: shallow, without auxiliary loss.
        output_stride: 8; 16 or 32 for networks that timm cannot dilate so far. Of the variant "paper" only.
    """

    def __init__(
        self, num_classes: int, backbone: str | None = None, variant: str = "paper", output_stride: int = 8
    ) -> None:
        super().__init__(num_classes)
        if variant not in VARIANTS:
            raise ValueError(f"there is no variant {variant!r} of pspnet: {suggest(variant, VARIANTS)}")
        chosen = VARIANTS[variant]
        name = backbone or chosen.backbone
        if chosen.dilated:
            self.backbone = Backbone(name, output_stride=output_stride)
            dilate_first_blocks(self.backbone.net)
        elif output_stride == 8:
            self.backbone = Backbone(name, out_indices=[_last_of_stride_8(name)])
        else:
            raise ValueError(f"output_stride is {output_stride}: the variant {variant!r} has 8 only")
        *_, channels = self.backbone.channels
        self.normalize = self.backbone.normalize()
        self.pyramid = PyramidPooling(channels, chosen)
        self.classifier = classifier(self.pyramid.channels, WIDTH, num_classes, chosen.kernels, chosen.dropout)
        self.auxiliary: nn.Sequential | None = None
        if chosen.auxiliary:
            self.auxiliary = classifier(self.backbone.channels[-2], WIDTH // 2, num_classes, (3, 1), chosen.dropout)
        self.cell = max(self.backbone.multiple, self.backbone.strides[-1])
        self.spare = chosen.spare if self.backbone.multiple == 1 else 0
        self.stride = 1 if self.spare else self.cell

    def forward(self, images: Tensor) -> SemanticOutputs:
        """(B, 3, H, W) of any size → logits (B, C, H, W); those of the auxiliary classifier are as large."""
        height, width = images.shape[-2:]
        below, right = (self.spare - height) % self.cell, (self.spare - width) % self.cell
        x = F.pad(self.normalize(images), (0, right, 0, below))  # (B, 3, 8h − 7, 8w − 7); smp (B, 3, 8h, 8w)
        size = (height + below, width + right)
        maps = self.backbone(x)  # the last two: (B, 1024, h, w), (B, 2048, h, w)
        x = self.pyramid(maps[-1])  # (B, 4096, h, w)
        x = self.classifier(x)  # (B, C, h, w)
        logits = resize(x, size, align_corners=True)[..., :height, :width]
        if self.auxiliary is None or not self.auxiliary_heads:
            return SemanticOutputs(logits)
        x = self.auxiliary(maps[-2])  # (B, C, h, w)
        return SemanticOutputs(logits, (resize(x, size, align_corners=True)[..., :height, :width],))


def _last_of_stride_8(name: str) -> int:
    """Which feature map of a backbone is the deepest with no less than 1/8 of the image."""
    with torch.device("meta"):
        strides = Backbone(name).strides
    return max((k for k, stride in enumerate(strides) if stride <= 8), default=0)


SEMSEG = Table(
    architecture="pspnet",
    made_by=(
        "pixelwise.create('pspnet', backbone='resnet50s', num_classes=…), or 'resnet101s', 'resnet152s'; num_classes "
        "is the length of cls.4.bias"
    ),
    prefixes={
        **rows("layer0.{n}.", "backbone.net.conv1.{n}.", n=(0, 1, 3, 4, 6)),
        "layer0.7.": "backbone.net.bn1.",
        **rows("layer{n}.", "backbone.net.layer{n}.", n=(1, 2, 3, 4)),
        "ppm.features.": "pyramid.branches.",
        **rows("cls.{n}.", "classifier.mix.{n}.", n=(0, 1)),
        "cls.4.": "classifier.head.",
        **rows("aux.{n}.", "auxiliary.mix.{n}.", n=(0, 1)),
        "aux.4.": "auxiliary.head.",
    },
    dropped={},
    demands={"variant": "paper", "output_stride": 8},
)
"""hszhao/semseg, by the authors."""

SMP = Table(
    architecture="pspnet",
    made_by=(
        "pixelwise.create('pspnet', variant='smp', backbone=…, num_classes=…) of the same encoder (ResNets, or any "
        "'tu-…' by its name in timm), with smp's default encoder_depth of 3"
    ),
    prefixes={
        "encoder.": "backbone.net.",
        "encoder.model.": "backbone.net.",
        **rows("decoder.psp.blocks.{n}.pool.1.{k}.", "pyramid.branches.{n}.{k}.", n=range(4), k={0: 1, 1: 2}),
        "decoder.conv.": "classifier.mix.",
        "segmentation_head.0.": "classifier.head.",
    },
    dropped={
        "encoder.layer3.": "a stage of the encoder that this network does not use",
        "encoder.layer4.": "a stage of the encoder that this network does not use",
    },
    demands={"variant": "smp"},
)
"""segmentation_models_pytorch's PSPNet."""

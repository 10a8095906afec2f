"""PSPNet: the context of the whole scene, pooled at four scales, is concatenated to the features of every pixel.

Zhao, Shi, Qi, Wang, Jia: Pyramid Scene Parsing Network. CVPR 2017, arXiv 1612.01105. Where the paper leaves a choice
open, it is made as in the authors' own code, hszhao/semseg.

- Section 3.2, figure 3 (pyramid pooling module): `PyramidPooling`.
- Section 3.3 (dilated ResNet, 1/8 of the image): the backbone, `dilate_first_blocks`.
- Section 4, figure 4 (auxiliary loss of weight 0.4 on the last stage but one): `PSPNet.auxiliary`.

Differs from the paper:
- images of any size: the authors' code takes sides of 8k + 1 pixels; others are padded to them with the mean colour;
- a batch of a single image can be trained: the one value of the bin of the whole image is normalised by the running
  statistics.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
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


@dataclass(frozen=True)
class Variant:
    """Choices in which the implementations of PSPNet differ; the defaults are those of the paper and hszhao/semseg.

    Attributes:
        backbone: the network of timm when none is given.
        dilated: the last stages are dilated and keep 1/8 of the image; otherwise the stages below 1/8 are left out.
        pyramid_first: the pooled maps are concatenated before the features, not after them.
        norm_whole: the bin of the whole image has batch normalisation like the others; otherwise a bias.
        kernels: kernel sizes of the convolution that mixes the pyramid, and of the classifier.
        dropout: probability of a channel to be dropped between these two while training.
        auxiliary: a second classifier on the last stage but one, for training.
        extra_pixels: sides are padded to stride·k + this many pixels.
    """

    backbone: str = "resnet50s"
    dilated: bool = True
    pyramid_first: bool = False
    norm_whole: bool = True
    kernels: tuple[int, int] = (3, 1)
    dropout: float = 0.1
    auxiliary: bool = True
    extra_pixels: int = 1


VARIANTS = {
    "paper": Variant(),
    "smp": Variant(
        backbone="resnet34",
        dilated=False,
        pyramid_first=True,
        norm_whole=False,
        kernels=(1, 3),
        dropout=0.2,
        auxiliary=False,
        extra_pixels=0,
    ),
}
"""The paper, as hszhao/semseg has it; and segmentation_models.pytorch with its default depth of 3."""


class PyramidPooling(nn.Module):
    """Pyramid pooling module (figure 3 c): averages over the regions of several grids, beside the features.

    Args:
        channels: of the map.
        bins: cells per side of each grid; each pooled map is reduced to channels / len(bins).
        variant: the row of `VARIANTS`.

    Attributes:
        channels: of the output.
    """

    def __init__(self, channels: int, bins: Sequence[int], variant: Variant) -> None:
        super().__init__()
        width = channels // len(bins)
        self.pyramid_first = variant.pyramid_first
        self.channels = channels + width * len(bins)
        self.branches = nn.ModuleList()
        for cells in bins:
            norm = cells > 1 or variant.norm_whole
            layers: list[nn.Module] = [nn.AdaptiveAvgPool2d(cells), nn.Conv2d(channels, width, 1, bias=not norm)]
            if norm:
                layers.append(PooledBatchNorm2d(width))
            self.branches.append(nn.Sequential(*layers, nn.ReLU(inplace=True)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, h, w) → (B, `channels`, h, w): about 2·D."""
        size = (x.shape[-2], x.shape[-1])
        pyramid = [resize(branch(x), size, align_corners=True) for branch in self.branches]  # (B, D / 4, h, w) each
        return torch.cat([*pyramid, x] if self.pyramid_first else [x, *pyramid], 1)


def classifier(channels: int, width: int, num_classes: int, kernels: tuple[int, int], dropout: float) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU, dropout of whole channels, convolution to the classes."""
    first, last = kernels
    mix = conv_norm_relu(channels, width, first)
    head = nn.Conv2d(width, num_classes, last, padding=last // 2)
    return nn.Sequential(OrderedDict(mix=mix, dropout=nn.Dropout2d(dropout), head=head))


class PSPNet(SemanticModel):
    """PSPNet: a dilated backbone, the pyramid pooling module, and a classifier.

    Args:
        num_classes: background included.
        backbone: a network of timm. When not given, ResNet-50 whose first convolution is replaced by three 3×3 ones,
            as in the paper (`resnet101s` and `resnet152s` are deeper); resnet34 in the variant "smp".
        variant: "paper", or "smp" for the network of segmentation_models.pytorch: shallow, without auxiliary loss.
        output_stride: 8; 16 or 32 for networks that timm cannot dilate to 8. Of the variant "paper" only.
        bins: cells per side of the grids to which the pyramid pools the image.
        width: channels of the map that is classified; the auxiliary classifier has half as many.
    """

    def __init__(
        self,
        num_classes: int,
        backbone: str | None = None,
        variant: str = "paper",
        output_stride: int = 8,
        bins: Sequence[int] = (1, 2, 3, 6),
        width: int = 512,
    ) -> None:
        super().__init__(num_classes)
        if variant not in VARIANTS:
            raise ValueError(f"there is no variant {variant!r} of pspnet: {suggest(variant, VARIANTS)}")
        choices = VARIANTS[variant]
        if width < 2:
            raise ValueError(f"width is {width}: it is a number of channels, 2 or more")
        self.backbone = _make_backbone(backbone or choices.backbone, variant, output_stride)
        *_, channels = self.backbone.channels
        if not 1 <= len(bins) <= channels or min(bins) < 1:
            raise ValueError(f"bins are {list(bins)}: give 1 to {channels} whole numbers, each 1 or more")
        self.normalize = self.backbone.normalize()
        self.pyramid = PyramidPooling(channels, bins, choices)
        self.classifier = classifier(self.pyramid.channels, width, num_classes, choices.kernels, choices.dropout)
        self.auxiliary: nn.Sequential | None = None
        if choices.auxiliary:
            self.auxiliary = classifier(self.backbone.channels[-2], width // 2, num_classes, (3, 1), choices.dropout)
        self.cell = max(self.backbone.multiple, self.backbone.strides[-1])
        # With a side of stride·k + 1 the corners of the feature map stand at those of the image, so that resizing with
        # aligned corners is exact. Backbones that need multiples of their stride cannot have that.
        self.extra_pixels = choices.extra_pixels if self.backbone.multiple == 1 else 0
        self.stride = 1 if self.extra_pixels else self.cell

    def forward(self, images: Tensor) -> SemanticOutputs:
        """(B, 3, H, W) of any size → logits (B, C, H, W); those of the auxiliary classifier are as large."""
        height, width = images.shape[-2:]
        below, right = (self.extra_pixels - height) % self.cell, (self.extra_pixels - width) % self.cell
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


def _make_backbone(name: str, variant: str, output_stride: int) -> Backbone:
    if VARIANTS[variant].dilated:
        backbone = Backbone(name, output_stride=output_stride)
        dilate_first_blocks(backbone.net)
        return backbone
    if output_stride != 8:
        raise ValueError(f"output_stride is {output_stride}: the variant {variant!r} has 8 only")
    return Backbone(name, out_indices=[_last_of_stride_8(name)])


def _last_of_stride_8(name: str) -> int:
    """Index of the deepest feature map of a backbone with at least 1/8 of the image."""
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
    demands={"variant": "paper", "output_stride": 8, "bins": (1, 2, 3, 6)},
)
"""The names in hszhao/semseg, the authors' own code."""

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
    demands={"variant": "smp", "bins": (1, 2, 3, 6)},
)
"""The names in segmentation_models_pytorch's PSPNet."""

"""FCN: a classifier made fully convolutional, its coarse scores refined by those of finer layers.

Long, Shelhamer, Darrell: Fully Convolutional Networks for Semantic Segmentation. CVPR 2015, arXiv 1411.4038. Paddings
and offsets, which the paper leaves open, are those of the authors' networks (voc-fcn32s, 16s, 8s, 8s-atonce).

- Section 4.1 (fc6 and fc7 become convolutions, the classifier is removed): `VGG16`, padded by 100 pixels.
- Section 3.3 (upsampling is backwards strided convolution): `Upsampling`.
- Section 4.2, figure 3 (skips from pool4 and pool3): `SkipHead`; `FCN32s`, `FCN16s`, `FCN8s`.

`FCNResNet` is the network that torchvision calls FCN: a dilated ResNet and a small classifier, without skips.

Differs from the paper:
- upsampling is bilinear and fixed, as in the authors' networks; in the paper (Section 4.3) all but the last upsampling
  are learned: `learned=True` learns all;
- the loss is a mean over pixels, not a sum: multiply a learning rate of theirs by the number of pixels of an image;
- with an encoder of timm nothing is padded or cropped; scores are resized to the next finer stride.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.auxiliary import AuxiliaryHead
from ..layers.backbone import Backbone
from ..layers.vgg import VGG16
from ..ops.pad import pad_to
from ..ops.rename_table import Table, rows
from ..ops.resize import resize
from .base import SemanticModel, SemanticOutputs

PADDING = 100
"""Padding of the image, pixels, so that fc6 (7×7 at stride 32, unpadded) has an output at any size."""

SKIP_OFFSETS = (5, 9)
"""Offset in the maps of pool4 and of pool3 of the part under the upsampled scores: what the padding has left."""

IMAGE_OFFSETS = {1: 19, 2: 27, 3: 31}
"""Offset of the image in the last upsampled scores, pixels, for 1, 2 and 3 maps: FCN-32s, 16s and 8s."""

AT_ONCE_SCALES = (0.01, 0.0001)
"""Factors of pool4 and pool3 where FCN-8s is trained in one stage."""


def crop(maps: Tensor, offset: int, size: Sequence[int]) -> Tensor:
    """Crop (B, D, H, W) to (B, D, *size), `offset` pixels from the top and from the left."""
    return maps[..., offset : offset + size[0], offset : offset + size[1]]


class Upsampling(nn.Module):
    """Upsampling (Section 3.3): a transposed convolution of stride `factor` with a bilinear kernel of 2·factor.

    Beyond the centres of the outermost pixels the values fade to zero.

    Args:
        channels: of the maps.
        factor: of the size.
        learned: a transposed convolution, initialised as bilinear; otherwise the same by interpolation, and fixed.
    """

    def __init__(self, channels: int, factor: int, learned: bool) -> None:
        super().__init__()
        self.factor = factor
        self.conv: nn.ConvTranspose2d | None = None
        if learned:
            self.conv = nn.ConvTranspose2d(channels, channels, 2 * factor, stride=factor, bias=False)
            triangle = 1 - (torch.arange(2 * factor) - (factor - 0.5)).abs() / factor
            eye = torch.eye(channels)[..., None, None]  # each map is upsampled by itself
            self.conv.weight.data.copy_(eye * triangle[:, None] * triangle)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, h, w) → (B, D, (h + 1)·factor, (w + 1)·factor)."""
        if self.conv is not None:
            return self.conv(x)  # type: ignore[no-any-return]
        # Padded by zeros, interpolation fades at the border like the transposed convolution does.
        size = [(side + 2) * self.factor for side in x.shape[-2:]]
        x = F.interpolate(F.pad(x, (1, 1, 1, 1)), size, mode="bilinear", align_corners=False)
        return crop(x, self.factor // 2, [side - self.factor for side in size])


class SkipHead(nn.Module):
    """Skips (figure 3): scores of the deepest map, upsampled and added to those of finer maps, upsampled to the image.

    Args:
        channels: of the maps: fc7; fc7 and pool4; or fc7, pool4 and pool3.
        num_classes: background included.
        learned: transposed convolutions, initialised as bilinear, rather than bilinear interpolation.
        at_once: whether the finer maps are scaled down, so that their scores can be trained together with the others.
    """

    def __init__(self, channels: Sequence[int], num_classes: int, learned: bool, at_once: bool) -> None:
        super().__init__()
        self.scores = score_layers(channels, num_classes)
        skips = len(channels) - 1
        factors = [*[2] * skips, 32 >> skips]  # 32; 2, 16; 2, 2, 8
        self.up = nn.ModuleList(Upsampling(num_classes, factor, learned) for factor in factors)
        self.scales = AT_ONCE_SCALES if at_once else (1.0, 1.0)

    def forward(self, maps: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Logits (B, C, *size) of the maps, (B, D, h, w) each, the deepest first."""
        x = self.scores[0](maps[0])  # (B, C, h, w)
        for skip in range(1, len(maps)):
            x = self.up[skip - 1](x)  # (B, C, 2h + 2, 2w + 2)
            scale = self.scales[skip - 1]
            finer = maps[skip] if scale == 1 else maps[skip] * scale
            x = x + crop(self.scores[skip](finer), SKIP_OFFSETS[skip - 1], x.shape[-2:])
        return crop(self.up[-1](x), IMAGE_OFFSETS[len(maps)], size)  # (B, C, *size)


class ResizingHead(nn.Module):
    """The skips of figure 3 for maps that are neither padded nor cropped.

    Args:
        channels: of the maps, the deepest first.
        num_classes: background included.
    """

    def __init__(self, channels: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.scores = score_layers(channels, num_classes)

    def forward(self, maps: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Logits (B, C, *size) of the maps, (B, D, h, w) each, the deepest first."""
        x = self.scores[0](maps[0])  # (B, C, h, w)
        for skip in range(1, len(maps)):
            finer = maps[skip]
            x = resize(x, (finer.shape[-2], finer.shape[-1])) + self.scores[skip](finer)  # (B, C, 2h, 2w)
        return resize(x, (size[0], size[1]))  # (B, C, *size)


def score_layers(channels: Sequence[int], num_classes: int) -> nn.ModuleList:
    """Scoring layers (Section 4.1): a 1×1 convolution to the classes for each map, initialised with zeros."""
    layers = nn.ModuleList(nn.Conv2d(width, num_classes, 1) for width in channels)
    for parameter in layers.parameters():
        nn.init.zeros_(parameter)
    return layers


class FCN(SemanticModel):
    """Base class of FCN-32s, 16s and 8s.

    Args:
        num_classes: background included.
        backbone: a network of timm; the paper's VGG16 when not given.
        learned: VGG16 only: transposed convolutions, initialised as bilinear, rather than bilinear interpolation.
        at_once: VGG16 only: pool4 and pool3 are scaled down, so that the network need not be trained in stages.
        width: VGG16 only: channels of its first block (64); fc6 and fc7 have 64 times as many.

    Attributes:
        maps: number of maps whose scores are added.
        map_indices: indices of these maps in the backbone's list, the deepest first.
    """

    maps: ClassVar[int]

    def __init__(
        self,
        num_classes: int,
        backbone: str | None = None,
        learned: bool = False,
        at_once: bool = False,
        width: int = 64,
    ) -> None:
        super().__init__(num_classes)
        self.backbone: VGG16 | Backbone
        self.head: SkipHead | ResizingHead
        if width < 1:
            raise ValueError(f"width is {width}: it is a number of channels, 1 or more")
        if backbone is None:
            pools = [nn.MaxPool2d(2, ceil_mode=True) for _ in range(5)]
            self.backbone = VGG16(pools, nn.Conv2d(8 * width, 64 * width, 7), first_padding=PADDING, width=width)
            self.map_indices = (-1, -3, -4)[: self.maps]  # fc7, pool4, pool3
            channels = [self.backbone.channels[k] for k in self.map_indices]
            self.head = SkipHead(channels, num_classes, learned, at_once)
        else:
            if learned or at_once:
                raise ValueError(
                    f"learned and at_once are for the paper's own VGG16, not for the backbone {backbone!r}"
                )
            self.backbone = Backbone(backbone)
            self.map_indices = self._deepest_maps(self.backbone)
            self.head = ResizingHead([self.backbone.channels[k] for k in self.map_indices], num_classes)
            self.stride = max(self.backbone.strides)
        self.normalize = self.backbone.normalize()

    def _deepest_maps(self, backbone: Backbone) -> tuple[int, ...]:
        """Indices of the last map of each stride of an encoder, the deepest first."""
        last = {stride: k for k, stride in enumerate(backbone.strides)}
        if len(last) < self.maps:
            raise ValueError(
                f"{backbone.name} has maps of the strides {', '.join(map(str, last))}, but {type(self).__name__} needs "
                f"{self.maps} different ones"
            )
        deepest = sorted(last, reverse=True)[: self.maps]
        return tuple(last[stride] for stride in deepest)

    def forward(self, images: Tensor) -> SemanticOutputs:
        """(B, 3, H, W) of any size → logits (B, C, H, W)."""
        height, width = images.shape[-2:]
        x = self.normalize(images)
        if isinstance(self.backbone, Backbone):
            x = pad_to(x, self.backbone.multiple)
        maps = self.backbone(x)  # (B, D, h, w) each
        logits = self.head([maps[k] for k in self.map_indices], x.shape[-2:])
        return SemanticOutputs(logits[..., :height, :width])


class FCN32s(FCN):
    """FCN-32s (Section 4.1): scores at stride 32, upsampled by 32 in one step."""

    maps = 1


class FCN16s(FCN):
    """FCN-16s (Section 4.2): scores of pool4 are added; initialised from a trained `FCN32s`, or trained at once."""

    maps = 2


class FCN8s(FCN):
    """FCN-8s (Section 4.2): scores of pool4 and pool3 are added; initialised from a trained `FCN16s`, or at once."""

    maps = 3


class FCNResNet(SemanticModel):
    """torchvision's FCN: a dilated encoder, two convolutions, bilinear interpolation.

    Args:
        num_classes: background included.
        backbone: a network of timm.
        auxiliary: a second classifier on the last map but one, for training (loss of weight 0.5).
        output_stride: ratio of the image to the deepest map: 8, 16 or 32.
    """

    auxiliary_weight = 0.5

    def __init__(
        self, num_classes: int, backbone: str = "resnet50", auxiliary: bool = True, output_stride: int = 8
    ) -> None:
        super().__init__(num_classes)
        self.backbone = Backbone(backbone, out_indices=(-2, -1), output_stride=output_stride)
        self.normalize = self.backbone.normalize()
        self.stride = max(self.backbone.strides)
        before, last = self.backbone.channels
        self.classifier = AuxiliaryHead(last, num_classes)  # of the same layers
        self.auxiliary = AuxiliaryHead(before, num_classes) if auxiliary else None

    def forward(self, images: Tensor) -> SemanticOutputs:
        """(B, 3, H, W) of any size → logits (B, C, H, W); those of the auxiliary classifier are as large."""
        height, width = images.shape[-2:]
        x = pad_to(self.normalize(images), self.backbone.multiple)
        size = (x.shape[-2], x.shape[-1])
        before, last = self.backbone(x)  # (B, D / 2, h, w), (B, D, h, w)
        logits = resize(self.classifier(last), size)[..., :height, :width]
        if self.auxiliary is None or not self.auxiliary_heads:
            return SemanticOutputs(logits)
        return SemanticOutputs(logits, (resize(self.auxiliary(before), size)[..., :height, :width],))


def _vgg16() -> dict[str, str]:
    """conv1_1 to conv5_3 of Caffe's VGG16; in our blocks a ReLU stands between two convolutions."""
    table = {}
    for block, convolutions in enumerate((2, 2, 3, 3, 3)):
        for number in range(convolutions):
            table[f"conv{block + 1}_{number + 1}."] = f"backbone.blocks.{block}.{2 * number}."
    return table


def _wkentaro(architecture: str, upsamplings: Sequence[str]) -> Table:
    """The names in wkentaro's pytorch-fcn, and in what it made of the authors' Caffe weights.

    Args:
        architecture: our name of the network.
        upsamplings: their names of the transposed convolutions, from the coarsest on.
    """
    return Table(
        architecture=architecture,
        made_by=(
            f"pixelwise.create('{architecture}', num_classes=…), with learned=True to keep their upsampling kernels, "
            "with at_once=True for fcn8s-atonce; num_classes is the length of score_fr.bias"
        ),
        prefixes={
            **_vgg16(),
            "fc6.": "backbone.fc6.",
            "fc7.": "backbone.fc7.",
            "score_fr.": "head.scores.0.",
            "score_pool4.": "head.scores.1.",
            "score_pool3.": "head.scores.2.",
            **{f"{name}.": f"head.up.{number}.conv." for number, name in enumerate(upsamplings)},
        },
        dropped={"upscore": "a bilinear kernel, by formula here; learned=True takes theirs"},
        demands={"backbone": None},
    )


WKENTARO = (
    _wkentaro("fcn32s", ["upscore"]),
    _wkentaro("fcn16s", ["upscore2", "upscore16"]),
    _wkentaro("fcn8s", ["upscore2", "upscore_pool4", "upscore8"]),
)
"""The names in pytorch-fcn, one table for each of the three networks."""

_TORCHVISION_HEAD = {"0.": "conv.0.", "1.": "conv.1.", "4.": "head."}

TORCHVISION = Table(
    architecture="fcn_resnet",
    made_by=(
        "pixelwise.create('fcn_resnet', backbone='resnet50' or 'resnet101', num_classes=…), with auxiliary=False where "
        "there is no aux_classifier; num_classes is the length of classifier.4.bias"
    ),
    prefixes={
        "backbone.": "backbone.net.",
        **rows("classifier.{part}", "classifier.{part}", part=_TORCHVISION_HEAD),
        **rows("aux_classifier.{part}", "auxiliary.{part}", part=_TORCHVISION_HEAD),
    },
    dropped={"aux_classifier.": "the auxiliary classifier, which a model made with auxiliary=False does not have"},
    demands={"output_stride": 8},
)
"""The names in torchvision's fcn_resnet50 and fcn_resnet101."""

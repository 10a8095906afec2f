"""DeepLab v2: atrous spatial pyramid pooling, and the maximum over several scales of the image.

Chen, Papandreou, Kokkinos, Murphy, Yuille: DeepLab: Semantic Image Segmentation with Deep Convolutional Nets, Atrous
Convolution, and Fully Connected CRFs. TPAMI 2018, arXiv 1606.00915.

- Section 3.1 (atrous convolution instead of strides, scores at stride 8): `resnet101`, `DeepLabV2.scores`.
- Section 3.2, Figure 4 (atrous spatial pyramid pooling): `ASPP`.
- Section 3.3 (dense CRF): `postprocess.crf`, after the network.
- Section 4.1.2 (the scales 0.5, 0.75 and 1): `DeepLabV2.forward`, `DeepLabV2.loss`.

Differs from the paper, or is not stated there:
- as in kazuto1011/deeplab-pytorch, whose weights fit, score maps and ground truths are resized with pixel centres
  aligned; the authors' Caffe aligned their corners;
- each scale and their maximum have a loss of their own, all of weight 1, as in the authors' code;
- the pyramid is that on ResNet-101 (Table 3); those on VGG16 are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.backbone import Backbone
from ..layers.normalize import Normalize
from ..layers.resnet import dilate_first_blocks, stride_in_first_convolution
from ..ops.pad import pad_to
from ..ops.rename_table import Table, rows
from ..ops.resize import resize
from ..segmentation import Segmentation
from .base import SemanticModel, SemanticOutputs

MEAN = (104.008, 116.669, 122.675)
"""Mean blue, green and red of ImageNet, 0 to 255, which the authors' Caffe subtracts."""


def resnet101() -> Backbone:
    """ResNet-101 (He et al. 2015) at output stride 8, as Caffe computes it.

    The first 1×1 convolution of a block has its stride, and the pooling rounds its output size up: 321 pixels become
    41, 513 become 65.
    """
    backbone = Backbone("resnet101", output_stride=8)
    stride_in_first_convolution(backbone.net)
    backbone.net.maxpool.ceil_mode = True
    return backbone


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (Section 3.2): 3×3 convolutions at several rates, summed."""

    def __init__(self, channels: int, num_classes: int, rates: Sequence[int]) -> None:
        super().__init__()
        branches = [nn.Conv2d(channels, num_classes, 3, padding=rate, dilation=rate) for rate in rates]
        for branch in branches:
            nn.init.normal_(branch.weight, std=0.01)
            nn.init.zeros_(branch.bias)  # type: ignore[arg-type]
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, h, w) → class scores (B, C, h, w)."""
        return torch.stack([branch(x) for branch in self.branches]).sum(0)


class DeepLabV2(SemanticModel):
    """DeepLab v2: a dilated backbone, atrous spatial pyramid pooling, and the maximum over scales of the image.

    Args:
        num_classes: background included.
        backbone: None is the authors' `resnet101`, which the weights of layout `kazuto1011` fit; a name is timm's
            network, which its ImageNet weights fit. Every block of a ResNet's last two stages is dilated, by 2 and 4.
        rates: dilations of the pyramid's convolutions, at stride 8.
        scales: factors of the resized copies of the image that are processed beside the image itself; () for none.
    """

    auxiliary_weight = 1.0

    def __init__(
        self,
        num_classes: int,
        backbone: str | None = None,
        rates: Sequence[int] = (6, 12, 18, 24),
        scales: Sequence[float] = (0.5, 0.75),
    ) -> None:
        super().__init__(num_classes)
        if not rates or min(rates) < 1:
            raise ValueError(f"rates is {list(rates)}: one or more whole numbers, each 1 or more")
        if scales and min(scales) <= 0:
            raise ValueError(f"scales is {list(scales)}: each is a factor of the image's size, more than 0")
        self.scales = tuple(scales)
        self.backbone = resnet101() if backbone is None else Backbone(backbone, output_stride=8)
        dilate_first_blocks(self.backbone.net)
        self.normalize = Normalize(MEAN, scale=255, bgr=True) if backbone is None else self.backbone.normalize()
        self.head = ASPP(self.backbone.channels[-1], num_classes, rates)
        if self.backbone.multiple > 1:
            self.stride = 4 * self.backbone.multiple  # so that 0.5 and 0.75 of it fit too

    def forward(self, images: Tensor) -> SemanticOutputs:
        """(B, 3, H, W) of any size → logits (B, C, H, W); auxiliary: the maps that `loss` takes, at stride 8."""
        height, width = images.shape[-2:]
        x = pad_to(self.normalize(images), self.stride)
        full = self.scores(x)  # (B, C, h, w)
        size = (full.shape[-2], full.shape[-1])
        each_scale = [full]
        same_size = [full]
        for scale in self.scales:
            if scale * min(height, width) < 1:  # nothing would be left of a tiny image
                continue
            copy = F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
            scores = self.scores(copy)  # (B, C, ⌈scale · h⌉, ⌈scale · w⌉)
            each_scale.append(scores)
            same_size.append(resize(scores, size))
        fused = torch.stack(same_size).amax(0)  # (B, C, h, w)
        logits = resize(fused, (x.shape[-2], x.shape[-1]))[..., :height, :width]  # (B, C, H, W)
        if not self.auxiliary_heads:
            return SemanticOutputs(logits)
        if len(each_scale) == 1:  # the maximum over one scale is that scale
            return SemanticOutputs(logits, (full,))
        return SemanticOutputs(logits, (*each_scale, fused))

    def scores(self, images: Tensor) -> Tensor:
        """Class scores (B, C, ⌈H / 8⌉, ⌈W / 8⌉) of normalised images; rounding up may add a row and a column."""
        return self.head(self.backbone(pad_to(images, self.backbone.multiple))[-1])  # type: ignore[no-any-return]

    def loss(self, outputs: SemanticOutputs, truths: Sequence[Segmentation]) -> dict[str, Tensor]:
        """Compare the fused scores at stride 8; `auxiliary` is the sum of the losses of each scale."""
        *scales, fused = outputs.auxiliary or (outputs.logits,)
        return super().loss(SemanticOutputs(fused, tuple(scales)), truths)

    def align_target(self, target: Tensor, size: tuple[int, int]) -> Tensor:
        """Resize (B, H, W) to (B, *size) by nearest neighbour between pixel centres, like PIL."""
        return F.interpolate(target[:, None], size, mode="nearest-exact")[:, 0]


_CONVOLUTIONS = {
    "reduce.conv.": "conv1.",
    "reduce.bn.": "bn1.",
    "conv3x3.conv.": "conv2.",
    "conv3x3.bn.": "bn2.",
    "increase.conv.": "conv3.",
    "increase.bn.": "bn3.",
    "shortcut.conv.": "downsample.0.",
    "shortcut.bn.": "downsample.1.",
}


def _stage(number: int, blocks: int) -> dict[str, str]:
    """Stage 1 to 4 of ResNet-101; they count stages from the stem, which is their layer1, and blocks from 1."""
    return rows(
        f"base.layer{number + 1}.block{{block}}.{{part}}",
        f"backbone.net.layer{number}.{{block}}.{{part}}",
        block={block + 1: block for block in range(blocks)},
        part=_CONVOLUTIONS,
    )


KAZUTO1011 = Table(
    architecture="deeplabv2",
    made_by="pixelwise.create('deeplabv2', num_classes=…), num_classes the length of base.aspp.c0.bias",
    prefixes={
        "base.layer1.conv1.conv.": "backbone.net.conv1.",
        "base.layer1.conv1.bn.": "backbone.net.bn1.",
        **_stage(1, blocks=3),
        **_stage(2, blocks=4),
        **_stage(3, blocks=23),
        **_stage(4, blocks=3),
        **rows("base.aspp.c{n}.", "head.branches.{n}.", n=range(4)),
    },
    dropped={},
    demands={"backbone": None},
)
"""The names in kazuto1011's deeplab-pytorch: ResNet-101 at several scales; DeepLabV2S has rates=(3, 6, 9, 12)."""

"""DeepLab v1: VGG16 made dense by atrous convolution, with a large field of view.

Chen, Papandreou, Kokkinos, Murphy, Yuille: Semantic Image Segmentation with Deep Convolutional Nets and Fully Connected
CRFs. ICLR 2015, arXiv 1412.7062.

- Section 3.1 (no stride after pool3, holes instead; one score for each 8 pixels, trained against every eighth pixel of
  the ground truth): `large_fov`, `DeepLabV1.loss`.
- Section 3.2 (fc6 as a small kernel with holes, fewer channels), Section 5, LargeFOV: `large_fov`.
- Section 4.2 (the dense CRF): `postprocess.crf`, after the network.
- Section 4.3 (multi-scale prediction, MSc): `multiscale=True`.

Differs from the paper, or is not stated there:
- poolings of 3×3 pixels, an average over 3×3 before fc6 and the strides and dropout of the multi-scale layers are those
  of the authors' released networks;
- images are padded to 8k + 1 pixels with the mean colour (the authors: to 513), so that score i stands at pixel 8i,
  and scores are made large by bilinear interpolation between just these pixels;
- the multi-scale layers are trained with the rest of the network.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.backbone import Backbone
from ..layers.conv import init_he
from ..layers.vgg import VGG16
from ..ops.pad import pad_to
from ..ops.resize import resize
from ..segmentation import Segmentation
from .base import SemanticModel, SemanticOutputs

STEP = 8
"""Pixels from one score to the next."""


def fc6(channels: int, width: int) -> nn.Conv2d:
    """VGG16's first fully connected layer as LargeFOV has it: 3×3 at rate 12, which sees 25×25 scores."""
    return nn.Conv2d(channels, width, 3, padding=12, dilation=12)


def large_fov(width: int) -> VGG16:
    """VGG16 with holes in conv5 instead of strides at pool4 and pool5; fc6 and fc7 have 16 · width channels."""
    pools = [nn.MaxPool2d(3, stride, padding=1) for stride in (2, 2, 2, 1)]
    last = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), nn.AvgPool2d(3, 1, padding=1))
    return VGG16([*pools, last], fc6(8 * width, 16 * width), last_dilation=2, width=width)


def mlp(first: nn.Conv2d) -> nn.Sequential:
    """A convolution and a 1×1 of as many channels, each with ReLU and dropout: fc6 and fc7, and Section 4.3."""
    layers: list[nn.Module] = []
    for conv in (first, nn.Conv2d(first.out_channels, first.out_channels, 1)):
        layers += [conv, nn.ReLU(inplace=True), nn.Dropout(0.5)]
    return nn.Sequential(*layers)


class DeepLabV1(SemanticModel):
    """DeepLab v1, LargeFOV: VGG16 with holes, a score for every eighth pixel.

    Args:
        num_classes: background included.
        backbone: None is the paper's VGG16; a name is timm's network at output stride 8, with fc6 and fc7 after it.
        multiscale: let the image and the first four feature maps have a say too (MSc).
        width: channels of VGG16's first convolution; fc6 and fc7 have 16 times as many, each multi-scale layer twice.
    """

    def __init__(
        self, num_classes: int, backbone: str | None = None, multiscale: bool = False, width: int = 64
    ) -> None:
        super().__init__(num_classes)
        if width < 1:
            raise ValueError(f"width is {width}: it is a number of channels, 1 or more")
        self.backbone: VGG16 | Backbone
        self.field: nn.Module
        strides: tuple[int, ...]
        if backbone is None:
            self.backbone = large_fov(width)
            strides, self.multiple = (2, 4, 8, 8), 1
            self.field = nn.Identity()  # fc6 and fc7 are VGG16's
        else:
            self.backbone = Backbone(backbone, output_stride=STEP)
            strides, self.multiple = self.backbone.strides[:4], self.backbone.multiple
            self.field = mlp(fc6(self.backbone.channels[-1], 16 * width))
        self.normalize = self.backbone.normalize()
        taps = zip((3, *self.backbone.channels), (1, *strides), strict=False) if multiscale else ()
        self.mlps = nn.ModuleList(mlp(nn.Conv2d(d, 2 * width, 3, STEP // stride, padding=1)) for d, stride in taps)
        self.head = nn.Conv2d((16 + 2 * len(self.mlps)) * width, num_classes, 1)
        for layers in (self.field, self.mlps):
            init_he(layers)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> SemanticOutputs:
        """(B, 3, H, W) of any size → logits (B, C, H, W); auxiliary is what `loss` compares, a score each 8 pixels."""
        height, width = images.shape[-2:]
        below, right = (1 - height) % STEP, (1 - width) % STEP
        x = F.pad(self.normalize(images), (0, right, 0, below))  # (B, 3, 8h − 7, 8w − 7)
        scores = self.scores(x)  # (B, C, h, w)
        logits = resize(scores, (height + below, width + right), align_corners=True)[..., :height, :width]
        inside = scores[..., : -(-height // STEP), : -(-width // STEP)]
        return SemanticOutputs(logits, (inside,) if self.auxiliary_heads else ())

    def scores(self, images: Tensor) -> Tensor:
        """(B, 3, 8h − 7, 8w − 7), normalised → (B, C, h, w), score (i, j) that of pixel (8i, 8j)."""
        images = pad_to(images, self.multiple)
        maps = self.backbone(images)
        fine = [layers(x) for layers, x in zip(self.mlps, (images, *maps), strict=False)]  # (B, 128, h, w) each
        return self.head(torch.cat([self.field(maps[-1]), *fine], 1))  # type: ignore[no-any-return]

    def loss(self, outputs: SemanticOutputs, truths: Sequence[Segmentation]) -> dict[str, Tensor]:
        """The criterion of the scores, each against the one pixel that it stands at."""
        (scores,) = outputs.auxiliary or (outputs.logits,)
        return super().loss(SemanticOutputs(scores), truths)

    def fit(self, target: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, H, W) → (B, *size): every eighth pixel, or all of them."""
        return target if target.shape[-2:] == size else target[..., ::STEP, ::STEP]

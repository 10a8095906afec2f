"""DeepLab v1: VGG16 with atrous convolution for dense scores and a large field of view.

Chen, Papandreou, Kokkinos, Murphy, Yuille: Semantic Image Segmentation with Deep Convolutional Nets and Fully Connected
CRFs. ICLR 2015, arXiv 1412.7062.

- Section 3.1 (atrous convolution instead of strides after pool3; scores at stride 8, trained against the ground truth
  subsampled by 8): `large_fov`, `DeepLabV1.loss`.
- Section 3.2 (fc6 as a small atrous kernel, fewer channels), Section 5, LargeFOV: `large_fov`.
- Section 4.2 (dense CRF): `postprocess.crf`, after the network.
- Section 4.3 (multi-scale prediction, MSc): `multiscale=True`.

Differs from the paper, or is not stated there:
- poolings of 3×3 pixels, an average pooling of 3×3 before fc6, and the strides and dropout of the multi-scale layers
  are those of the authors' released networks;
- images are padded to 8k + 1 pixels with the mean colour (the authors pad to 513), so that score i belongs to pixel 8i,
  and scores are upsampled by bilinear interpolation between exactly these pixels;
- the multi-scale layers are trained together with the rest of the network.
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

OUTPUT_STRIDE = 8
"""Pixels from one score to the next."""


def fc6(channels: int, width: int, rate: int) -> nn.Conv2d:
    """VGG16's first fully connected layer as LargeFOV has it: 3×3 with holes; at rate 12 it covers 25×25 scores."""
    return nn.Conv2d(channels, width, 3, padding=rate, dilation=rate)


def large_fov(width: int, rate: int) -> VGG16:
    """VGG16 with dilation in conv5 instead of strides at pool4 and pool5; fc6 and fc7 have 16 · width channels."""
    pools = [nn.MaxPool2d(3, stride, padding=1) for stride in (2, 2, 2, 1)]
    last = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), nn.AvgPool2d(3, 1, padding=1))
    return VGG16([*pools, last], fc6(8 * width, 16 * width, rate), last_dilation=2, width=width)


def mlp(first: nn.Conv2d) -> nn.Sequential:
    """A convolution and a 1×1 convolution, each with ReLU and dropout: fc6 and fc7, and the layers of Section 4.3."""
    layers: list[nn.Module] = []
    for conv in (first, nn.Conv2d(first.out_channels, first.out_channels, 1)):
        layers += [conv, nn.ReLU(inplace=True), nn.Dropout(0.5)]
    return nn.Sequential(*layers)


class DeepLabV1(SemanticModel):
    """DeepLab v1, LargeFOV: VGG16 with atrous convolution, scores at stride 8.

    Args:
        num_classes: background included.
        backbone: None is the paper's VGG16; a name is timm's network at output stride 8, with fc6 and fc7 after it.
        multiscale: classify features of the image and of the first four maps too (MSc).
        width: channels of VGG16's first convolution; fc6 and fc7 have 16 times as many, multi-scale layers twice.
        rate: dilation of fc6, which sets the field of view (12 in LargeFOV).
    """

    def __init__(
        self, num_classes: int, backbone: str | None = None, multiscale: bool = False, width: int = 64, rate: int = 12
    ) -> None:
        super().__init__(num_classes)
        if width < 1:
            raise ValueError(f"width is {width}: it is a number of channels, 1 or more")
        if rate < 1:
            raise ValueError(f"rate is {rate}: it is the dilation of fc6, 1 or more")
        self.backbone: VGG16 | Backbone
        self.field: nn.Module
        strides: tuple[int, ...]
        if backbone is None:
            self.backbone = large_fov(width, rate)
            strides, self.multiple = (2, 4, 8, 8), 1
            self.field = nn.Identity()  # VGG16 has fc6 and fc7 itself
        else:
            self.backbone = Backbone(backbone, output_stride=OUTPUT_STRIDE)
            strides, self.multiple = self.backbone.strides[:4], self.backbone.multiple
            self.field = mlp(fc6(self.backbone.channels[-1], 16 * width, rate))
        self.normalize = self.backbone.normalize()
        self.mlps = nn.ModuleList()
        if multiscale:
            # The image is the first input, then the maps; not strict, as the channels list deeper maps too.
            for channels, stride in zip((3, *self.backbone.channels), (1, *strides), strict=False):
                self.mlps.append(mlp(nn.Conv2d(channels, 2 * width, 3, OUTPUT_STRIDE // stride, padding=1)))
        self.head = nn.Conv2d((16 + 2 * len(self.mlps)) * width, num_classes, 1)
        for layers in (self.field, self.mlps):
            init_he(layers)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> SemanticOutputs:
        """(B, 3, H, W) of any size → logits (B, C, H, W); auxiliary: the scores at stride 8, which `loss` takes."""
        height, width = images.shape[-2:]
        below, right = (1 - height) % OUTPUT_STRIDE, (1 - width) % OUTPUT_STRIDE
        x = F.pad(self.normalize(images), (0, right, 0, below))  # (B, 3, 8h − 7, 8w − 7)
        scores = self.scores(x)  # (B, C, h, w)
        logits = resize(scores, (height + below, width + right), align_corners=True)[..., :height, :width]
        # Scores at pixels of the padding have no ground truth; -(-a // b) is a / b rounded up.
        inside = scores[..., : -(-height // OUTPUT_STRIDE), : -(-width // OUTPUT_STRIDE)]
        return SemanticOutputs(logits, (inside,) if self.auxiliary_heads else ())

    def scores(self, images: Tensor) -> Tensor:
        """Class scores, (B, C, h, w), of normalised images (B, 3, 8h − 7, 8w − 7); (i, j) belongs to pixel (8i, 8j)."""
        images = pad_to(images, self.multiple)
        maps = self.backbone(images)
        features = [self.field(maps[-1])]  # (B, 1024, h, w)
        for layers, x in zip(self.mlps, (images, *maps), strict=False):  # none without multi-scale prediction
            features.append(layers(x))  # (B, 128, h, w)
        return self.head(torch.cat(features, 1))  # type: ignore[no-any-return]

    def loss(self, outputs: SemanticOutputs, truths: Sequence[Segmentation]) -> dict[str, Tensor]:
        """Compare the scores at stride 8 with the ground truth at their pixels."""
        (scores,) = outputs.auxiliary or (outputs.logits,)
        return super().loss(SemanticOutputs(scores), truths)

    def align_target(self, target: Tensor, size: tuple[int, int]) -> Tensor:
        """Subsample (B, H, W) by 8 to (B, *size), unless it has that size already."""
        return target if target.shape[-2:] == size else target[..., ::OUTPUT_STRIDE, ::OUTPUT_STRIDE]

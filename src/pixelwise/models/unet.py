"""U-Net: a contracting path, an expansive path, and a bridge at every level.

Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation. MICCAI 2015,
arXiv 1505.04597.

- Figure 1, Section 2: `PaperNetwork`. Figure 2 (overlap-tile): `UNet.forward` mirrors, `UNet.overlap_tile` tiles.
- Section 3, equation 2 (borders between touching cells): the loss `ce-border`.
- Section 3, first weights: `init_he`.

Two descendants that people use: `PaddedUNet` (convolutions that keep the size, batch normalisation), and
`UNet(backbone=…)` (any encoder of timm, with the decoder of segmentation_models.pytorch).

Differs from the paper, or is not stated there:
- images are RGB; with `in_channels=1` the mean of the three channels goes in, as the paper's grey ones did;
- pixels run from −1 to 1;
- the dropout rate is 0.5, after the last two levels of the contracting path;
- equation 1 is read as a cross-entropy to be minimised; the weights of equation 2 are averaged, not summed.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.backbone import Backbone
from ..layers.conv import double_conv, double_valid_conv, init_he
from ..layers.normalize import Normalize
from ..ops.pad import centre, mirror, pad_to
from ..ops.rename_table import Table, rows
from .base import SemanticModel, SemanticOutputs

MARGIN = 92
"""Valid convolutions lose this many pixels on each side."""

LEVELS = 5
"""From the first convolutions to the bottom: four poolings, so what a tile sees repeats every 16 pixels."""


class PaperNetwork(nn.Module):
    """Figure 1: 23 layers with weights, no padding anywhere; 572×572 in, 388×388 out."""

    def __init__(self, channels: int, num_classes: int, width: int) -> None:
        super().__init__()
        widths = [width << level for level in range(LEVELS)]  # 64, 128, 256, 512, 1024
        self.contracting = nn.ModuleList(double_valid_conv(a, b) for a, b in pairwise([channels, *widths]))
        self.dropout = nn.Dropout(0.5)
        self.up_convs = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:-1]))
        self.expansive = nn.ModuleList(double_valid_conv(2 * w, w) for w in reversed(widths[:-1]))
        self.head = nn.Conv2d(width, num_classes, 1)
        init_he(self)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, 16b + 124, …) → logits (B, C, 16b − 60, …), b ≥ 5 the size at the bottom."""
        skips: list[Tensor] = []
        for level, block in enumerate(self.contracting):
            x = block(F.max_pool2d(x, 2) if level else x)  # (B, width·2^level, h, w)
            x = self.dropout(x) if level >= LEVELS - 2 else x
            skips.append(x)
        for up_conv, block, skip in zip(self.up_convs, self.expansive, skips[-2::-1], strict=True):
            x = up_conv(x)  # (B, half as many, 2h, 2w)
            x = block(torch.cat([centre(skip, (x.shape[-2], x.shape[-1])), x], 1))  # (B, same, 2h − 4, 2w − 4)
        return self.head(x)  # type: ignore[no-any-return]


class BackboneNetwork(nn.Module):
    """An encoder of timm; a decoder that resizes to each finer map, concatenates it and convolves twice."""

    def __init__(self, backbone: str, num_classes: int, width: int) -> None:
        super().__init__()
        self.backbone = Backbone(backbone)
        last = {stride: k for k, stride in enumerate(self.backbone.strides) if stride > 1}  # the last of equal ones
        deepest = max(last)
        self.steps = sorted((s for s in {1, 2, 4, 8, 16, *last} if s < deepest), reverse=True)
        self.skips = [last.get(stride) for stride in self.steps]
        self.deepest = last[deepest]
        channels = self.backbone.channels[self.deepest]
        self.decoder = nn.ModuleList()
        for number, skip in enumerate(self.skips):
            wide = max(4, width * 4 >> number)  # 256, 128, 64, 32, 16
            self.decoder.append(double_conv(channels + (self.backbone.channels[skip] if skip is not None else 0), wide))
            channels = wide
        self.head = nn.Conv2d(channels, num_classes, 3, padding=1)
        init_he(self.decoder)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), sides multiples of `backbone.multiple` → logits (B, C, H, W)."""
        maps = self.backbone(images)
        x = maps[self.deepest]
        for block, stride, skip in zip(self.decoder, self.steps, self.skips, strict=True):
            if skip is not None:
                finer = maps[skip]
                x = block(torch.cat([F.interpolate(x, finer.shape[-2:], mode="nearest"), finer], 1))
            else:
                size = [max(1, side // stride) for side in images.shape[-2:]]
                x = block(F.interpolate(x, size, mode="nearest"))
        return self.head(x)  # type: ignore[no-any-return]


class UNet(SemanticModel):
    """The U-Net of the paper, or with the encoder that `backbone` names.

    Args:
        num_classes: background included.
        backbone: a network of timm; the paper's own contracting path when not given.
        in_channels: of the paper's network: 3, or 1 for the mean of red, green and blue.
        width: channels of the first level (64 in the paper), of the decoder's third block with a backbone.
    """

    def __init__(
        self,
        num_classes: int,
        backbone: str | None = None,
        in_channels: int = 3,
        width: int = 64,
    ) -> None:
        super().__init__(num_classes)
        if in_channels not in ((1, 3) if backbone is None else (3,)):
            raise ValueError(f"in_channels is {in_channels}: 3, or 1 for grey in the paper's own network")
        if width < 4:
            raise ValueError(f"width is {width}: it is a number of channels, 4 or more")
        self.in_channels = in_channels
        self.network: PaperNetwork | BackboneNetwork
        if backbone is None:
            self.normalize = Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
            self.network = PaperNetwork(in_channels, num_classes, width)
        else:
            self.network = BackboneNetwork(backbone, num_classes, width)
            self.normalize = self.network.backbone.normalize()
            self.stride = max(self.network.backbone.strides)

    def forward(self, images: Tensor) -> SemanticOutputs:
        """(B, 3, H, W) of any size → logits (B, C, H, W); the paper's network sees mirror images around it."""
        height, width = images.shape[-2:]
        if isinstance(self.network, BackboneNetwork):
            logits = self.network(pad_to(self.normalize(images), self.network.backbone.multiple))
        else:
            logits = self.valid(self._mirrored(images)).logits
        return SemanticOutputs(logits[..., :height, :width])

    def valid(self, images: Tensor) -> SemanticOutputs:
        """The paper's network without mirrors: (B, 3, H, W) → logits (B, C, H − 184, W − 184).

        Sides are 16·b + 124 for a whole b of 5 or more, as 572 is (b = 28). `loss` cuts the ground truths to the
        middle.
        """
        if not isinstance(self.network, PaperNetwork):
            raise TypeError("valid is for the paper's own network; with a backbone the convolutions are padded")
        height, width = images.shape[-2:]
        if min(height, width) < 204 or (height - 204) % 16 or (width - 204) % 16:
            raise ValueError(f"images of {width}x{height}: sides must be 204 plus a multiple of 16, as 572 is")
        x = self.normalize(images)
        return SemanticOutputs(self.network(x if self.in_channels == 3 else x.mean(1, keepdim=True)))

    def overlap_tile(self, images: Tensor, size: int = 388) -> SemanticOutputs:
        """What `forward` gives in `eval()`, tile by tile (Figure 2): memory for one tile of `size` + 184 pixels a side.

        Tiles start at multiples of 16 pixels, where the poolings of all tiles fall on the same pixels, so neighbours
        share four rows.
        """
        if size < 20 or (size - 20) % 16:
            raise ValueError(f"size is {size}: a tile of 20 plus a multiple of 16 pixels, as 388 is")
        mirrored = self._mirrored(images)
        height, width = (side - 2 * MARGIN for side in mirrored.shape[-2:])
        logits = images.new_empty(len(images), len(self.classes), height, width)
        for top in range(0, height - 4, size - 4):
            for left in range(0, width - 4, size - 4):
                tile = mirrored[..., top : top + size + 2 * MARGIN, left : left + size + 2 * MARGIN]
                found = self.valid(tile).logits
                logits[..., top : top + found.shape[-2], left : left + found.shape[-1]] = found
        return SemanticOutputs(logits[..., : images.shape[-2], : images.shape[-1]])

    def _mirrored(self, images: Tensor) -> Tensor:
        """The image with its mirror images around it: the margin, and what is missing to a legal size."""
        height, width = (20 + 16 * -(-max(side - 20, 0) // 16) + 2 * MARGIN for side in images.shape[-2:])
        return mirror(images, MARGIN, (height, width))


class Up(nn.Module):
    """×2, zeros where the skip is larger by a pixel, the skip first in the concatenation, two convolutions."""

    def __init__(self, channels: int, skip: int, width: int, bilinear: bool) -> None:
        super().__init__()
        self.up: nn.Module
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.conv = double_conv(channels + skip, width, (channels + skip) // 2)
        else:
            self.up = nn.ConvTranspose2d(channels, channels // 2, 2, stride=2)
            self.conv = double_conv(channels // 2 + skip, width)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(B, D, h, w) and the skip (B, E, H, W) → (B, width, H, W)."""
        x = self.up(x)  # (B, D or D / 2, 2h, 2w)
        down, right = skip.shape[-2] - x.shape[-2], skip.shape[-1] - x.shape[-1]
        if down or right:
            x = F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        return self.conv(torch.cat([skip, x], 1))  # type: ignore[no-any-return]


class PaddedUNet(SemanticModel):
    """The U-Net that most people mean today: padded convolutions and batch normalisation, output as large as the input.

    Args:
        num_classes: background included.
        bilinear: enlarge by interpolation (corners aligned) rather than by transposed convolutions.
        width: channels of the first level.
    """

    stride = 16

    def __init__(self, num_classes: int, bilinear: bool = False, width: int = 64) -> None:
        super().__init__(num_classes)
        if width < 2:
            raise ValueError(f"width is {width}: it is a number of channels, 2 or more")
        widths = [width << level for level in range(LEVELS)]
        if bilinear:
            widths[-1] //= 2
        self.down = nn.ModuleList(double_conv(a, b) for a, b in pairwise([3, *widths]))
        skips = widths[-2::-1]
        outs = [max(width, skip // 2) if bilinear else skip for skip in skips]
        self.up = nn.ModuleList(
            Up(channels, skip, out, bilinear)
            for channels, skip, out in zip([widths[-1], *outs[:-1]], skips, outs, strict=True)
        )
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, images: Tensor) -> SemanticOutputs:
        """(B, 3, H, W) of any size → logits (B, C, H, W); sides below 16 pixels are filled up with zeros."""
        height, width = images.shape[-2:]
        x = F.pad(self.normalize(images), (0, max(0, self.stride - width), 0, max(0, self.stride - height)))
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if level else x)  # (B, width·2^level, h, w)
            skips.append(x)
        for up, skip in zip(self.up, skips[-2::-1], strict=True):
            x = up(x, skip)  # (B, half as many, 2h, 2w)
        return SemanticOutputs(self.head(x)[..., :height, :width])


_DOUBLE_CONV = {"0.": "0.0.", "1.": "0.1.", "3.": "1.0.", "4.": "1.1."}
"""Their flat sequence of convolution, normalisation and ReLU, twice; ours has a sequence for each of the two."""

_UP = {1: 0, 2: 1, 3: 2, 4: 3}

MILESIAL = Table(
    architecture="unet_padded",
    made_by=(
        "pixelwise.create('unet_padded', num_classes=…), with bilinear=True where there is no up1.up.weight; "
        "num_classes is the length of outc.conv.bias"
    ),
    prefixes={
        **rows("inc.double_conv.{part}", "down.0.{part}", part=_DOUBLE_CONV),
        **rows("down{n}.maxpool_conv.1.double_conv.{part}", "down.{n}.{part}", n=(1, 2, 3, 4), part=_DOUBLE_CONV),
        **rows("up{n}.up.", "up.{n}.up.", n=_UP),
        **rows("up{n}.conv.double_conv.{part}", "up.{n}.conv.{part}", n=_UP, part=_DOUBLE_CONV),
        "outc.conv.": "head.",
    },
    dropped={"mask_values": "the grey values of their masks, not a weight"},
)
"""Pytorch-UNet by milesial: padded, batch normalisation, transposed convolutions or bilinear."""

SMP = Table(
    architecture="unet",
    made_by=(
        "pixelwise.create('unet', backbone=…, num_classes=…) of the same encoder: resnet18 to resnet152, the resnext "
        "and wide_resnet kinds of torchvision, and every 'tu-…' (give its name in timm); smp's own mobilenet_v2, vgg, "
        "efficientnet and other encoders differ from timm's, as do attention and decoder_channels of one's own"
    ),
    prefixes={
        "encoder.": "network.backbone.net.",
        "encoder.model.": "network.backbone.net.",
        **rows(
            "decoder.blocks.{n}.{conv}.{part}.",
            "network.decoder.{n}.{conv}.{part}.",
            n=range(6),  # as many as the deepest encoder needs
            conv={"conv1": "0", "conv2": "1"},
            part=(0, 1),
        ),
        "segmentation_head.0.": "network.head.",
    },
    dropped={"encoder.fc.": "the classifier of the encoder", "encoder.model.fc.": "the classifier of the encoder"},
)
"""segmentation_models_pytorch's Unet with its default decoder."""

"""U-Net: a contracting path, an expansive path, and a bridge at every level.

Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation. MICCAI 2015,
arXiv 1505.04597.

- Section 2, figure 1: `PaperNetwork`.
- Section 2, figure 2 (overlap-tile): `UNet.forward` extrapolates the image by mirroring; `UNet.valid` is a single tile.
- Section 3, equation 2 (borders between touching cells): the loss `ce-border`.
- Section 3, initial weights: `init_he`.

Two descendants are in wide use: `PaddedUNet` (padded convolutions, batch normalisation), and `UNet(backbone=…)` (any
encoder of timm, with the decoder of segmentation_models.pytorch).

Differs from the paper, or is not stated there:
- images are RGB; with `in_channels=1` the mean of the three channels is the input, like the paper's grey images;
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


class PaperNetwork(nn.Module):
    """Figure 1: 23 layers with weights, no padding anywhere; 572×572 in, 388×388 out.

    Args:
        channels: of the input.
        num_classes: background included.
        width: channels of the first level.
        levels: resolutions, from that of the input down to the bottom.

    Attributes:
        step: pixels of the input to one at the bottom; sides of inputs differ by multiples of it.
        margin: pixels that the unpadded convolutions lose on each side.
        smallest: side of the smallest output, pixels.
    """

    def __init__(self, channels: int, num_classes: int, width: int, levels: int) -> None:
        super().__init__()
        widths = [width << level for level in range(levels)]  # 64, 128, 256, 512, 1024
        self.contracting = nn.ModuleList(double_valid_conv(a, b) for a, b in pairwise([channels, *widths]))
        self.dropout = nn.Dropout(0.5)
        self.up_convs = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:-1]))
        self.expansive = nn.ModuleList(double_valid_conv(2 * w, w) for w in reversed(widths[:-1]))
        self.head = nn.Conv2d(width, num_classes, 1)
        self.step = 1 << (levels - 1)
        # Two convolutions lose 2 pixels a side, of their level's size: 2·(1 + 2 + … + 2^(levels − 1)) on the way down,
        # and the same without the bottom's on the way up.
        self.margin = 3 * (1 << levels) - 4
        self.smallest = self.step + 4
        init_he(self)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, H, W) → logits (B, C, H − 2·margin, W − 2·margin); sides as `UNet.valid` takes them."""
        skips: list[Tensor] = []
        for level, block in enumerate(self.contracting):
            x = block(F.max_pool2d(x, 2) if level else x)  # (B, width·2^level, h, w)
            x = self.dropout(x) if level >= len(self.contracting) - 2 else x
            skips.append(x)
        for up_conv, block, skip in zip(self.up_convs, self.expansive, skips[-2::-1], strict=True):
            x = up_conv(x)  # (B, half as many, 2h, 2w)
            x = block(torch.cat([centre(skip, (x.shape[-2], x.shape[-1])), x], 1))  # (B, same, 2h − 4, 2w − 4)
        return self.head(x)  # type: ignore[no-any-return]


class BackboneNetwork(nn.Module):
    """An encoder of timm, and a decoder that upsamples to each finer map, concatenates it and convolves twice.

    Args:
        backbone: a network of timm.
        num_classes: background included.
        width: channels of the third block of the decoder.
    """

    def __init__(self, backbone: str, num_classes: int, width: int) -> None:
        super().__init__()
        self.backbone = Backbone(backbone)
        # Of several maps of one stride the last is taken; like smp, none of the resolution of the image itself.
        last = {stride: k for k, stride in enumerate(self.backbone.strides) if stride > 1}
        deepest = max(last)
        # The decoder doubles the size from block to block, also where the encoder has no map of that stride.
        strides = [stride for stride in {1, 2, 4, 8, 16, *last} if stride < deepest]
        self.decoder_strides = sorted(strides, reverse=True)
        self.skips = [last.get(stride) for stride in self.decoder_strides]
        self.deepest = last[deepest]
        channels = self.backbone.channels[self.deepest]
        self.decoder = nn.ModuleList()
        for number, skip in enumerate(self.skips):
            skip_channels = 0 if skip is None else self.backbone.channels[skip]
            out_channels = max(4, width * 4 >> number)  # 256, 128, 64, 32, 16
            self.decoder.append(double_conv(channels + skip_channels, out_channels))
            channels = out_channels
        self.head = nn.Conv2d(channels, num_classes, 3, padding=1)
        init_he(self.decoder)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), sides multiples of `backbone.multiple` → logits (B, C, H, W)."""
        maps = self.backbone(images)
        x = maps[self.deepest]
        for block, stride, skip in zip(self.decoder, self.decoder_strides, self.skips, strict=True):
            if skip is not None:
                finer = maps[skip]
                x = block(torch.cat([F.interpolate(x, finer.shape[-2:], mode="nearest"), finer], 1))
            else:
                size = [max(1, side // stride) for side in images.shape[-2:]]
                x = block(F.interpolate(x, size, mode="nearest"))
        return self.head(x)  # type: ignore[no-any-return]


class UNet(SemanticModel):
    """U-Net: the network of the paper, or with an encoder of timm.

    Args:
        num_classes: background included.
        backbone: a network of timm; the paper's own contracting path when not given.
        in_channels: input channels of the paper's network: 3, or 1 for the mean of red, green and blue.
        width: channels of the first level (64 in the paper); with a backbone, of the decoder's third block.
        levels: resolutions of the paper's network, 5 in the paper; with a backbone its strides decide.
    """

    def __init__(
        self,
        num_classes: int,
        backbone: str | None = None,
        in_channels: int = 3,
        width: int = 64,
        levels: int = 5,
    ) -> None:
        super().__init__(num_classes)
        if in_channels not in ((1, 3) if backbone is None else (3,)):
            raise ValueError(f"in_channels is {in_channels}: 3, or 1 for grey in the paper's own network")
        if levels < 2 or (backbone is not None and levels != 5):
            raise ValueError(f"levels is {levels}: 2 or more in the paper's own network; leave it out with a backbone")
        if width < 4:
            raise ValueError(f"width is {width}: it is a number of channels, 4 or more")
        self.in_channels = in_channels
        self.network: PaperNetwork | BackboneNetwork
        if backbone is None:
            self.normalize = Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
            self.network = PaperNetwork(in_channels, num_classes, width, levels)
        else:
            self.network = BackboneNetwork(backbone, num_classes, width)
            self.normalize = self.network.backbone.normalize()
            self.stride = max(self.network.backbone.strides)

    def forward(self, images: Tensor) -> SemanticOutputs:
        """(B, 3, H, W) of any size → logits (B, C, H, W); the paper's network gets images mirrored at their borders."""
        height, width = images.shape[-2:]
        if isinstance(self.network, BackboneNetwork):
            logits = self.network(pad_to(self.normalize(images), self.network.backbone.multiple))
        else:
            logits = self.valid(_with_mirrored_margin(images, self.network)).logits
        return SemanticOutputs(logits[..., :height, :width])

    def valid(self, images: Tensor) -> SemanticOutputs:
        """Run the paper's network without mirroring: (B, 3, H, W) → logits (B, C, H − 184, W − 184).

        `loss` crops the centre of the ground truths. Figure 2's overlap-tile strategy is this function on overlapping
        tiles of the mirrored image.

        Raises:
            TypeError: the model has a backbone.
            ValueError: a side is not 204 plus a multiple of 16 pixels, as 572 is; other `levels` have other numbers.
        """
        if not isinstance(self.network, PaperNetwork):
            raise TypeError("valid is for the paper's own network; with a backbone the convolutions are padded")
        smallest, step = self.network.smallest + 2 * self.network.margin, self.network.step
        for side in images.shape[-2:]:
            if side < smallest or (side - smallest) % step:
                raise ValueError(
                    f"images of {images.shape[-1]}x{images.shape[-2]}: sides must be {smallest} plus a multiple of "
                    f"{step}"
                )
        x = self.normalize(images)
        return SemanticOutputs(self.network(x if self.in_channels == 3 else x.mean(1, keepdim=True)))


def _with_mirrored_margin(images: Tensor, network: PaperNetwork) -> Tensor:
    """Extrapolate images by mirroring: the margin that the network loses, and what is missing to a valid size."""
    sides = []
    for side in images.shape[-2:]:
        steps = -(-max(side - network.smallest, 0) // network.step)  # rounded up
        sides.append(network.smallest + steps * network.step + 2 * network.margin)
    return mirror(images, network.margin, (sides[0], sides[1]))


class Up(nn.Module):
    """Upsample by 2, zero-pad where the skip is larger by a pixel, concatenate after the skip, convolve twice."""

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
    """U-Net as most people know it: padded convolutions, batch normalisation, output as large as the input.

    Args:
        num_classes: background included.
        bilinear: upsample by bilinear interpolation (corners aligned) rather than by transposed convolutions.
        width: channels of the first level.
        levels: resolutions, from that of the image down to the bottom.
    """

    def __init__(self, num_classes: int, bilinear: bool = False, width: int = 64, levels: int = 5) -> None:
        super().__init__(num_classes)
        if width < 2:
            raise ValueError(f"width is {width}: it is a number of channels, 2 or more")
        if levels < 2:
            raise ValueError(f"levels is {levels}: it is a number of resolutions, 2 or more")
        self.stride = 1 << (levels - 1)
        widths = [width << level for level in range(levels)]
        if bilinear:
            widths[-1] //= 2
        self.down = nn.ModuleList(double_conv(a, b) for a, b in pairwise([3, *widths]))
        self.up = nn.ModuleList()
        channels = widths[-1]
        for skip in reversed(widths[:-1]):
            # Interpolation keeps the channels, so that a block halves them for the next one, but for the last block.
            out = max(width, skip // 2) if bilinear else skip
            self.up.append(Up(channels, skip, out, bilinear))
            channels = out
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, images: Tensor) -> SemanticOutputs:
        """(B, 3, H, W) of any size → logits (B, C, H, W); sides below `stride` are padded with zeros."""
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
"""The names in milesial's Pytorch-UNet, with transposed convolutions or bilinear."""

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
"""The names in segmentation_models_pytorch's Unet with its default decoder."""

"""What other libraries call the tensors of a U-Net."""

from __future__ import annotations

from .table import Table

_DOUBLE = {"0.": "0.0.", "1.": "0.1.", "3.": "1.0.", "4.": "1.1."}  # conv, norm, (ReLU), conv, norm

MILESIAL = Table(
    architecture="unet_padded",
    made_by=(
        "pixelwise.create('unet_padded', num_classes=…), with bilinear=True where there is no up1.up.weight; "
        "num_classes is the length of outc.conv.bias"
    ),
    prefixes={
        **{f"inc.double_conv.{a}": f"down.0.{b}" for a, b in _DOUBLE.items()},
        **{f"down{n}.maxpool_conv.1.double_conv.{a}": f"down.{n}.{b}" for n in range(1, 5) for a, b in _DOUBLE.items()},
        **{f"up{n}.up.": f"up.{n - 1}.up." for n in range(1, 5)},
        **{f"up{n}.conv.double_conv.{a}": f"up.{n - 1}.conv.{b}" for n in range(1, 5) for a, b in _DOUBLE.items()},
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
        **{
            f"decoder.blocks.{n}.conv{k}.{part}.": f"network.decoder.{n}.{k - 1}.{part}."
            for n in range(6)
            for k in (1, 2)
            for part in (0, 1)
        },
        "segmentation_head.0.": "network.head.",
    },
    dropped={"encoder.fc.": "the classifier of the encoder", "encoder.model.fc.": "the classifier of the encoder"},
)
"""segmentation_models_pytorch's Unet with its default decoder."""

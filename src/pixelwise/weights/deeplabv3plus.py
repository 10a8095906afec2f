"""What other libraries call the tensors of a DeepLab v3+."""

from __future__ import annotations

from .deeplabv3 import PYRAMID, SMP_BACKBONE, SMP_ENCODERS, VAINF_BACKBONE
from .table import Table

VAINF = Table(
    architecture="deeplabv3plus",
    made_by=(
        "pixelwise.create('deeplabv3plus', variant='vainf', backbone='resnet50', 'resnet101' or 'mobilenetv2_100', "
        "output_stride=16 or 8, num_classes=…)"
    ),
    prefixes={
        **VAINF_BACKBONE,
        "classifier.project.": "decoder.reduce.",
        **{f"classifier.aspp.{theirs}": ours for theirs, ours in PYRAMID.items()},
        "classifier.classifier.": "decoder.fuse.0.",
        "classifier.classifier.3.": "head.",
    },
    dropped={},
    demands={"variant": "vainf"},
)
"""DeepLabV3Plus-Pytorch by VainF: deeplabv3plus_resnet50, deeplabv3plus_resnet101 and deeplabv3plus_mobilenet."""

SMP = Table(
    architecture="deeplabv3plus",
    made_by=(
        "pixelwise.create('deeplabv3plus', variant='smp', backbone=…, output_stride=16 or 8, num_classes=…) "
        f"{SMP_ENCODERS}"
    ),
    prefixes={
        **SMP_BACKBONE,
        **{f"decoder.aspp.0.{theirs}": ours for theirs, ours in PYRAMID.items()},
        "decoder.aspp.1.": "after.0.",
        "decoder.aspp.2.": "after.1.",
        "decoder.block1.": "decoder.reduce.",
        "decoder.block2.": "decoder.fuse.0.",
        "segmentation_head.0.": "head.",
    },
    dropped={"encoder.fc.": "the classifier of the encoder"},
    demands={"variant": "smp"},
)
"""segmentation_models_pytorch's DeepLabV3Plus with its default decoder."""

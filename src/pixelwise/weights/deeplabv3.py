"""What other libraries call the tensors of a DeepLab v3."""

from __future__ import annotations

from .table import Table

PYRAMID = {
    "convs.": "pyramid.branches.",
    "convs.4.1.": "pyramid.branches.4.conv.",
    "convs.4.2.": "pyramid.branches.4.norm.",
    "project.": "pyramid.project.",
}
"""The pyramid, whose parts torchvision, VainF and smp call alike."""

_CLASSIFIER = {
    **{f"0.{theirs}": ours for theirs, ours in PYRAMID.items()},
    "1.": "last.0.",
    "2.": "last.1.",
    "4.": "head.",
}

TORCHVISION = Table(
    architecture="deeplabv3",
    made_by=(
        "pixelwise.create('deeplabv3', variant='torchvision', backbone='resnet50' or 'resnet101', num_classes=…), or "
        "with backbone='mobilenet_v3_large', output_stride=16; with auxiliary=True where there is an aux_classifier"
    ),
    prefixes={
        "backbone.": "backbone.net.",
        **{f"classifier.{theirs}": ours for theirs, ours in _CLASSIFIER.items()},
        "aux_classifier.0.": "auxiliary.conv.0.",
        "aux_classifier.1.": "auxiliary.conv.1.",
        "aux_classifier.4.": "auxiliary.head.",
    },
    dropped={},
    demands={"variant": "torchvision"},
)
"""torchvision's deeplabv3_resnet50, deeplabv3_resnet101 and deeplabv3_mobilenet_v3_large."""

_REPEATS = (1, 2, 3, 4, 3, 3, 1)
_PLACES = [f"{stage}.{block}" for stage, repeats in enumerate(_REPEATS) for block in range(repeats)]
_FIRST = {"0.0.": "conv_dw.", "0.1.": "bn1.", "1.": "conv_pw.", "2.": "bn2."}
_INVERTED = {"0.0.": "conv_pw.", "0.1.": "bn1.", "1.0.": "conv_dw.", "1.1.": "bn2.", "2.": "conv_pwl.", "3.": "bn3."}

VAINF_BACKBONE = {
    "backbone.": "backbone.net.",
    "backbone.low_level_features.0.0.": "backbone.net.conv_stem.",
    "backbone.low_level_features.0.1.": "backbone.net.bn1.",
    **{
        f"backbone.{'low' if number < 4 else 'high'}_level_features.{number}.conv.{theirs}": (
            f"backbone.net.blocks.{place}.{ours}"
        )
        for number, place in enumerate(_PLACES, 1)
        for theirs, ours in (_FIRST if number == 1 else _INVERTED).items()
    },
}
"""VainF's ResNets, as torchvision's; and its MobileNet v2, whose blocks are numbered through."""

VAINF = Table(
    architecture="deeplabv3",
    made_by=(
        "pixelwise.create('deeplabv3', variant='vainf', backbone='resnet50', 'resnet101' or 'mobilenetv2_100', "
        "output_stride=16 or 8, num_classes=…)"
    ),
    prefixes={
        **VAINF_BACKBONE,
        **{f"classifier.classifier.{theirs}": ours for theirs, ours in _CLASSIFIER.items()},
    },
    dropped={},
    demands={"variant": "vainf"},
)
"""DeepLabV3Plus-Pytorch by VainF, its deeplabv3_resnet50, deeplabv3_resnet101 and deeplabv3_mobilenet."""

SMP_ENCODERS = (
    "of the same encoder: resnet18 to resnet152, the resnext and wide_resnet kinds of torchvision, and every 'tu-…' "
    "that is no ResNet (give its name in timm); smp dilates a 'tu-resnet…' otherwise, and its other encoders differ"
)
SMP_BACKBONE = {
    "encoder.": "backbone.net.",
    "encoder.model.": "backbone.net.",
    "encoder.model.layer": "a ResNet of timm ",  # no place: it would give other outputs
}

SMP = Table(
    architecture="deeplabv3",
    made_by=(
        f"pixelwise.create('deeplabv3', variant='smp', backbone=…, output_stride=8 or 16, num_classes=…) {SMP_ENCODERS}"
    ),
    prefixes={
        **SMP_BACKBONE,
        **{f"decoder.aspp.{theirs}": ours for theirs, ours in PYRAMID.items()},
        **{f"decoder.0.{theirs}": ours for theirs, ours in PYRAMID.items()},  # older files
        "decoder.conv.": "last.0.",
        "decoder.1.": "last.0.",
        "decoder.bn.": "last.1.",
        "decoder.2.": "last.1.",
        "segmentation_head.0.": "head.",
    },
    dropped={"encoder.fc.": "the classifier of the encoder"},
    demands={"variant": "smp"},
)
"""segmentation_models_pytorch's DeepLabV3 with its default decoder."""

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

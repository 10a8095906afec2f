"""What other libraries call the tensors of a PSPNet."""

from __future__ import annotations

from .table import Table

SEMSEG = Table(
    architecture="pspnet",
    made_by=(
        "pixelwise.create('pspnet', backbone='resnet50s', num_classes=…), or 'resnet101s', 'resnet152s'; num_classes "
        "is the length of cls.4.bias"
    ),
    prefixes={
        **{f"layer0.{n}.": f"backbone.net.conv1.{n}." for n in (0, 1, 3, 4, 6)},
        "layer0.7.": "backbone.net.bn1.",
        **{f"layer{n}.": f"backbone.net.layer{n}." for n in (1, 2, 3, 4)},
        "ppm.features.": "pyramid.branches.",
        **{f"cls.{n}.": f"classifier.mix.{n}." for n in (0, 1)},
        "cls.4.": "classifier.head.",
        **{f"aux.{n}.": f"auxiliary.mix.{n}." for n in (0, 1)},
        "aux.4.": "auxiliary.head.",
    },
    dropped={},
    demands={"variant": "paper", "output_stride": 8},
)
"""hszhao/semseg, by the authors."""

SMP = Table(
    architecture="pspnet",
    made_by=(
        "pixelwise.create('pspnet', variant='smp', backbone=…, num_classes=…) of the same encoder (ResNets, or any "
        "'tu-…' by its name in timm), with smp's default encoder_depth of 3"
    ),
    prefixes={
        "encoder.": "backbone.net.",
        "encoder.model.": "backbone.net.",
        **{f"decoder.psp.blocks.{n}.pool.1.{k}.": f"pyramid.branches.{n}.{k + 1}." for n in range(4) for k in (0, 1)},
        "decoder.conv.": "classifier.mix.",
        "segmentation_head.0.": "classifier.head.",
    },
    dropped={
        f"encoder.{part}.": "a stage of the encoder that this network does not use" for part in ("layer3", "layer4")
    },
    demands={"variant": "smp"},
)
"""segmentation_models_pytorch's PSPNet."""

"""What YOLACT's authors call its tensors."""

from __future__ import annotations

from ...ops.rename_table import Table

_DARKNET = {
    "backbone._preconv.0.": "backbone.net.stem_conv1.conv.",
    "backbone._preconv.1.": "backbone.net.stem_conv1.bn.",
    **{f"backbone.layers.{s}.0.0.": f"backbone.net.stages_{s}.conv_down.conv." for s in range(5)},
    **{f"backbone.layers.{s}.0.1.": f"backbone.net.stages_{s}.conv_down.bn." for s in range(5)},
    **{
        f"backbone.layers.{s}.{block + 1}.conv{k}.{n}.": f"backbone.net.stages_{s}.blocks.{block}.conv{k}.{part}."
        for s, blocks in enumerate((1, 2, 8, 8, 4))
        for block in range(blocks)
        for k in (1, 2)
        for n, part in enumerate(("conv", "bn"))
    },
}

YOLACT = Table(
    architecture="yolact",
    made_by=(
        "pixelwise.create('yolact', variant='authors', backbone='resnet101', 'resnet50' or 'darknet53', size=550, 400 "
        "or 700, num_classes=81); not those of YOLACT++, nor mmdetection's, whose designs differ"
    ),
    prefixes={
        "backbone.": "backbone.net.",
        **{f"backbone.layers.{n}.": f"backbone.net.layer{n + 1}." for n in range(4)},
        **_DARKNET,
        **{f"fpn.lat_layers.{n}.": f"fpn.lateral.{2 - n}." for n in range(3)},  # theirs begin with the deepest
        **{f"fpn.pred_layers.{n}.": f"fpn.output.{2 - n}." for n in range(3)},
        "fpn.downsample_layers.": "fpn.strided.",
        **{f"proto_net.{theirs}.": f"protonet.{ours}." for theirs, ours in ((0, 0), (2, 2), (4, 4), (8, 7), (10, 9))},
        "prediction_layers.0.upfeature.0.": "prediction.shared.",
        "prediction_layers.0.bbox_layer.": "prediction.boxes.",
        "prediction_layers.0.conf_layer.": "prediction.head.",
        "prediction_layers.0.mask_layer.": "prediction.coefficients.",
        "semantic_seg_conv.": "semantic.head.",
    },
    dropped={
        **{f"backbone.layer{n}.": "the backbone once more, under older names" for n in range(1, 6)},
        **{f"fpn.downsample_layers.{n}.": "a level of version 1.0 that nothing reads" for n in range(2, 6)},
    },
    demands={"variant": "authors"},
)
"""dbolya/yolact: yolact_base, yolact_resnet50, yolact_darknet53, yolact_im400 and yolact_im700."""

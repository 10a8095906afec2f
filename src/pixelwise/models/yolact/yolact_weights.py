"""Names of the tensors of a YOLACT in its authors' checkpoints."""

from __future__ import annotations

from ...ops.rename_table import Table, rows

_DARKNET53_BLOCKS = (1, 2, 8, 8, 4)
"""Number of blocks of each stage."""


def _darknet() -> dict[str, str]:
    """The layers of their Darknet-53."""
    layer = {0: "conv", 1: "bn"}
    names = {
        **rows("backbone._preconv.{layer}.", "backbone.net.stem_conv1.{layer}.", layer=layer),
        **rows(
            "backbone.layers.{stage}.0.{layer}.",
            "backbone.net.stages_{stage}.conv_down.{layer}.",
            stage=range(len(_DARKNET53_BLOCKS)),
            layer=layer,
        ),
    }
    for stage, blocks in enumerate(_DARKNET53_BLOCKS):
        names |= rows(
            f"backbone.layers.{stage}.{{block}}.conv{{k}}.{{layer}}.",
            f"backbone.net.stages_{stage}.blocks.{{block}}.conv{{k}}.{{layer}}.",
            block={n + 1: n for n in range(blocks)},
            k=(1, 2),
            layer=layer,
        )
    return names


YOLACT = Table(
    architecture="yolact",
    made_by=(
        "pixelwise.create('yolact', variant='authors', backbone='resnet101', 'resnet50' or 'darknet53', size=550, 400 "
        "or 700, num_classes=81); not those of YOLACT++, nor mmdetection's, whose designs differ"
    ),
    prefixes={
        "backbone.": "backbone.net.",
        **rows("backbone.layers.{n}.", "backbone.net.layer{n}.", n={0: 1, 1: 2, 2: 3, 3: 4}),
        **_darknet(),
        **rows("fpn.lat_layers.{n}.", "fpn.lateral.{n}.", n={0: 2, 1: 1, 2: 0}),  # theirs begin with the deepest level
        **rows("fpn.pred_layers.{n}.", "fpn.output.{n}.", n={0: 2, 1: 1, 2: 0}),
        "fpn.downsample_layers.": "fpn.strided.",
        **rows("proto_net.{n}.", "protonet.{n}.", n={0: 0, 2: 2, 4: 4, 8: 7, 10: 9}),
        "prediction_layers.0.upfeature.0.": "prediction.shared.",
        "prediction_layers.0.bbox_layer.": "prediction.boxes.",
        "prediction_layers.0.conf_layer.": "prediction.head.",
        "prediction_layers.0.mask_layer.": "prediction.coefficients.",
        "semantic_seg_conv.": "semantic.head.",
    },
    dropped={
        **rows("backbone.layer{n}.", "the backbone once more, under older names", n=range(1, 6)),
        **rows("fpn.downsample_layers.{n}.", "a level of version 1.0 that nothing reads", n=range(2, 6)),
    },
    demands={"variant": "authors"},
)
"""dbolya/yolact: yolact_base, yolact_resnet50, yolact_darknet53, yolact_im400 and yolact_im700."""

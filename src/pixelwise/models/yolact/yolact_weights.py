"""Names of the tensors of a YOLACT in its authors' checkpoints."""

from __future__ import annotations

from ...ops.rename_table import Table

_DARKNET53_BLOCKS = (1, 2, 8, 8, 4)
"""Number of blocks of each stage."""

_PROTONET_LAYERS = {0: 0, 2: 2, 4: 4, 8: 7, 10: 9}
"""Index of a convolution in their protonet → in ours."""


def _darknet() -> dict[str, str]:
    """The layers of their Darknet-53."""
    names = {
        "backbone._preconv.0.": "backbone.net.stem_conv1.conv.",
        "backbone._preconv.1.": "backbone.net.stem_conv1.bn.",
    }
    for stage, blocks in enumerate(_DARKNET53_BLOCKS):
        names[f"backbone.layers.{stage}.0.0."] = f"backbone.net.stages_{stage}.conv_down.conv."
        names[f"backbone.layers.{stage}.0.1."] = f"backbone.net.stages_{stage}.conv_down.bn."
        for block in range(blocks):
            theirs = f"backbone.layers.{stage}.{block + 1}."
            ours = f"backbone.net.stages_{stage}.blocks.{block}."
            for k in (1, 2):
                names[f"{theirs}conv{k}.0."] = f"{ours}conv{k}.conv."
                names[f"{theirs}conv{k}.1."] = f"{ours}conv{k}.bn."
    return names


def _resnet() -> dict[str, str]:
    """The stages of their ResNets."""
    return {f"backbone.layers.{n}.": f"backbone.net.layer{n + 1}." for n in range(4)}


def _pyramid() -> dict[str, str]:
    """The feature pyramid; their lists begin with the deepest level."""
    names = {"fpn.downsample_layers.": "fpn.strided."}
    for n in range(3):
        names[f"fpn.lat_layers.{n}."] = f"fpn.lateral.{2 - n}."
        names[f"fpn.pred_layers.{n}."] = f"fpn.output.{2 - n}."
    return names


def _heads() -> dict[str, str]:
    """The protonet, the prediction head and the semantic head."""
    names = {
        "prediction_layers.0.upfeature.0.": "prediction.shared.",
        "prediction_layers.0.bbox_layer.": "prediction.boxes.",
        "prediction_layers.0.conf_layer.": "prediction.head.",
        "prediction_layers.0.mask_layer.": "prediction.coefficients.",
        "semantic_seg_conv.": "semantic.head.",
    }
    for theirs, ours in _PROTONET_LAYERS.items():
        names[f"proto_net.{theirs}."] = f"protonet.{ours}."
    return names


def _dropped() -> dict[str, str]:
    """Tensors of older files that are not used."""
    reasons = {}
    for n in range(1, 6):
        reasons[f"backbone.layer{n}."] = "the backbone once more, under older names"
    for n in range(2, 6):
        reasons[f"fpn.downsample_layers.{n}."] = "a level of version 1.0 that nothing reads"
    return reasons


YOLACT = Table(
    architecture="yolact",
    made_by=(
        "pixelwise.create('yolact', variant='authors', backbone='resnet101', 'resnet50' or 'darknet53', size=550, 400 "
        "or 700, num_classes=81); not those of YOLACT++, nor mmdetection's, whose designs differ"
    ),
    prefixes={"backbone.": "backbone.net.", **_resnet(), **_darknet(), **_pyramid(), **_heads()},
    dropped=_dropped(),
    demands={"variant": "authors"},
)
"""dbolya/yolact: yolact_base, yolact_resnet50, yolact_darknet53, yolact_im400 and yolact_im700."""

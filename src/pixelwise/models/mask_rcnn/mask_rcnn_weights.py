"""What other libraries call the tensors of a Mask R-CNN."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ...ops.rename_table import Table

_PREDICTORS = {
    "roi_heads.box_predictor.cls_score.": "boxes.head.scores.",
    "roi_heads.box_predictor.bbox_pred.": "boxes.head.deltas.",
}

_FIRST = {  # the longest name counts: newer files have both numbers, older ones the first alone
    **{f"backbone.fpn.inner_blocks.{k}.{more}": f"fpn.lateral.{k}." for k in range(4) for more in ("", "0.")},
    **{f"backbone.fpn.layer_blocks.{k}.{more}": f"fpn.output.{k}." for k in range(4) for more in ("", "0.")},
    "rpn.head.conv.": "proposals.convs.0.",
    "rpn.head.conv.0.0.": "proposals.convs.0.",
    "roi_heads.box_head.fc6.": "boxes.full.0.",
    "roi_heads.box_head.fc7.": "boxes.full.1.",
    **{f"roi_heads.mask_head.{k}.0.": f"masks.convs.{k}.0." for k in range(4)},
    **{f"roi_heads.mask_head.mask_fcn{k + 1}.": f"masks.convs.{k}.0." for k in range(4)},
}

_SECOND = {
    **{f"backbone.fpn.inner_blocks.{k}.": f"fpn.lateral.{k}." for k in range(4)},
    **{f"backbone.fpn.layer_blocks.{k}.": f"fpn.output.{k}." for k in range(4)},
    **{f"rpn.head.conv.{k}.0.": f"proposals.convs.{k}." for k in range(2)},
    **{f"roi_heads.box_head.{k}.": f"boxes.convs.{k}." for k in range(4)},
    "roi_heads.box_head.5.": "boxes.full.0.",
    **{f"roi_heads.mask_head.{k}.": f"masks.convs.{k}." for k in range(4)},
}


def _torchvision(variant: str, branches: dict[str, str]) -> Table:
    return Table(
        architecture="mask_rcnn",
        made_by=(
            f"pixelwise.create('mask_rcnn', variant={variant!r}, backbone='resnet50', num_classes=…), where 91 are "
            "those of the published file; variant='torchvision_v2' is that of maskrcnn_resnet50_fpn_v2"
        ),
        prefixes={
            "backbone.body.": "backbone.net.",
            **branches,
            "rpn.head.cls_logits.": "proposals.objectness.",
            "rpn.head.bbox_pred.": "proposals.deltas.",
            **_PREDICTORS,
            "roi_heads.mask_predictor.conv5_mask.": "masks.up.",
            "roi_heads.mask_predictor.mask_fcn_logits.": "masks.head.",
        },
        dropped={},
        demands={"variant": variant, "class_agnostic": False},
    )


TORCHVISION = _torchvision("torchvision", _FIRST)
"""torchvision's maskrcnn_resnet50_fpn, with its newer and its older names."""

TORCHVISION_V2 = _torchvision("torchvision_v2", _SECOND)
"""torchvision's maskrcnn_resnet50_fpn_v2."""

_PARTS = {
    **{f"conv{k}.": f"conv{k}." for k in (1, 2, 3)},
    **{f"conv{k}.norm.": f"bn{k}." for k in (1, 2, 3)},
    "shortcut.": "downsample.0.",
    "shortcut.norm.": "downsample.1.",
}


def _background_first(rows: Tensor) -> Tensor:
    """(C, …) with the background in the last row → in the first."""
    return rows.roll(1, 0)


def _after_zeros(number: int, rows: Tensor) -> Tensor:
    """(n, …) → (number + n, …): the background has no box and no mask, so its rows are of zeros."""
    return torch.cat([rows.new_zeros(number, *rows.shape[1:]), rows])


_BLOCKS = {2: 3, 3: 8, 4: 36, 5: 3}
"""Of each stage of a ResNet-152, the deepest."""

DETECTRON2 = Table(
    architecture="mask_rcnn",
    made_by=(
        "pixelwise.create('mask_rcnn', variant='detectron2', backbone='resnet50' or 'resnet101', num_classes=…), one "
        "more than NUM_CLASSES of its configuration: 81 for COCO. A model_final_….pkl is a pickle of NumPy arrays, "
        "which is never opened here: where detectron2 is installed, build the model, load the file with its "
        "DetectionCheckpointer and torch.save(model.state_dict(), 'model.pth')"
    ),
    prefixes={
        "backbone.bottom_up.stem.conv1.": "backbone.net.conv1.",
        "backbone.bottom_up.stem.conv1.norm.": "backbone.net.bn1.",
        **{
            f"backbone.bottom_up.res{stage}.{block}.{theirs}": f"backbone.net.layer{stage - 1}.{block}.{ours}"
            for stage, blocks in _BLOCKS.items()
            for block in range(blocks)
            for theirs, ours in _PARTS.items()
        },
        **{f"backbone.fpn_lateral{k + 2}.": f"fpn.lateral.{k}." for k in range(4)},
        **{f"backbone.fpn_output{k + 2}.": f"fpn.output.{k}." for k in range(4)},
        "proposal_generator.rpn_head.conv.": "proposals.convs.0.",
        "proposal_generator.rpn_head.objectness_logits.": "proposals.objectness.",
        "proposal_generator.rpn_head.anchor_deltas.": "proposals.deltas.",
        "roi_heads.box_head.fc1.": "boxes.full.0.",
        "roi_heads.box_head.fc2.": "boxes.full.1.",
        **_PREDICTORS,
        **{f"roi_heads.mask_head.mask_fcn{k + 1}.": f"masks.convs.{k}.0." for k in range(4)},
        "roi_heads.mask_head.deconv.": "masks.up.",
        "roi_heads.mask_head.predictor.": "masks.head.",
    },
    dropped={"pixel_": "its normalisation", "proposal_generator.anchor_generator.": "its anchors"},
    demands={"variant": "detectron2", "class_agnostic": False},
    changes={
        "boxes.head.scores.": _background_first,
        "boxes.head.deltas.": partial(_after_zeros, 4),
        "masks.head.": partial(_after_zeros, 1),
    },
)
"""detectron2's Mask R-CNN of ResNets on a pyramid, as configurations mask_rcnn_R_…_FPN_… make it."""

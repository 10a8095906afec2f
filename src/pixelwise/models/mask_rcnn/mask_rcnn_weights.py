"""Names of the tensors of a Mask R-CNN in torchvision's and detectron2's checkpoints."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ...ops.rename_table import Table

_LEVELS = range(4)
_MASK_CONVS = range(4)
_BOX_CONVS = range(4)

_RESNET152_BLOCKS = {2: 3, 3: 8, 4: 36, 5: 3}
"""Number of blocks of each stage of a ResNet-152, the deepest."""

_PREDICTORS = {
    "roi_heads.box_predictor.cls_score.": "boxes.head.scores.",
    "roi_heads.box_predictor.bbox_pred.": "boxes.head.deltas.",
}


def _first_version() -> dict[str, str]:
    """The branches of torchvision's first version; the longest name counts, and older files have shorter ones."""
    names = {
        "rpn.head.conv.": "proposals.convs.0.",
        "rpn.head.conv.0.0.": "proposals.convs.0.",
        "roi_heads.box_head.fc6.": "boxes.full.0.",
        "roi_heads.box_head.fc7.": "boxes.full.1.",
    }
    for k in _LEVELS:
        for suffix in ("", "0."):
            names[f"backbone.fpn.inner_blocks.{k}.{suffix}"] = f"fpn.lateral.{k}."
            names[f"backbone.fpn.layer_blocks.{k}.{suffix}"] = f"fpn.output.{k}."
    for k in _MASK_CONVS:
        names[f"roi_heads.mask_head.{k}.0."] = f"masks.convs.{k}.0."
        names[f"roi_heads.mask_head.mask_fcn{k + 1}."] = f"masks.convs.{k}.0."
    return names


def _second_version() -> dict[str, str]:
    """The branches of torchvision's second version, with batch normalisation."""
    names = {"roi_heads.box_head.5.": "boxes.full.0."}
    for k in _LEVELS:
        names[f"backbone.fpn.inner_blocks.{k}."] = f"fpn.lateral.{k}."
        names[f"backbone.fpn.layer_blocks.{k}."] = f"fpn.output.{k}."
    for k in range(2):
        names[f"rpn.head.conv.{k}.0."] = f"proposals.convs.{k}."
    for k in _BOX_CONVS:
        names[f"roi_heads.box_head.{k}."] = f"boxes.convs.{k}."
    for k in _MASK_CONVS:
        names[f"roi_heads.mask_head.{k}."] = f"masks.convs.{k}."
    return names


def _torchvision(variant: str, branches: dict[str, str]) -> Table:
    """The table of one of torchvision's versions."""
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


TORCHVISION = _torchvision("torchvision", _first_version())
"""torchvision's maskrcnn_resnet50_fpn, with its newer and its older names."""

TORCHVISION_V2 = _torchvision("torchvision_v2", _second_version())
"""torchvision's maskrcnn_resnet50_fpn_v2."""


def _detectron2_resnet() -> dict[str, str]:
    """The blocks of detectron2's ResNets of bottlenecks."""
    names = {
        "backbone.bottom_up.stem.conv1.": "backbone.net.conv1.",
        "backbone.bottom_up.stem.conv1.norm.": "backbone.net.bn1.",
    }
    for stage, blocks in _RESNET152_BLOCKS.items():
        for block in range(blocks):
            theirs, ours = f"backbone.bottom_up.res{stage}.{block}.", f"backbone.net.layer{stage - 1}.{block}."
            names[f"{theirs}shortcut."] = f"{ours}downsample.0."
            names[f"{theirs}shortcut.norm."] = f"{ours}downsample.1."
            for k in (1, 2, 3):
                names[f"{theirs}conv{k}."] = f"{ours}conv{k}."
                names[f"{theirs}conv{k}.norm."] = f"{ours}bn{k}."
    return names


def _detectron2_branches() -> dict[str, str]:
    """The pyramid and the branches of detectron2."""
    names = {
        "proposal_generator.rpn_head.conv.": "proposals.convs.0.",
        "proposal_generator.rpn_head.objectness_logits.": "proposals.objectness.",
        "proposal_generator.rpn_head.anchor_deltas.": "proposals.deltas.",
        "roi_heads.box_head.fc1.": "boxes.full.0.",
        "roi_heads.box_head.fc2.": "boxes.full.1.",
        **_PREDICTORS,
        "roi_heads.mask_head.deconv.": "masks.up.",
        "roi_heads.mask_head.predictor.": "masks.head.",
    }
    for k in _LEVELS:
        names[f"backbone.fpn_lateral{k + 2}."] = f"fpn.lateral.{k}."
        names[f"backbone.fpn_output{k + 2}."] = f"fpn.output.{k}."
    for k in _MASK_CONVS:
        names[f"roi_heads.mask_head.mask_fcn{k + 1}."] = f"masks.convs.{k}.0."
    return names


def _background_first(rows: Tensor) -> Tensor:
    """Move the background from the last row to the first: (C, …) → (C, …)."""
    return rows.roll(1, 0)


def _after_zeros(number: int, rows: Tensor) -> Tensor:
    """Prepend rows of zeros for the background, which has no box and no mask: (n, …) → (number + n, …)."""
    return torch.cat([rows.new_zeros(number, *rows.shape[1:]), rows])


DETECTRON2 = Table(
    architecture="mask_rcnn",
    made_by=(
        "pixelwise.create('mask_rcnn', variant='detectron2', backbone='resnet50' or 'resnet101', num_classes=…), one "
        "more than NUM_CLASSES of its configuration: 81 for COCO. A model_final_….pkl is a pickle of NumPy arrays, "
        "which is never opened here: where detectron2 is installed, build the model, load the file with its "
        "DetectionCheckpointer and torch.save(model.state_dict(), 'model.pth')"
    ),
    prefixes={**_detectron2_resnet(), **_detectron2_branches()},
    dropped={"pixel_": "its normalisation", "proposal_generator.anchor_generator.": "its anchors"},
    demands={"variant": "detectron2", "class_agnostic": False},
    changes={
        "boxes.head.scores.": _background_first,
        "boxes.head.deltas.": partial(_after_zeros, 4),
        "masks.head.": partial(_after_zeros, 1),
    },
)
"""detectron2's Mask R-CNN of ResNets on a pyramid, as configurations mask_rcnn_R_…_FPN_… make it."""

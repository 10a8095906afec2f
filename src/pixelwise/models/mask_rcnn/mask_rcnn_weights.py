"""Names of the tensors of a Mask R-CNN in torchvision's and detectron2's checkpoints."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ...ops.rename_table import Table, rows

_RESNET152_BLOCKS = {2: 3, 3: 8, 4: 36, 5: 3}
"""Number of blocks of each stage of a ResNet-152, the deepest."""

_PREDICTORS = {
    "roi_heads.box_predictor.cls_score.": "boxes.head.scores.",
    "roi_heads.box_predictor.bbox_pred.": "boxes.head.deltas.",
}

# The longest name that fits counts: newer files have two numbers, older ones the first alone.
_FIRST = {
    **rows("backbone.fpn.inner_blocks.{k}.{newer}", "fpn.lateral.{k}.", k=range(4), newer=("", "0.")),
    **rows("backbone.fpn.layer_blocks.{k}.{newer}", "fpn.output.{k}.", k=range(4), newer=("", "0.")),
    **rows("rpn.head.conv.{newer}", "proposals.convs.0.", newer=("", "0.0.")),
    "roi_heads.box_head.fc6.": "boxes.full.0.",
    "roi_heads.box_head.fc7.": "boxes.full.1.",
    **rows("roi_heads.mask_head.{k}.0.", "masks.convs.{k}.0.", k=range(4)),
    **rows("roi_heads.mask_head.mask_fcn{k}.", "masks.convs.{k}.0.", k={1: 0, 2: 1, 3: 2, 4: 3}),
}

_SECOND = {
    **rows("backbone.fpn.inner_blocks.{k}.", "fpn.lateral.{k}.", k=range(4)),
    **rows("backbone.fpn.layer_blocks.{k}.", "fpn.output.{k}.", k=range(4)),
    **rows("rpn.head.conv.{k}.0.", "proposals.convs.{k}.", k=range(2)),
    **rows("roi_heads.box_head.{k}.", "boxes.convs.{k}.", k=range(4)),
    "roi_heads.box_head.5.": "boxes.full.0.",
    **rows("roi_heads.mask_head.{k}.", "masks.convs.{k}.", k=range(4)),
}


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


TORCHVISION = _torchvision("torchvision", _FIRST)
"""torchvision's maskrcnn_resnet50_fpn, with its newer and its older names."""

TORCHVISION_V2 = _torchvision("torchvision_v2", _SECOND)
"""torchvision's maskrcnn_resnet50_fpn_v2."""


def _detectron2_resnet() -> dict[str, str]:
    """The blocks of detectron2's ResNets of bottlenecks."""
    names = {
        "backbone.bottom_up.stem.conv1.": "backbone.net.conv1.",
        "backbone.bottom_up.stem.conv1.norm.": "backbone.net.bn1.",
    }
    layers = {
        **rows("conv{k}.", "conv{k}.", k=(1, 2, 3)),
        **rows("conv{k}.norm.", "bn{k}.", k=(1, 2, 3)),
        "shortcut.": "downsample.0.",
        "shortcut.norm.": "downsample.1.",
    }
    for stage, blocks in _RESNET152_BLOCKS.items():
        theirs, ours = f"backbone.bottom_up.res{stage}", f"backbone.net.layer{stage - 1}"
        names |= rows(f"{theirs}.{{block}}.{{layer}}", f"{ours}.{{block}}.{{layer}}", block=range(blocks), layer=layers)
    return names


def _background_first(values: Tensor) -> Tensor:
    """Move the background from the last row to the first: (C, …) → (C, …)."""
    return values.roll(1, 0)


def _after_zeros(number: int, values: Tensor) -> Tensor:
    """Prepend rows of zeros for the background, which has no box and no mask: (n, …) → (number + n, …)."""
    return torch.cat([values.new_zeros(number, *values.shape[1:]), values])


DETECTRON2 = Table(
    architecture="mask_rcnn",
    made_by=(
        "pixelwise.create('mask_rcnn', variant='detectron2', backbone='resnet50' or 'resnet101', num_classes=…), one "
        "more than NUM_CLASSES of its configuration: 81 for COCO. A model_final_….pkl is a pickle of NumPy arrays, "
        "which is never opened here: where detectron2 is installed, build the model, load the file with its "
        "DetectionCheckpointer and torch.save(model.state_dict(), 'model.pth')"
    ),
    prefixes={
        **_detectron2_resnet(),
        **rows("backbone.fpn_lateral{k}.", "fpn.lateral.{k}.", k={2: 0, 3: 1, 4: 2, 5: 3}),
        **rows("backbone.fpn_output{k}.", "fpn.output.{k}.", k={2: 0, 3: 1, 4: 2, 5: 3}),
        "proposal_generator.rpn_head.conv.": "proposals.convs.0.",
        "proposal_generator.rpn_head.objectness_logits.": "proposals.objectness.",
        "proposal_generator.rpn_head.anchor_deltas.": "proposals.deltas.",
        "roi_heads.box_head.fc1.": "boxes.full.0.",
        "roi_heads.box_head.fc2.": "boxes.full.1.",
        **_PREDICTORS,
        **rows("roi_heads.mask_head.mask_fcn{k}.", "masks.convs.{k}.0.", k={1: 0, 2: 1, 3: 2, 4: 3}),
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

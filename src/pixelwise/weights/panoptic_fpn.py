"""What other libraries call the tensors of a Panoptic FPN."""

from __future__ import annotations

from dataclasses import replace

from . import mask_rcnn

DETECTRON2 = replace(
    mask_rcnn.DETECTRON2,
    architecture="panoptic_fpn",
    made_by=(
        "pixelwise.create('panoptic_fpn', variant='detectron2', backbone='resnet50' or 'resnet101', classes=…), where "
        "the 133 of COCO are pixelwise.data.known_classes.known_classes('coco-panoptic'). A model_final_….pkl is a "
        "pickle of NumPy arrays, which is never opened here: where detectron2 is installed, build the model, load the "
        "file with its DetectionCheckpointer and torch.save(model.state_dict(), 'model.pth')"
    ),
    prefixes={
        **{theirs: f"instance.{ours}" for theirs, ours in mask_rcnn.DETECTRON2.prefixes.items()},
        **{
            f"sem_seg_head.p{level + 2}.{2 * k}.{theirs}": f"semantic.levels.{level}.{k}.{ours}"
            for level in range(4)
            for k in range(max(1, level))
            for theirs, ours in {"": "0.", "norm.": "1."}.items()
        },
        "sem_seg_head.predictor.": "semantic.head.",
    },
    changes={f"instance.{ours}": change for ours, change in mask_rcnn.DETECTRON2.changes.items()},
)
"""detectron2's Panoptic FPN of ResNets, as configurations panoptic_fpn_R_… make it."""

"""Records detectron2's Mask R-CNN. Run only when it changes. torchvision's is beside ours in the tests themselves.

PYTHONPATH=<a checkout of detectron2 at 02b5c4e, and its small requirements> python record_mask_rcnn.py <that checkout>

Its compiled module is not needed: RoIAlign comes from torchvision, as its own is the same.
"""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import torch
import torchvision
from filling import make_image, sixteen, state_dict
from scene import HEIGHT, WIDTH, scene

SIZES = ((200, 300), (97, 131))
SCALED = {
    "backbone.bottom_up.stem.conv1.weight": 0.02,  # pixels run to 255
    **{f"backbone.fpn_lateral{k}.weight": 0.005 for k in range(2, 6)},
    "roi_heads.box_predictor.cls_score.weight": 5.0,
}
"""A tame network: corrections of boxes that are no more than the boxes themselves."""
BIAS = [1.5, 4.2, -6.1, 5.2, 7.7, 7.1, 13.6]
"""Of the classes, so that each is found somewhere, and background behind many boxes."""


def network(folder: str) -> Any:
    """The peer, filled by the rule and then scaled."""
    stand_in = types.ModuleType("detectron2._C")
    stand_in.roi_align_forward = lambda x, rois, scale, h, w, ratio, aligned: torchvision.ops.roi_align(  # type: ignore[attr-defined]
        x, rois, (h, w), scale, ratio, aligned
    )
    sys.modules["detectron2._C"] = stand_in
    import detectron2

    detectron2._C = stand_in
    from detectron2.config import get_cfg
    from detectron2.modeling import build_model

    cfg = get_cfg()
    cfg.merge_from_file(f"{folder}/configs/COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml")
    cfg.MODEL.DEVICE, cfg.MODEL.WEIGHTS, cfg.MODEL.ROI_HEADS.NUM_CLASSES = "cpu", "", 6
    cfg.TEST.DETECTIONS_PER_IMAGE = 30
    model = build_model(cfg).eval()
    filled = state_dict({name: value.shape for name, value in model.state_dict().items()})
    for name, factor in SCALED.items():
        filled[name] *= factor
    filled["roi_heads.box_predictor.cls_score.bias"] = torch.tensor(BIAS)
    model.load_state_dict(filled)
    return model


def found(model: Any, height: int, width: int) -> dict[str, Any]:
    """What is found in an image, and sixteen numbers of the soft masks."""
    bgr = make_image(height, width)[0].flip(0) * 255
    inside = model.inference([{"image": bgr}], do_postprocess=False)[0]
    inside = inside[inside.pred_boxes.nonempty()]
    (result,) = model.inference([{"image": bgr, "height": height, "width": width}])
    return {
        "boxes": [[round(v, 5) for v in box] for box in inside.pred_boxes.tensor.tolist()],
        "scores": [round(v, 7) for v in inside.scores.tolist()],
        "labels": (inside.pred_classes + 1).tolist(),
        "soft": sixteen(inside.pred_masks),
        "areas": result["instances"].pred_masks.sum((1, 2)).tolist(),
    }


def losses(model: Any) -> dict[str, float]:
    """Of the hand-made scene, with every anchor and every region; the proposals' times the number asked for."""
    from detectron2.structures import BitMasks, Boxes, Instances
    from detectron2.utils.events import EventStorage

    masks, labels = scene()
    truth = Instances((HEIGHT, WIDTH))
    truth.gt_masks, truth.gt_classes = BitMasks(masks), labels - 1
    truth.gt_boxes = Boxes(torchvision.ops.masks_to_boxes(masks) + torch.tensor([0, 0, 1, 1]))
    every = 10**6
    model.proposal_generator.batch_size_per_image = model.roi_heads.batch_size_per_image = every
    model.train()
    with EventStorage():
        parts = model([{"image": make_image(HEIGHT, WIDTH)[0].flip(0) * 255, "instances": truth}])
    factors = {"loss_rpn_cls": every, "loss_rpn_loc": every}
    return {name: float(value) * factors.get(name, 1) for name, value in parts.items()}


def main(folder: str) -> None:
    with torch.no_grad():
        model = network(folder)
        record = {
            "scaled": SCALED,
            "bias": BIAS,
            "found": {f"{h}x{w}": found(model, h, w) for h, w in SIZES},
            "losses": losses(model),
            "shapes": {key: list(value.shape) for key, value in model.state_dict().items()},
        }
    path = Path(__file__).with_name("mask_rcnn_detectron2.json")
    path.write_text(json.dumps(record, separators=(",", ":")) + "\n", "utf-8")
    print(
        f"{path.name}: {len(record['shapes'])} tensors, {[len(f['scores']) for f in record['found'].values()]} objects"
    )


if __name__ == "__main__":
    main(sys.argv[1])

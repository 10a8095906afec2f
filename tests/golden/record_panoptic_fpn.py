"""Records detectron2's Panoptic FPN. Run only when it changes.

PYTHONPATH=<a checkout of detectron2 at 02b5c4e, its small requirements> python record_panoptic_fpn.py <that checkout>

Its compiled module is not needed: RoIAlign comes from torchvision, as its own is the same.
"""

from __future__ import annotations

import json
import sys
import types
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
import torchvision
from filling import make_image, sixteen, state_dict

THINGS, STUFF = 4, 3
SHOWN = (200, 300)
"""Height and width of the image that the network sees."""
ORIGINALS = ((200, 300), (130, 195))
"""Sizes that it had."""
SCALED = {
    "backbone.bottom_up.stem.conv1.weight": 0.02,  # pixels run to 255
    **{f"backbone.fpn_lateral{k}.weight": 0.005 for k in range(2, 6)},
    "roi_heads.box_predictor.cls_score.weight": 6.0,
}
"""A tame network: corrections of boxes that are no more than the boxes themselves; but a network that is sure."""

ADDED = {
    "roi_heads.box_predictor.cls_score.bias": [2.0, 6.5, -8.4, 8.0, 15.0],
    "sem_seg_head.predictor.bias": [0.2, 2.5, -1.0, 1.6],
}
"""So that every class is found, and not too often."""


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
    cfg.merge_from_file(f"{folder}/configs/COCO-PanopticSegmentation/panoptic_fpn_R_50_3x.yaml")
    cfg.MODEL.DEVICE, cfg.MODEL.WEIGHTS = "cpu", ""
    cfg.MODEL.ROI_HEADS.NUM_CLASSES, cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES = THINGS, 1 + STUFF
    model = build_model(cfg).eval()
    filled = state_dict({name: value.shape for name, value in model.state_dict().items()})
    for name, factor in SCALED.items():
        filled[name] *= factor
    for name, values in ADDED.items():
        filled[name] += torch.tensor(values)
    model.load_state_dict(filled)
    return model


def merged(result: dict[str, Any]) -> dict[str, Any]:
    """The panoptic map as lengths and ids of runs along the rows; of each segment its class, things before stuff."""
    ids, segments = result["panoptic_seg"]
    return {
        "runs": [[len(list(run)), value] for value, run in groupby(ids.flatten().tolist())],
        "labels": [one["category_id"] + (0 if one["isthing"] else THINGS - 1) for one in segments],
        "scores": [round(one["score"], 6) for one in segments if one["isthing"]],
    }


def semantic_truth() -> torch.Tensor:
    """(H, W): stripes of each class, and of 255."""
    y, x = torch.meshgrid(torch.arange(SHOWN[0]), torch.arange(SHOWN[1]), indexing="ij")
    stripes = (y // 7 + x // 11) % (2 + STUFF)
    return torch.where(stripes == 1 + STUFF, 255, stripes)


def main(folder: str) -> None:
    with torch.no_grad():
        model = network(folder)
        bgr = make_image(*SHOWN)[0].flip(0) * 255
        levels = model.backbone(model.preprocess_image([{"image": bgr}]).tensor)
        model.sem_seg_head.train()
        padded = torch.full((1, 224, 320), 255)
        padded[0, : SHOWN[0], : SHOWN[1]] = semantic_truth()
        loss = model.sem_seg_head(levels, padded)[1]["loss_sem_seg"]
        model.eval()
        record = {
            "scaled": SCALED,
            "added": ADDED,
            "quarter": sixteen(model.sem_seg_head.layers(levels)),
            "whole": sixteen(model.sem_seg_head(levels)[0]),
            "loss": float(loss),
            "merged": {
                f"{h}x{w}": merged(model.inference([{"image": bgr, "height": h, "width": w}])[0]) for h, w in ORIGINALS
            },
            "shapes": {key: list(value.shape) for key, value in model.state_dict().items()},
        }
    path = Path(__file__).with_name("panoptic_fpn_detectron2.json")
    path.write_text(json.dumps(record, separators=(",", ":")) + "\n", "utf-8")
    print(f"{path.name}: {len(record['shapes'])} tensors; classes {[m['labels'] for m in record['merged'].values()]}")


if __name__ == "__main__":
    main(sys.argv[1])

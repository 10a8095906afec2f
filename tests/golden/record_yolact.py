"""Records YOLACT of its authors: outputs, objects, targets and losses. Run only when something is to be added.

PYTHONPATH=<dbolya/yolact at 902073d> python tests/golden/record_yolact.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from filling import fill, make_image, sixteen
from torch import Tensor

CLASSES = 6
CASES = (("resnet50", 200, 0.04), ("resnet50", 135, 0.04), ("darknet53", 135, 0.0006))
"""The backbone, the side of the square image, and the factor of `tamed`."""

LAST = ("bbox_layer.", "conf_layer.", "mask_layer.", "proto_net.10.", "semantic_seg_conv.")
"""The layers whose outputs the rule of filling.py makes too large for probabilities to differ."""

IMAGES = ((135, 135), (90, 171), (260, 200))
"""Heights and widths of the originals that results are brought back to."""

MOST_MASKS = 10
"""So many masks are drawn in the scene that has more, by the same draw on both sides."""

SCENES = ("levels", "border", "speck", "none", "crowd", "many")


def tamed(tensors: dict[str, Tensor], factor: float) -> dict[str, Tensor]:
    """A state dict of theirs with the last layers made smaller."""
    return {key: value * factor if any(part in key for part in LAST) else value for key, value in tensors.items()}


def scene(name: str, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """(N, side, side) bool, (N,) int64 from 1 on, (N,) bool crowds last: objects by hand."""
    y, x = torch.meshgrid(torch.arange(side) + 0.5, torch.arange(side) + 0.5, indexing="ij")

    def disk(row: float, column: float, radius: float) -> Tensor:
        return (y - row * side) ** 2 + (x - column * side) ** 2 < (radius * side) ** 2

    speck = torch.zeros(side, side, dtype=torch.bool)
    speck[side // 3, side // 4 : side // 4 + 3] = True
    masks, labels, crowds = {
        "levels": ([disk(0.5, 0.5, 0.09), disk(0.45, 0.4, 0.3)], [1, 3], 0),
        "border": ([disk(0.0, 0.8, 0.2), disk(0.97, 0.02, 0.12)], [2, 5], 0),
        "speck": ([speck], [4], 0),
        "none": ([], [], 0),
        "crowd": ([disk(0.3, 0.3, 0.15), disk(0.7, 0.7, 0.28)], [1, 2], 1),
        "many": ([disk(0.1 + 0.2 * (k % 5), 0.2 + 0.3 * (k // 5), 0.05 + 0.01 * k) for k in range(15)], [1] * 15, 0),
    }[name]
    stacked = torch.stack(masks) if masks else torch.zeros(0, side, side, dtype=torch.bool)
    number = len(masks)
    return stacked, torch.tensor(labels, dtype=torch.int64), torch.arange(number) >= number - crowds


def boxes_of(masks: Tensor) -> Tensor:
    """(N, H, W) bool → (N, 4) float: x1 y1 x2 y2, the right and lower edges outside."""
    found = []
    for mask in masks:
        rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
        found.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    return torch.tensor(found, dtype=torch.float32).view(-1, 4)


def peer(backbone: str, side: int, factor: float) -> Any:
    """Their network on the CPU, with anchors as their configurations for 400 and 700 pixels have them."""
    torch.cuda.current_device = lambda: 0
    torch.cuda.device_count = lambda: 2  # which switches TorchScript off
    from data.config import cfg, set_cfg

    set_cfg("yolact_resnet50_config" if backbone == "resnet50" else f"yolact_{backbone}_config")
    scales = [[int(scale / 550 * side)] for scale in (24, 48, 96, 192, 384)]
    cfg.replace(cfg.copy({"num_classes": CLASSES, "max_size": side, "mask_proto_debug": False}))
    cfg.backbone.pred_scales = scales
    from yolact import Yolact, prior_cache

    prior_cache.clear()
    network = Yolact()
    fill(network)
    network.load_state_dict(tamed(network.state_dict(), factor))
    network.detect.use_fast_nms = True
    return network


def objects(network: Any, image: Tensor, size: tuple[int, int]) -> dict[str, Any]:
    """What they find, at the size of an original image, before boxes are cut to whole pixels."""
    import layers.output_utils as output_utils

    boxes: list[Tensor] = []
    soft: list[Tensor] = []

    def kept(masks: Tensor, *arguments: Any, **options: Any) -> Tensor:
        soft.append(torch.nn.functional.interpolate(masks, *arguments, **options))
        return soft[-1].clone()

    class Seen:
        interpolate = staticmethod(kept)

    def untouched(x1: Tensor, x2: Tensor, length: int, cast: bool = True) -> tuple[Tensor, Tensor]:
        low, high = torch.minimum(x1, x2) * length, torch.maximum(x1, x2) * length
        boxes.extend((low.clamp(min=0), high.clamp(max=length)))
        return boxes[-2], boxes[-1]

    before = output_utils.F, output_utils.sanitize_coordinates
    output_utils.F, output_utils.sanitize_coordinates = Seen, untouched
    classes, scores, _, masks = output_utils.postprocess(network(image), size[1], size[0])
    output_utils.F, output_utils.sanitize_coordinates = before
    left, right, top, bottom = boxes
    return {
        "labels": (classes + 1).tolist(),
        "scores": [round(v, 7) for v in scores.tolist()],
        "boxes": [[round(v, 4) for v in box] for box in torch.stack([left, top, right, bottom], 1).tolist()],
        "areas": masks.sum((1, 2)).int().tolist(),
        "soft": sixteen(soft[0][0].sum(0)),
        "means": [round(v, 7) for v in soft[0][0].mean((1, 2)).tolist()],
    }


def losses(network: Any, outputs: dict[str, Tensor], name: str, side: int) -> dict[str, Any]:
    """The four parts of their loss for one scene, and what its anchors are matched with."""
    from data.config import cfg
    from layers.box_utils import match
    from layers.modules import MultiBoxLoss

    masks, labels, crowd = scene(name, side)
    boxes, crowds = boxes_of(masks) / side, int(crowd.sum())
    number = outputs["priors"].shape[0]
    loc, conf, index = torch.zeros(1, number, 4), torch.zeros(1, number).long(), torch.zeros(1, number).long()
    match(0.5, 0.4, boxes[~crowd], outputs["priors"], labels[~crowd] - 1, boxes[crowd] if crowds else None,
          loc, conf, index, 0, outputs["loc"][0])  # fmt: skip
    criterion = MultiBoxLoss(num_classes=CLASSES, pos_threshold=0.5, neg_threshold=0.4, negpos_ratio=3)
    targets = torch.cat([boxes, labels[:, None] - 1.0], 1)
    cfg.masks_to_train = MOST_MASKS
    torch.manual_seed(0)  # of the masks that are drawn where there are more
    found = criterion(network, dict(outputs), [targets], [masks.float()], [crowds])
    positive = (conf[0] > 0).nonzero().flatten()
    return {
        "losses": {key: float(value) for key, value in found.items()},
        "positive": positive.tolist(),
        "owner": index[0, positive].tolist(),
        "neutral": (conf[0] < 0).nonzero().flatten().tolist(),
    }


@torch.no_grad()
def main() -> None:
    for backbone, side, factor in CASES:
        network = peer(backbone, side, factor)
        photo = make_image(side, side)
        outputs = raw(network, photo)
        record = {
            "create": {"backbone": backbone, "size": side, "num_classes": CLASSES},
            "factor": factor,
            "shapes": {key: list(value.shape) for key, value in network.state_dict().items()},
            "priors": len(outputs["priors"]),
            "outputs": {key: sixteen(outputs[key]) for key in ("loc", "conf", "mask", "priors", "proto", "segm")},
            "objects": {f"{h}x{w}": objects(network, make_image, (h, w)) for h, w in IMAGES},
            "losses": {name: losses(network, outputs, name, side) for name in SCENES if name != "none"},
        }
        path = Path(__file__).with_name(f"yolact_{backbone}_{side}.json")
        path.write_text(json.dumps(record, separators=(",", ":")) + "\n", "utf-8")
        print(path.name, path.stat().st_size, record["outputs"], [len(v["labels"]) for v in record["objects"].values()])
        print({name: (v["losses"], len(v["positive"]), len(v["neutral"])) for name, v in record["losses"].items()})


def raw(network: Any, image: Tensor) -> dict[str, Tensor]:
    """What the network says before its results are picked, with the statistics of evaluation."""
    network.eval()
    network.training = True
    outputs = network(image)
    network.training = False
    return dict(outputs)


if __name__ == "__main__":
    main()

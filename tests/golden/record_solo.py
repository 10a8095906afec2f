"""Records what the authors' SOLO heads give: outputs, objects and losses. Run only when a peer is added.

python record_solo.py PEER      with PEER the folder of WXinlong/SOLO; see solo_peer.py for what stands in for mmcv
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from filling import fill, make_image, sixteen
from solo_cases import GRIDS, INNER, LOSS_SIZE, ORIGINAL, SCALE, SIZES, TRUTHS, boxes, labels, masks
from solo_peer import Network, load
from torch import Tensor

KEPT = Path(__file__).with_name("solo.json")

VARIANTS = SimpleNamespace(
    nms_pre=500, score_thr=0.1, mask_thr=0.5, update_thr=0.05, kernel="gaussian", sigma=2.0, max_per_img=100
)

CASES: tuple[tuple[str, str, int, dict[str, Any], dict[str, Any]], ...] = (
    ("solo", "SOLOHead", 18, {"stacked_convs": 2}, {"convs": 2}),
    ("decoupled_solo", "DecoupledSOLOHead", 18, {"stacked_convs": 2}, {"convs": 2}),
    ("decoupled_solo", "DecoupledSOLOLightHead", 18, {"stacked_convs": 2}, {"convs": 2, "shared": True}),
    (
        "solov2",
        "SOLOv2Head",
        50,
        {"stacked_convs": 2, "seg_feat_channels": 256, "ins_out_channels": 128},
        {"convs": 2, "width": 256, "features": 128},
    ),
)
"""Our name, their class, the ResNet, their arguments, ours."""


def soft(name: str, outputs: tuple[Any, ...]) -> list[Tensor]:
    """The masks of all cells, (S², h, w) of each level."""
    if name == "solo":
        return [level[0] for level in outputs[0]]
    if name == "solov2":
        _, kernels, features = outputs
        return [torch.einsum("dyx,dhw->yxhw", k[0], features[0]).flatten(0, 1).sigmoid() for k in kernels]
    return [(y[0][:, None] * x[0][None]).flatten(0, 1) for x, y in zip(*outputs[:2], strict=True)]


def outputs_of(name: str, network: Network, size: tuple[int, int]) -> dict[str, Any]:
    """Sixteen numbers of each level's scores and masks, and the objects found in an image."""
    outputs = network(make_image(*size))
    categories = outputs[0] if name == "solov2" else outputs[-1]
    inner = tuple(side - less for side, less in zip(size, INNER, strict=True))
    meta = [{"img_shape": (*inner, 3), "scale_factor": 1.0, "ori_shape": (*ORIGINAL, 3)}]
    ((found, kinds, scores),) = network.bbox_head.get_seg(*outputs, meta, VARIANTS, rescale=True)
    seen = found.flatten(1).any(1)
    return {
        "categories": [sixteen(level) for level in categories],
        "masks": [sixteen(level) for level in soft(name, outputs)],
        "labels": (kinds[seen] + 1).tolist(),
        "scores": [round(float(score), 7) for score in scores[seen]],
        "areas": found[seen].sum((1, 2)).tolist(),
    }


def losses_of(network: Network) -> list[list[float]]:
    """Category and mask loss of each pair of hand-made ground truths."""
    images = torch.cat([make_image(*LOSS_SIZE), make_image(*LOSS_SIZE).flip(-1)])
    outputs = network(images, eval=False)
    found = []
    for pair in TRUTHS:
        given = ([f(index) for index in pair] for f in (boxes, labels, lambda index: masks(index).byte().numpy()))
        parts = network.bbox_head.loss(*outputs, *given, None, None)
        found.append([float(parts["loss_cate"]), float(parts["loss_ins"])])
    return found


def main(peer: Any) -> None:
    records = []
    for name, head, depth, theirs, ours in CASES:
        ranges = {
            "scale_ranges": tuple(
                (low * SCALE, high * SCALE) for low, high in ((1, 96), (48, 192), (96, 384), (192, 768), (384, 2048))
            )
        }
        options = {"num_grids": GRIDS, **ranges, **theirs}
        network = fill(Network(peer, head, depth, options, theirs.get("ins_out_channels", 0)))
        with torch.no_grad():
            sizes = {f"{h}x{w}": outputs_of(name, network, (h, w)) for h, w in SIZES}
            losses = losses_of(network)
        shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
        create = {"name": name, "num_classes": 81, "backbone": f"resnet{depth}", "scale": SCALE, **ours}
        records.append({"create": create, "sizes": sizes, "losses": losses, "shapes": shapes})
        print(head, losses, {size: len(one["labels"]) for size, one in sizes.items()})
    lines = ",\n".join(json.dumps(record, separators=(",", ":")) for record in records)
    KEPT.write_text(f"[\n{lines}\n]\n", "utf-8")


if __name__ == "__main__":
    main(load(Path(sys.argv[1])))

"""One image through YOLACT and through its authors' code: same weights, threads and process.

    python benchmarks/yolact.py [--size 550] [--threads 2] [--seconds 40] [--backbone resnet50]

Both run as plain eager modules in float32, `eval()`, contiguous tensors, random weights that are loaded from the peer
into ours, 81 classes; from the resized image to masks at 480×640. Results are compared before time is. Writes
benchmarks/results/yolact.txt.

The peer: dbolya/yolact in the folder that the variable YOLACT names.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "2")

import torch
from torch import Tensor

import pixelwise
from pixelwise.layers.normalize import Normalize
from pixelwise.models.yolact.prototypes import assemble_masks
from pixelwise.ops.resize import Resizing
from quiet import compare
from results import machine, write

SIZE = (480, 640)
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "golden"))


@torch.no_grad()
def make_peer(backbone: str, side: int) -> Any:
    """Their network on the CPU, with Fast NMS, which is what their evaluation uses."""
    sys.path.insert(0, os.environ["YOLACT"])
    torch.cuda.current_device = lambda: 0
    torch.cuda.device_count = lambda: 2  # which switches TorchScript off
    from data.config import cfg, set_cfg

    set_cfg({"resnet101": "yolact_base_config"}.get(backbone, f"yolact_{backbone}_config"))
    scales = [[int(scale / 550 * side)] for scale in (24, 48, 96, 192, 384)]
    cfg.replace(cfg.copy({"max_size": side, "mask_proto_debug": False}))
    cfg.backbone.pred_scales = scales
    from filling import fill, make_image
    from record_yolact import raw

    from yolact import Yolact

    network = Yolact()
    fill(network)
    outputs = raw(network, make_image(side, side))
    state = network.state_dict()
    for key, name in {"bbox": "loc", "conf": "conf", "mask": "mask"}.items():
        state[f"prediction_layers.0.{key}_layer.weight"] /= outputs[name].std()
    state["proto_net.10.weight"] /= outputs["proto"].std()
    state["prediction_layers.0.conf_layer.bias"].view(3, -1)[:, 0] += 8.0  # some hundreds of anchors find something
    network.detect.use_fast_nms = True
    return network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--size", type=int, default=550)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--backbone", default="resnet101")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    side = options.size
    peer = make_peer(options.backbone, side)
    from filling import make_image
    from layers.output_utils import postprocess

    ours = pixelwise.create("yolact", num_classes=81, variant="authors", backbone=options.backbone, size=side).eval()
    pixelwise.load_weights(ours, peer.state_dict(), "yolact")
    ours.normalize, ours.resizing, ours.auxiliary_heads = Normalize(), Resizing(square=side), False
    image, whole = make_image(side, side), (side, side)

    def theirs() -> tuple[Tensor, ...]:
        return postprocess(peer(image), SIZE[1], SIZE[0])

    with torch.inference_mode():
        outputs = ours(image)
        found, wanted = ours.decode(outputs, [SIZE])[0], theirs()
        separate = (found.masks.dense() != wanted[3].bool()).float().mean() if len(found) == len(wanted[0]) else 1.0
        detections = ours.detect(outputs, 0)
        likely = (outputs.logits[0].softmax(1)[:, 1:].amax(1) > 0.05).sum()
        timings = compare(
            {
                "authors, image to masks": theirs,
                "pixelwise, image to masks": lambda: ours.decode(ours(image), [SIZE]),
                "authors, network and Fast NMS": lambda: peer(image),
                "pixelwise, network": lambda: ours(image),
                "pixelwise, boxes and Fast NMS": lambda: ours.detect(outputs, 0),
                "pixelwise, masks": lambda: assemble_masks(
                    outputs.prototypes[0], detections.coefficients, detections.boxes, SIZE, whole, whole
                ),
            },
            budget=options.seconds / 6,
        )
    busy = "  (the machine was busy)" if any(timing["noisy"] for timing in timings.values()) else ""
    first = timings["authors, image to masks"]["med"]
    lines = [f"{name:32s}{1e3 * timing['med']:9.1f} ms" for name, timing in timings.items()]
    lines.append(f"as fast as the authors' code: {first / timings['pixelwise, image to masks']['med']:.2f} x{busy}")
    write(
        "yolact",
        [
            f"YOLACT, {options.backbone}, {side}x{side}, {options.threads} threads, masks at {SIZE[1]}x{SIZE[0]}",
            machine("torch", "timm"),
            f"{int(likely)} anchors over 0.05, {len(found)} objects, {len(wanted[0])} of the authors, classes "
            f"{'equal' if (found.labels - 1).tolist() == wanted[0].tolist() else 'NOT equal'}, {100 * separate:.4f} % "
            "of the pixels of the masks differ",
            *lines,
        ],
    )


if __name__ == "__main__":
    main()

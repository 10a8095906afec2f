"""Mask R-CNN and torchvision's with the same weights: one image, from pixels to masks at its full size.

    python benchmarks/mask_rcnn.py [--size 800 1216] [--threads 2] [--seconds 12] [NAME …]

ResNet-50, 91 classes, plain eager modules in float32, `eval()`, contiguous tensors. The weights are random, tamed so
that 100 objects are found, as many as are given at most. Both end with what a caller can use: torchvision's soft masks
at the size of the image, at least 0.5; our runs of pixels. `predict` is what users get: `Predictor`, channels last,
from bytes to the result. Stages are ours, each timed alone. Writes benchmarks/results/mask_rcnn.txt.
"""

from __future__ import annotations

import argparse
import warnings
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

import pixelwise
from pixelwise.inference.predictor import Predictor
from pixelwise.ops.resize import Resizing
from quiet import compare
from results import machine, write

CLASSES = 91
PEERS = {"torchvision": "maskrcnn_resnet50_fpn", "torchvision_v2": "maskrcnn_resnet50_fpn_v2"}
"""Variant → torchvision's name."""

TAMED = {
    "roi_heads.box_predictor.cls_score": 20.0,
    "roi_heads.box_predictor.bbox_pred": 0.05,
    "rpn.head.bbox_pred": 0.1,
}
"""Its layers, as it begins them → the factor of their weights: some classes are sure, and boxes are of all sizes."""


def peer(name: str, size: tuple[int, int]) -> nn.Module:
    """torchvision's network as it is made for its published weights; it resizes nothing."""
    from torchvision.models import detection, resnet50
    from torchvision.ops import FrozenBatchNorm2d

    sides = {"min_size": min(size), "max_size": max(size)}
    if name == "maskrcnn_resnet50_fpn":
        body = detection.backbone_utils._resnet_fpn_extractor(resnet50(norm_layer=FrozenBatchNorm2d), 3)
        network = detection.MaskRCNN(body, CLASSES, **sides).eval()
    else:
        network = getattr(detection, name)(weights=None, weights_backbone=None, num_classes=CLASSES, **sides).eval()
    for layer in network.modules():
        if isinstance(layer, FrozenBatchNorm2d):
            layer.eps = 0.0
    for layer, factor in TAMED.items():
        network.get_submodule(layer).weight.data *= factor
    return network


def stages(model: Any, images: Tensor, size: tuple[int, int]) -> dict[str, Any]:
    """What is timed of our model, in order."""
    x = model.normalize(images)
    x = x.contiguous(memory_format=torch.channels_last)
    maps = model.backbone(x)
    chosen = [maps[index] for index in model.level_indices]
    levels = model.fpn(chosen)
    outputs = model(images)
    outputs = outputs._replace(levels=tuple(level.contiguous() for level in outputs.levels))
    proposals = model.proposals.propose(outputs.logits, outputs.deltas, [size], 1000, 1000)
    found = model.detect(outputs, [size], model.score_threshold, model.max_detections)
    soft = model.predict_masks(outputs, found)

    def boxes() -> None:
        scores, deltas = model.boxes(outputs.levels[:-1], proposals)
        model.boxes.detect(scores, deltas, proposals, [size], model.score_threshold, model.max_detections)

    return {
        "backbone": lambda: model.backbone(x),
        "pyramid": lambda: model.fpn(chosen),
        "proposals": lambda: model.proposals.propose(*model.proposals(levels), [size], 1000, 1000),
        "boxes": boxes,
        "masks": lambda: model.predict_masks(outputs, found),
        "pasting": lambda: model.paste(found[0].boxes, soft[0], size),
    }


def rows(variant: str, size: tuple[int, int], seconds: float) -> list[str]:
    """Ours beside the peer, then our stages."""
    torch.manual_seed(0)
    theirs = peer(PEERS[variant], size)
    ours = pixelwise.create("mask_rcnn", num_classes=CLASSES, variant=variant).eval()
    pixelwise.load_weights(ours, theirs.state_dict(), "torchvision", resizing=Resizing())
    predictor = Predictor(deepcopy(ours), device="cpu")
    image = (torch.rand(1, 3, size[0] // 8, size[1] // 8) * 255).byte()
    image = nn.functional.interpolate(image.float(), size, mode="bilinear")[0].byte()
    images = image[None] / 255
    with torch.inference_mode():
        calls = {
            "theirs": lambda: theirs([images[0]])[0]["masks"] >= 0.5,
            "ours": lambda: ours.decode(ours(images), [size])[0],
            "predict": lambda: predictor(image),
        }
        wanted, (found,) = theirs([images[0]])[0], ours.decode(ours(images), [size])
        same = torch.equal(found.labels, wanted["labels"])
        times = compare(calls, seconds / 3)
        parts = compare(stages(ours, images, size), seconds / 6)
    whole, plain, used = (times[name]["med"] for name in calls)
    noise = "   noisy" if any(timing["noisy"] for timing in times.values()) else ""
    return [
        f"{PEERS[variant]:28s} {'torchvision':22s} {whole * 1e3:7.0f} ms   1.00 x   {len(wanted['labels'])} objects",
        f"{'':28s} {'pixelwise':22s} {plain * 1e3:7.0f} ms {whole / plain:6.2f} x   "
        f"{len(found)} objects, {'the same' if same else 'OTHER'} classes in order{noise}",
        f"{'':28s} {'pixelwise, predict':22s} {used * 1e3:7.0f} ms {whole / used:6.2f} x",
        f"{'':28s} of pixelwise: " + ", ".join(f"{name} {part['med'] * 1e3:.0f} ms" for name, part in parts.items()),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"variants; all when not given: {', '.join(PEERS)}")
    parser.add_argument("--size", type=int, nargs=2, default=(800, 1216))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=12, help="of measuring, for each row")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(options.threads)
    height, width = options.size
    lines = [
        f"One image of {width}x{height}, {CLASSES} classes, float32, {options.threads} threads, from pixels to masks",
        machine("torch", "torchvision", "timm"),
        "Wall clock in milliseconds, measured in turns in one run; x: times as fast as the peer",
        "",
    ]
    for name in options.names or PEERS:
        lines += rows(name, (height, width), options.seconds)
        print("\n".join(lines[-4:]), flush=True)
    write("mask_rcnn", lines)


if __name__ == "__main__":
    main()

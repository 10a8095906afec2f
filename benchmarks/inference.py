"""One image through each method and through the peer that has it: same weights, image, threads and process.

    python benchmarks/inference.py [--size 512] [--threads 2] [--seconds 12] [NAME …]

Both networks run as plain eager modules in float32, `eval()`, contiguous tensors, random weights that are loaded from
the peer into ours; auxiliary heads are off where the peer can leave them out. `predict` is what users get: `Predictor`,
channels last, from bytes to the result. Writes benchmarks/results/inference.txt.

The peers: torchvision (comes with pixelwise), and pip install segmentation-models-pytorch==0.5.0
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

import pixelwise
from pixelwise.inference.predictor import Predictor
from pixelwise.layers.normalize import Normalize
from pixelwise.ops.resize import Resizing
from quiet import compare
from results import machine, write

CLASSES = 21
PEERS: dict[str, tuple[str, dict[str, Any], str, Callable[[], nn.Module]]] = {
    "FCN, ResNet50": (
        "torchvision",
        {"name": "fcn_resnet", "backbone": "resnet50", "auxiliary": False},
        "fcn_resnet50",
        lambda: torchvision("fcn_resnet50"),
    ),
    "DeepLab v3, ResNet50": (
        "torchvision",
        {"name": "deeplabv3", "backbone": "resnet50", "variant": "torchvision"},
        "deeplabv3_resnet50",
        lambda: torchvision("deeplabv3_resnet50"),
    ),
    "DeepLab v3, MobileNet v3": (
        "torchvision",
        {"name": "deeplabv3", "backbone": "mobilenet_v3_large", "variant": "torchvision", "output_stride": 16},
        "deeplabv3_mobilenet_v3_large",
        lambda: torchvision("deeplabv3_mobilenet_v3_large"),
    ),
    "DeepLab v3, ResNet34": (
        "smp",
        {"name": "deeplabv3", "backbone": "resnet34", "variant": "smp"},
        "DeepLabV3",
        lambda: smp("DeepLabV3", "resnet34"),
    ),
    "DeepLab v3+, ResNet34": (
        "smp",
        {"name": "deeplabv3plus", "backbone": "resnet34", "variant": "smp"},
        "DeepLabV3Plus",
        lambda: smp("DeepLabV3Plus", "resnet34"),
    ),
    "PSPNet, ResNet34": (
        "smp",
        {"name": "pspnet", "backbone": "resnet34", "variant": "smp"},
        "PSPNet",
        lambda: smp("PSPNet", "resnet34"),
    ),
    "U-Net, ResNet34": ("smp", {"name": "unet", "backbone": "resnet34"}, "Unet", lambda: smp("Unet", "resnet34")),
}
"""Row → layout, our model, the peer's name, the peer."""


def torchvision(name: str) -> nn.Module:
    from torchvision.models import segmentation

    return getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=False)


def smp(name: str, encoder: str) -> nn.Module:
    import segmentation_models_pytorch

    return getattr(segmentation_models_pytorch, name)(encoder, encoder_weights=None, classes=CLASSES)


def logits(found: Any) -> Tensor:
    return found["out"] if isinstance(found, dict) else found


def row(name: str, size: int, seconds: float) -> list[str]:
    """Two lines: plain against plain, then ours as users call it."""
    layout, arguments, known, make = PEERS[name]
    torch.manual_seed(0)
    theirs = make().eval()
    ours = pixelwise.create(**arguments, num_classes=CLASSES).eval()
    pixelwise.load_weights(ours, theirs.state_dict(), layout, resizing=Resizing())
    ours.auxiliary_heads = False
    predictor = Predictor(deepcopy(ours), device="cpu")
    ours.normalize = Normalize()
    image = torch.randint(0, 256, (3, size, size), dtype=torch.uint8)
    images = image[None] / 255
    with torch.inference_mode():
        difference = float((ours(images).logits - logits(theirs(images))).abs().max())
        calls = {"theirs": lambda: theirs(images), "ours": lambda: ours(images), "predict": lambda: predictor(image)}
        times = compare(calls, seconds / 3)
    peer, plain, whole = (times[name]["med"] for name in calls)
    noise = "   noisy" if any(timing["noisy"] for timing in times.values()) else ""
    return [
        f"{name:26s} {layout + ' ' + known:42s} {peer * 1e3:7.0f} ms   1.00 x",
        f"{'':26s} {'pixelwise':42s} {plain * 1e3:7.0f} ms {peer / plain:6.2f} x   "
        f"largest difference of the logits {difference:.1g}{noise}",
        f"{'':26s} {'pixelwise, predict':42s} {whole * 1e3:7.0f} ms {peer / whole:6.2f} x",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"rows; all when not given: {', '.join(PEERS)}")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=12, help="of measuring, for each row")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(options.threads)
    lines = [
        f"One image of {options.size}x{options.size}, {CLASSES} classes, float32, {options.threads} threads",
        machine("torch", "torchvision", "segmentation-models-pytorch", "timm"),
        "Wall clock in milliseconds, measured in turns in one run; x: times as fast as the peer",
        "",
    ]
    for name in options.names or PEERS:
        lines += row(name, options.size, options.seconds)
        print("\n".join(lines[-3:]), flush=True)
    write("inference", lines)


if __name__ == "__main__":
    main()

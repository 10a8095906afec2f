"""SOLO, Decoupled SOLO and SOLOv2, stage by stage: milliseconds for one image.

    python benchmarks/solo.py [--size 800 1344] [--threads 2] [--seconds 12] [NAME …]

ResNet-50, 80 classes, plain eager float32, random weights. `backbone` is the backbone with its pyramid, `heads` what
`forward` does beside it; `decode` is timed on outputs in which 60 cells have found something, with masks of noise that
reach over the whole image, which is the worst case, and resizes them back to 480x640. Writes
benchmarks/results/solo.txt.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch

import pixelwise
from quiet import compare
from results import machine, write

MODELS: dict[str, dict[str, Any]] = {
    "SOLO": {"name": "solo"},
    "Decoupled SOLO": {"name": "decoupled_solo"},
    "SOLOv2": {"name": "solov2"},
    "SOLOv2, light": {"name": "solov2", "convs": 2, "width": 256, "features": 128},
}
FOUND = 60
ORIGINAL = (480, 640)


def stages(arguments: dict[str, Any], size: tuple[int, int], seconds: float) -> dict[str, float]:
    """Milliseconds of the median repeat of each stage."""
    torch.manual_seed(0)
    model = pixelwise.create(num_classes=81, backbone="resnet50", scale=1.0, **arguments).eval()
    images = torch.rand(1, 3, *size)
    for name, parameter in model.named_parameters():
        if name.startswith(("locations.", "columns.", "rows.")) and name.endswith("bias"):
            torch.nn.init.ones_(parameter)  # new ones find nothing
    with torch.inference_mode():
        outputs = model(images)
        for n in range(FOUND):  # cells far apart, so that points NMS lets them be
            row, column = divmod(n * 4, 40)
            outputs.categories[0][0, n % 80, row * 4 % 40, column] = 3.0
        calls = {
            "backbone": lambda: model.pyramid(images),
            "forward": lambda: model(images),
            "decode": lambda: model.decode(outputs, [ORIGINAL]),
        }
        timed = {name: 1000 * timing["med"] for name, timing in compare(calls, seconds).items()}
    return {
        "backbone": timed["backbone"],
        "heads": timed["forward"] - timed["backbone"],
        "decode": timed["decode"],
        "all": timed["forward"] + timed["decode"],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=list(MODELS))
    parser.add_argument("--size", type=int, nargs=2, default=(800, 1344))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=12)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    lines = [machine("torch", "timm"), f"{'ms':16s}{'backbone':>10s}{'heads':>10s}{'decode':>10s}{'all':>10s}"]
    for name in given.names:
        found = stages(MODELS[name], tuple(given.size), given.seconds)
        lines.append(f"{name:16s}" + "".join(f"{value:10.0f}" for value in found.values()))
        print(lines[-1], flush=True)
    write("solo", lines)


if __name__ == "__main__":
    main()

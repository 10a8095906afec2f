"""Pasting soft masks to the size of the image beside torchvision in the same run, and what masks take, two threads.

    python benchmarks/paste.py

100 masks of 28×28 on boxes of usual and of large sizes in an image of 800×1216. Values are compared before time is.
Writes benchmarks/results/paste.txt.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "2"

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models.detection.roi_heads import paste_masks_in_image

from pixelwise.masks import Masks
from pixelwise.models.mask_rcnn.paste import paste, paste_masks
from quiet import compare, measure
from results import machine, write

NUMBER, CELLS, THREADS = 100, 28, 2
SIZE, LARGE = (800, 1216), (3000, 4000)
SIDES = {"as in COCO": 110, "large": 250}
"""The geometric mean of a box's sides in an image of 800×1216, pixels."""


def make_masks() -> Tensor:
    """(N, m, m) in [0, 1]: round blobs with ragged outlines."""
    coarse = torch.randn(NUMBER, 1, 7, 7, generator=torch.Generator().manual_seed(0))
    ragged = F.interpolate(coarse, (CELLS, CELLS), mode="bicubic")[:, 0]
    axis = torch.linspace(-1, 1, CELLS)
    return (6 * (0.9 - axis**2 - axis[:, None] ** 2) + 1.5 * ragged).sigmoid()


def make_boxes(side: float, size: tuple[int, int]) -> Tensor:
    """(N, 4) inside the image, of log-normal sides."""
    random = torch.Generator().manual_seed(1)
    limits = torch.tensor([size[1], size[0]])
    middle = torch.rand(NUMBER, 2, generator=random) * limits
    half = side * torch.exp(0.6 * torch.randn(NUMBER, 2, generator=random)) / 2
    return torch.cat([(middle - half).clamp(min=0), torch.minimum(middle + half, limits)], 1)


def race(kind: str) -> list[str]:
    soft, boxes = make_masks(), make_boxes(SIDES[kind], SIZE)
    theirs = paste_masks_in_image(soft[:, None], boxes, SIZE, padding=1)[:, 0]
    far = (paste(soft, boxes, SIZE, whole_pixels=True) - theirs).abs().max()
    equal = paste_masks(soft, boxes, SIZE, whole_pixels=True) == Masks.from_dense(theirs >= 0.5)
    timings = compare(
        {
            "torchvision, soft": lambda: paste_masks_in_image(soft[:, None], boxes, SIZE, padding=1),
            "pixelwise, soft": lambda: paste(soft, boxes, SIZE, whole_pixels=True),
            "pixelwise, soft, summed": lambda: paste(soft, boxes, SIZE, whole_pixels=True).sum(),
            "torchvision, ≥ 0.5": lambda: paste_masks_in_image(soft[:, None], boxes, SIZE, padding=1) >= 0.5,
            "pixelwise, ≥ 0.5": lambda: paste_masks(soft, boxes, SIZE),
        },
        budget=2,
    )
    busy = "  (the machine was busy)" if any(timing["noisy"] for timing in timings.values()) else ""
    area = float((boxes[:, 2:] - boxes[:, :2]).prod(1).mean())
    lines = [
        f"{kind}, boxes of {area:.0f} pixels in the mean: {255 * far:.4f} grey levels apart at most, masks "
        f"{'equal' if equal else 'NOT equal'}"
    ]
    for name, timing in timings.items():
        first = timings[f"torchvision,{name.split(',')[1]}"]
        lines.append(f"  {name:26s}{1e3 * timing['med']:8.1f} ms{first['med'] / timing['med']:8.1f} x{busy}")
    return lines


def weigh() -> list[str]:
    """What masks of a large image take, and how long it takes to get at them."""
    scale = LARGE[0] / SIZE[0]
    lines = [f"{NUMBER} masks of {LARGE[1]}x{LARGE[0]}; dense: {NUMBER * LARGE[0] * LARGE[1] / 1e6:.0f} MB"]
    for kind, side in SIDES.items():
        boxes = make_boxes(side * scale, LARGE)
        masks = paste_masks(make_masks(), boxes, LARGE)
        x1, y1, x2, y2 = masks.boxes().T
        crops = int(((x2 - x1) * (y2 - y1)).sum())
        parts = [masks.crop(n) for n in range(NUMBER)]
        text = sum(len(masks.lengths(n)) for n in range(NUMBER))
        lines.append(
            f"  {kind:12s} runs {masks.runs.nbytes / 1e6:6.2f} MB; crops would be {crops / 1e6:6.1f} MB as bytes, "
            f"{crops / 8e6:5.1f} MB as bits; {text} run lengths"
        )
        for name, call in {
            "all crops": lambda masks=masks: [masks.crop(n) for n in range(NUMBER)],
            "masks of all crops": lambda parts=parts: Masks.from_crops(parts, LARGE),
            "run lengths of all": lambda masks=masks: [masks.lengths(n) for n in range(NUMBER)],
            "boxes and areas": lambda masks=masks: (masks.boxes(), masks.areas()),
        }.items():
            lines.append(f"    {name:24s}{1e3 * measure(call, 0.2)['med']:8.2f} ms")
    return lines


def main() -> None:
    torch.set_num_threads(THREADS)
    lines = [
        f"{NUMBER} masks of {CELLS}x{CELLS} pasted to {SIZE[0]}x{SIZE[1]}, {THREADS} threads",
        machine("torch", "torchvision", "numpy"),
        "x: how many times as fast as torchvision. Soft masks of pixelwise are pages that the system fills with zeros "
        "when they are read: the sum reads them all",
    ]
    for kind in SIDES:
        lines += ["", *race(kind)]
    write("paste", [*lines, "", *weigh()])


if __name__ == "__main__":
    main()

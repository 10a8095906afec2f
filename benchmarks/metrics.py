"""How fast class maps are counted, beside torchmetrics in the same run: python benchmarks/metrics.py

Prints a table and writes it to benchmarks/results/metrics.txt. Both count the same maps, and must count the same.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torchmetrics.classification import MulticlassJaccardIndex

from pixelwise.classes import Classes
from pixelwise.metrics.confusion import ConfusionMatrix
from quiet import compare
from results import machine, write

HEIGHT, WIDTH, CLASSES, VOID = 1024, 2048, 19, 255


def field(rng: np.random.Generator, rows: int, depth: int) -> np.ndarray:
    """(H, W, depth) smooth random numbers."""
    coarse = rng.normal(size=(rows, 2 * rows, depth)).astype(np.float32)
    layers = [cv2.resize(coarse[..., k], (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) for k in range(depth)]
    return np.stack(layers, -1)


def make_maps() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pairs of ground truth and prediction, (H, W) uint8: regions with edges some pixels off; and pure noise."""
    rng = np.random.default_rng(0)
    truth = field(rng, 12, CLASSES).argmax(-1).astype(np.uint8)
    places = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32).transpose(1, 2, 0) + 8 * field(rng, 16, 2)
    found = cv2.remap(truth, places[..., 1], places[..., 0], cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    truth[field(rng, 8, 1)[..., 0] > 1.2] = VOID
    noise = rng.integers(0, CLASSES, (2, HEIGHT, WIDTH), np.uint8)
    return {"regions": (truth, found), "noise": (noise[0], noise[1])}


def race(name: str, truth: np.ndarray, found: np.ndarray) -> list[str]:
    ours = ConfusionMatrix(Classes.numbered(CLASSES))
    theirs = MulticlassJaccardIndex(CLASSES, ignore_index=VOID)
    unchecked = MulticlassJaccardIndex(CLASSES, ignore_index=VOID, validate_args=False)
    t, f = torch.from_numpy(truth).long(), torch.from_numpy(found).long()
    theirs.update(f, t)
    if not np.array_equal(theirs.confmat.numpy(), ours.count(found, truth)[:, :CLASSES]):
        raise SystemExit(f"{name}: the two do not count the same")
    agree = np.mean((truth == found)[truth != VOID])
    edges = np.mean((truth[:, 1:] != truth[:, :-1]) | (found[:, 1:] != found[:, :-1]))
    void = np.mean(truth == VOID)
    lines = [f"{name}: {agree:.0%} of the pixels right, {void:.0%} void, {edges:.1%} differ from the pixel before"]
    threads = torch.get_num_threads()
    timings = compare(
        {
            f"torchmetrics MulticlassJaccardIndex, {threads} threads": lambda: on(threads, lambda: theirs.update(f, t)),
            "torchmetrics MulticlassJaccardIndex, 1 thread": lambda: on(1, lambda: theirs.update(f, t)),
            "  without its checks of the arguments": lambda: on(1, lambda: unchecked.update(f, t)),
            "pixelwise ConfusionMatrix.count, 1 thread": lambda: ours.count(found, truth),
        }
    )
    on(threads, lambda: None)
    fastest = min(timing["med"] for timing in list(timings.values())[:2])
    for label, timing in timings.items():
        busy = "  (the machine was busy)" if timing["noisy"] else ""
        lines.append(f"  {label:48s}{timing['med'] * 1e3:8.2f} ms{fastest / timing['med']:8.1f} x{busy}")
    return lines


def on(threads: int, call: Callable[[], object]) -> None:
    """The call, with so many threads for torch."""
    torch.set_num_threads(threads)
    call()


def main() -> None:
    lines = [
        f"Counting the confusion matrix of one {WIDTH}x{HEIGHT} image, {CLASSES} classes, void {VOID}",
        machine("torch", "torchmetrics", "opencv-python-headless"),
        "Wall clock of one image; x: how many times as fast as the faster of torchmetrics' first two rows",
    ]
    for name, maps in make_maps().items():
        lines += ["", *race(name, *maps)]
    write("metrics", lines)


if __name__ == "__main__":
    main()

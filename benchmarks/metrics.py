"""How fast class maps are counted, beside torchmetrics in the same run: python benchmarks/metrics.py

Prints a table and writes it to benchmarks/results/metrics.txt. Both count the same maps, and must count the same.
"""

from __future__ import annotations

import platform
from pathlib import Path

import cv2
import numpy as np
import torch
import torchmetrics
from quiet import measure
from torchmetrics.classification import MulticlassJaccardIndex

from pixelwise.classes import Classes
from pixelwise.metrics.confusion import ConfusionMatrix

HEIGHT, WIDTH, CLASSES, VOID = 1024, 2048, 19, 255
RESULTS = Path(__file__).parent / "results" / "metrics.txt"


def field(rng: np.random.Generator, rows: int, depth: int) -> np.ndarray:
    """(H, W, depth) smooth random numbers."""
    coarse = rng.normal(size=(rows, 2 * rows, depth)).astype(np.float32)
    layers = [cv2.resize(coarse[..., k], (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) for k in range(depth)]
    return np.stack(layers, -1)


def make_maps() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pairs of truth and result, (H, W) uint8: a street scene's regions, wrong along their edges; and pure noise."""
    rng = np.random.default_rng(0)
    evidence = field(rng, 8, CLASSES)
    truth = evidence.argmax(-1).astype(np.uint8)
    found = (evidence + 0.2 * field(rng, 40, CLASSES)).argmax(-1).astype(np.uint8)
    truth[field(rng, 8, 1)[..., 0] > 1.2] = VOID
    noise = rng.integers(0, CLASSES, (2, HEIGHT, WIDTH), np.uint8)
    return {"regions": (truth, found), "noise": (noise[0], noise[1])}


def compare(name: str, truth: np.ndarray, found: np.ndarray) -> list[str]:
    ours = ConfusionMatrix(Classes.numbered(CLASSES))
    theirs = MulticlassJaccardIndex(CLASSES, ignore_index=VOID)
    unchecked = MulticlassJaccardIndex(CLASSES, ignore_index=VOID, validate_args=False)
    t, f = torch.from_numpy(truth).long(), torch.from_numpy(found).long()
    theirs.update(f, t)
    if not np.array_equal(theirs.confmat.numpy(), ours.count(found, truth)[:, :CLASSES]):
        raise SystemExit(f"{name}: the two do not count the same")
    agree = np.mean((truth == found)[truth != VOID])
    lines = [f"{name}: {agree:.0%} of the pixels right, {np.mean(truth == VOID):.0%} void"]
    base = None
    for label, count in (
        ("torchmetrics MulticlassJaccardIndex.update", lambda: theirs.update(f, t)),
        ("  without its checks of the arguments", lambda: unchecked.update(f, t)),
        ("pixelwise ConfusionMatrix.count", lambda: ours.count(found, truth)),
    ):
        result = measure(count, 3)
        base = base or result["med"]
        noisy = "  (the machine was busy)" if result["noisy"] else ""
        lines.append(f"  {label:46s}{result['med'] * 1e3:8.2f} ms {base / result['med']:7.1f} x{noisy}")
    return lines


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    told = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return told[0].split(":")[1].strip() if told else platform.processor()


def main() -> None:
    lines = [
        f"Counting the confusion matrix of one {WIDTH}x{HEIGHT} picture, {CLASSES} classes, void {VOID}",
        f"{processor()}, {torch.get_num_threads()} threads for torch, one for pixelwise; "
        f"torch {torch.__version__}, torchmetrics {torchmetrics.__version__}, OpenCV {cv2.__version__}",
    ]
    for name, maps in make_maps().items():
        lines += ["", *compare(name, *maps)]
    print("\n".join(lines))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

"""The dense CRF beside pydensecrf in the same run, two threads.

    python benchmarks/crf.py PHOTO PHOTO …        (needs pydensecrf2, the extra `bench`)

Each photo at 375×500, both kernels, 10 steps. Three kinds of probabilities: smooth random ones of 21 classes, each of
them likely somewhere; the same of 2 classes; and 21 classes of which 4 are in the image, as networks find them. Class
maps and probabilities are compared before time is. Memory is the growth of a fresh process at its peak. Writes
benchmarks/results/crf.txt.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "2"

import argparse
import multiprocessing
from pathlib import Path

import numpy as np
import pydensecrf.densecrf as dcrf
import torch
import torch.nn.functional as F
from PIL import Image

from pixelwise.postprocess.crf import CRF
from quiet import compare
from results import machine, write

HEIGHT, WIDTH, THREADS = 375, 500, 2
PARAMETERS = CRF(pos_w=3, pos_xy=3, bi_w=10, bi_xy=67, bi_rgb=3, steps=10)
KINDS = {"21 classes": (21, 21), "2 classes": (2, 2), "4 of 21 classes": (21, 4)}


def read_photo(path: Path) -> np.ndarray:
    """(H, W, 3) uint8."""
    photo = Image.open(path).convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    return np.array(photo)


def make_probabilities(classes: int, present: int) -> np.ndarray:
    """(C, H, W) float32."""
    coarse = 3 * torch.randn(1, classes, 12, 16, generator=torch.Generator().manual_seed(0))
    scores = F.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic")[0]
    scores[present:] -= 20
    return scores.softmax(0).numpy()


def run_pydensecrf(probabilities: np.ndarray, photo: np.ndarray) -> np.ndarray:
    crf, parameters = dcrf.DenseCRF2D(WIDTH, HEIGHT, len(probabilities)), PARAMETERS
    crf.setUnaryEnergy(-np.log(np.clip(probabilities, 1e-5, 1)).reshape(len(probabilities), -1))
    crf.addPairwiseGaussian(sxy=parameters.pos_xy, compat=parameters.pos_w)
    crf.addPairwiseBilateral(sxy=parameters.bi_xy, srgb=parameters.bi_rgb, rgbim=photo, compat=parameters.bi_w)
    return np.array(crf.inference(parameters.steps)).reshape(probabilities.shape)


def run_pixelwise(probabilities: np.ndarray, photo: np.ndarray) -> np.ndarray:
    return PARAMETERS(torch.from_numpy(probabilities), torch.from_numpy(photo).permute(2, 0, 1)).numpy()


RUNS = {"pydensecrf": run_pydensecrf, "pixelwise": run_pixelwise}


def peak(name: str, probabilities: np.ndarray, photo: np.ndarray) -> float:
    """MiB by which a fresh process grows."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_grow, (name, probabilities, photo))


def _grow(name: str, probabilities: np.ndarray, photo: np.ndarray) -> float:
    torch.set_num_threads(THREADS)
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    torch.rand(64, 64).softmax(1)  # threads and their stacks
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before = _field(status, "VmRSS")
    RUNS[name](probabilities, photo)
    return (_field(status, "VmHWM") - before) / 1024


def _field(status: Path, name: str) -> int:
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(name))


def race(path: Path, kind: str) -> list[str]:
    photo, probabilities = read_photo(path), make_probabilities(*KINDS[kind])
    theirs, ours = run_pydensecrf(probabilities, photo), run_pixelwise(probabilities, photo)
    equal = np.mean(theirs.argmax(0) == ours.argmax(0))
    far = np.abs(theirs - ours)
    timings = compare({name: lambda run=run: run(probabilities, photo) for name, run in RUNS.items()}, budget=8)
    first = timings["pydensecrf"]
    busy = "  (the machine was busy)" if any(timing["noisy"] for timing in timings.values()) else ""
    lines = [
        f"{path.name}, {kind}: class map equal on {equal:.3%}, |ΔQ| {far.mean():.1e} mean, {far.max():.1e} at most"
    ]
    for name, timing in timings.items():
        memory = peak(name, probabilities, photo)
        ratio = first["med"] / timing["med"]
        lines.append(f"  {name:12s}{timing['med']:7.3f} s{ratio:7.2f} x{memory:8.0f} MiB{busy}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", nargs="+", type=Path)
    photos = parser.parse_args().photos
    torch.set_num_threads(THREADS)
    lines = [
        f"The dense CRF, {HEIGHT}x{WIDTH}, {PARAMETERS.steps} steps, both kernels, {THREADS} threads",
        machine("torch", "numpy", "pydensecrf2"),
        "Wall clock of one image, the lattices built anew; x: how many times as fast as pydensecrf, which knows one "
        "thread; MiB: growth at the peak",
    ]
    for path in photos:
        for kind in KINDS:
            lines += ["", *race(path, kind)]
    write("crf", lines)


if __name__ == "__main__":
    main()

"""Record pydensecrf.json: python tests/golden/record_crf.py   (needs pydensecrf2, the extra `bench`)

What pydensecrf makes of a corner of a bundled image: its class of every pixel, run by run, and all probabilities of
some pixels. The test makes the same scene with `make_scene` and compares.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("pydensecrf.json")
IMAGE = Path(__file__).resolve().parents[2] / "src/pixelwise/data/nuclei/images/13f2bec0a24c.png"
HEIGHT, WIDTH = 60, 84
POS_XY, BI_XY, BI_RGB = (2, 3), (20, 30), (12, 13, 10)


def make_scene(classes: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray | float]]:
    """(H, W, 3) uint8, (C, H, W) float32 probabilities, and a compatibility of each kind."""
    from PIL import Image

    image = np.ascontiguousarray(np.asarray(Image.open(IMAGE).convert("RGB"))[100 : 100 + HEIGHT, 90 : 90 + WIDTH])
    c, y, x = np.mgrid[:classes, :HEIGHT, :WIDTH].astype(np.float64)
    scores = 2 * np.cos(0.21 * x + 1.3 * c) + 1.5 * np.sin(0.17 * y - 2.1 * c) + image[..., 0] / 128.0 * np.cos(c)
    powers = np.exp(scores)
    ones = np.arange(classes) / classes
    matrix = np.cos(ones[:, None] * 5 + ones * 3) * 0.3 - 3 * np.eye(classes)
    weights = {"scalar": 4.0, "vector": -2 - 2 * ones.astype(np.float32), "matrix": matrix.astype(np.float32)}
    return image, (powers / powers.sum(0)).astype(np.float32), weights


def cases() -> list[tuple[int, str, str]]:
    """Classes, normalization and kind of compatibility."""
    scalar = [(2, name, "scalar") for name in ("before", "after", "none")]
    return [*scalar, *((c, "symmetric", kind) for c in (2, 21) for kind in ("scalar", "vector", "matrix"))]


def main() -> None:
    import pydensecrf.densecrf as peer

    names = {"symmetric": "NORMALIZE_SYMMETRIC", "before": "NORMALIZE_BEFORE", "after": "NORMALIZE_AFTER"}
    told = {}
    for classes, normalization, kind in cases():
        image, probabilities, weights = make_scene(classes)
        crf = peer.DenseCRF2D(WIDTH, HEIGHT, classes)
        crf.setUnaryEnergy(-np.log(np.clip(probabilities, 1e-5, 1)).reshape(classes, -1))
        rule = getattr(peer, names.get(normalization, "NO_NORMALIZATION"))
        crf.addPairwiseGaussian(sxy=POS_XY, compat=3, normalization=rule)
        crf.addPairwiseBilateral(sxy=BI_XY, srgb=BI_RGB, rgbim=image, compat=weights[kind], normalization=rule)
        found = np.array(crf.inference(10)).reshape(classes, HEIGHT, WIDTH)
        best = found.argmax(0).ravel()
        edges = np.flatnonzero(np.diff(best, prepend=-1))
        told[f"{classes} {normalization} {kind}"] = {
            "starts": edges.tolist(),
            "classes": best[edges].tolist(),
            "sample": [[float(f"{q:.7g}") for q in row] for row in found[:, 5::20, 7::24].reshape(classes, -1).T],
            "mean": [float(f"{q:.7g}") for q in found.mean((1, 2), dtype=np.float64)],
        }
    FILE.write_text(json.dumps(told, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

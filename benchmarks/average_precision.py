"""How fast and in how much memory average precision is computed: python benchmarks/average_precision.py [--images N]

First the memory that 5,000 images with 100 true and 100 found objects each take. Then the time from results to the
table for 500 images with 12 true and 30 found objects each, beside pycocotools and faster-coco-eval from run lengths,
and torchmetrics from dense masks; all must find the same. Prints a table and writes it to
benchmarks/results/average_precision.txt, unless N is given.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import resource
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import faster_coco_eval
import numpy as np
import torch
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torchmetrics.detection import MeanAveragePrecision

from pixelwise.classes import Classes
from pixelwise.metrics.average_precision import AveragePrecision
from pixelwise.metrics.overlaps import objects_of
from pixelwise.segmentation import Segmentation
from results import machine, write

RUNS, MASKS = "pycocotools, from run lengths", "torchmetrics on pycocotools, from masks"
HEIGHT, WIDTH, TRUE, FOUND, TURNS = 480, 640, 12, 30, 3
CLASSES = Classes(tuple(f"class {k}" for k in range(80)))
Shape = tuple[float, float, float, float, float]


def draw(shapes: list[Shape]) -> torch.Tensor:
    """Ellipses (x, y, two half axes, angle) → (N, H, W) bool."""
    masks = np.zeros((len(shapes), HEIGHT, WIDTH), np.uint8)
    for mask, (x, y, a, b, angle) in zip(masks, shapes, strict=True):
        cv2.ellipse(mask, (int(x), int(y)), (max(int(a), 2), max(int(b), 2)), angle, 0, 360, 1, -1)
    return torch.from_numpy(masks.view(bool))


def some_ellipse(rng: np.random.Generator) -> Shape:
    a, b = np.exp(rng.uniform(1.6, 5, 2))
    return rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), a, b, rng.uniform(0, 180)


def some_class(rng: np.random.Generator) -> int:
    """Seldom ones and frequent ones."""
    return int(80 * rng.beta(0.5, 2))


class Dense(NamedTuple):
    """Labels and scores, (N,), and masks, (N, H, W) bool."""

    labels: torch.Tensor
    scores: torch.Tensor
    masks: torch.Tensor

    def segmentation(self) -> Segmentation:
        return Segmentation(CLASSES, self.labels, self.scores, masks=self.masks)


def make_image(seed: int, true: int = TRUE, found: int = FOUND) -> tuple[Dense, Dense]:
    """What was found: two thirds lie near true objects, most of them of the right class; and the ground truth."""
    rng = np.random.default_rng(seed)
    shapes, labels = [some_ellipse(rng) for _ in range(true)], [some_class(rng) for _ in range(true)]
    near, guesses, scores = [], [], []
    for k in range(found):
        if 3 * k < 2 * found:
            x, y, a, b, angle = shapes[k % true]
            moved = x + rng.normal(0, 4), y + rng.normal(0, 4), a * rng.uniform(0.8, 1.25), b * rng.uniform(0.8, 1.25)
            near.append((*moved, angle + rng.normal(0, 5)))
            guesses.append(some_class(rng) if rng.random() < 0.15 else labels[k % true])
            scores.append(rng.beta(4, 2))
        else:
            near.append(some_ellipse(rng))
            guesses.append(some_class(rng))
            scores.append(rng.beta(2, 4))
    return (
        Dense(torch.tensor(guesses), torch.tensor(scores, dtype=torch.float32), draw(near)),
        Dense(torch.tensor(labels), torch.ones(true), draw(shapes)),
    )


def memory(number: int) -> list[str]:
    """The peak of this process, which has done nothing else before."""
    before = peak()
    some = [[objects_of(one.segmentation()) for one in make_image(seed, 100, 100)] for seed in range(20)]
    metric, start = AveragePrecision(CLASSES), time.perf_counter()
    for k in range(number):
        metric.add(*some[k % len(some)], f"image {k}")
    added = time.perf_counter() - start
    value = metric.scores()["mask AP"]
    seconds = time.perf_counter() - start - added
    return [
        f"Memory: {number} images, 100 true and 100 found objects each (20 different images, again and again)",
        f"  {peak():.0f} MB at most, {before:.0f} MB of them before (imports); "
        f"{added:.1f} s to add run lengths, {seconds:.1f} s for the scores of masks and boxes; mask AP {value:.4f}",
    ]


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def as_coco(number: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The same images as COCO's ground truth and results, with compressed run lengths."""
    truths: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image in range(number):
        for one, entries in zip(make_image(image), (results, truths), strict=True):
            planes = coco.encode(np.asfortranarray(one.masks.permute(1, 2, 0).numpy().view(np.uint8)))
            for n, runs in enumerate(planes):
                entry = {"image_id": image + 1, "category_id": int(one.labels[n]) + 1, "segmentation": runs}
                true = {"id": len(truths) + 1, "area": float(coco.area(runs)), "iscrowd": 0}
                true["bbox"] = coco.toBbox(runs).tolist()
                entries.append(entry | (true if entries is truths else {"score": float(one.scores[n])}))
    images = [{"id": k + 1, "height": HEIGHT, "width": WIDTH} for k in range(number)]
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(CLASSES.names)]
    return {"images": images, "annotations": truths, "categories": categories, "info": {}}, results


def theirs(index: Any, evaluator: Any, truth: dict[str, Any], results: list[dict[str, Any]]) -> tuple[float, float]:
    """Seconds and mask AP, from dictionaries in memory."""
    truth, results = copy.deepcopy((truth, results))
    with contextlib.redirect_stdout(io.StringIO()):
        start = time.perf_counter()
        true = index()
        true.dataset = truth
        true.createIndex()
        done = evaluator(true, true.loadRes(results), "segm")
        done.evaluate()
        done.accumulate()
        done.summarize()
    return time.perf_counter() - start, float(done.stats[0])


def from_runs(objects: list[list[Any]]) -> tuple[float, float]:
    start = time.perf_counter()
    metric = AveragePrecision(CLASSES)
    for found, truth in objects:
        metric.add(found, truth)
    scores = metric.scores()
    metric.per_class()
    return time.perf_counter() - start, scores["mask AP"]


def from_masks(number: int) -> Iterator[tuple[str, float, float]]:
    """Ours and torchmetrics', fed the same masks one image after the other; drawing them is not counted."""
    ours, start = AveragePrecision(CLASSES), 0.0
    # Its own are rounded to float32: objects of few pixels, whose overlap is 0.6 and the like, match otherwise.
    exact = {"iou_thresholds": np.linspace(0.5, 0.95, 10).tolist(), "rec_thresholds": np.linspace(0, 1, 101).tolist()}
    peers = {
        name: MeanAveragePrecision(iou_type="segm", backend=name, **exact)
        for name in ("pycocotools", "faster_coco_eval")
    }
    spent: dict[str, float] = defaultdict(float)
    for seed in range(number):
        found, truth = make_image(seed)
        start = time.perf_counter()
        ours.update(found.segmentation(), truth.segmentation())
        spent["ours"] += time.perf_counter() - start
        for name, peer in peers.items():
            start = time.perf_counter()
            peer.update(
                [{"masks": found.masks, "scores": found.scores, "labels": found.labels}],
                [{"masks": truth.masks, "labels": truth.labels}],
            )
            spent[name] += time.perf_counter() - start
    start = time.perf_counter()
    value = ours.scores()["mask AP"]
    ours.per_class()
    yield "pixelwise, from masks (masks and boxes)", spent["ours"] + time.perf_counter() - start, value
    for name, peer in peers.items():
        start = time.perf_counter()
        value = float(peer.compute()["map"])
        yield f"torchmetrics on {name}, from masks", spent[name] + time.perf_counter() - start, value


def race(number: int) -> list[str]:
    truth, results = as_coco(number)
    objects = [[objects_of(one.segmentation()) for one in make_image(seed)] for seed in range(number)]
    seconds: dict[str, list[float]] = defaultdict(list)
    values: dict[str, float] = {}
    for _ in range(TURNS):
        rows = [
            (RUNS, *theirs(COCO, COCOeval, truth, results)),
            (
                "faster-coco-eval, from run lengths",
                *theirs(faster_coco_eval.COCO, faster_coco_eval.COCOeval_faster, truth, results),
            ),
            ("pixelwise, from run lengths (masks and boxes)", *from_runs(objects)),
            *from_masks(number),
        ]
        for name, spent, value in rows:
            seconds[name].append(spent)
            values[name] = value
    if max(values.values()) - min(values.values()) > 1e-6:
        raise SystemExit(f"they do not find the same: {values}")
    best = {name: min(spent) for name, spent in seconds.items()}
    lines = [f"Time: {number} images {WIDTH}x{HEIGHT}, {len(truth['annotations'])} true and {len(results)} found"]
    for name, spent in best.items():
        base = best[RUNS if "run lengths" in name else MASKS]
        lines.append(f"  {name:48s}{spent:8.2f} s{base / spent:8.1f} x   mask AP {values[name]:.6f}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, help="a quick look: so many, and nothing is written")
    asked = parser.parse_args().images
    torch.set_num_threads(1)
    lines = [
        "Average precision of COCO, from results in memory to the table",
        machine("pycocotools", "faster-coco-eval", "torchmetrics", "torch"),
        f"Wall clock, the fastest of {TURNS} turns; x: times as fast as the first that starts from the same.",
        "The others compute the scores of masks, pixelwise those of masks and boxes and the rows of all classes.",
        "",
        *memory(asked or 5000),
        "",
        *race(asked or 500),
    ]
    print("\n".join(lines)) if asked else write("average_precision", lines)


if __name__ == "__main__":
    main()

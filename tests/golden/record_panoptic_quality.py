"""Record panopticapi.json: what the panoptic API says of maps that the tests make again.

PYTHONPATH=<cocodataset/panopticapi at 7bb4655> python tests/golden/record_panoptic_quality.py <COCO's panoptic sample>
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

FILE = Path(__file__).with_name("panopticapi.json")
CLASSES = 6
THINGS = (True, True, True, False, False, False)
"""Of the random maps."""
SETS, MAPS = 16, 20


class Scene(NamedTuple):
    """What was found and what is true: (H, W) int32, segment n is n + 1 and 0 is void; and their classes."""

    found: np.ndarray
    labels: np.ndarray
    truth: np.ndarray
    true_labels: np.ndarray
    crowd: np.ndarray


def compact(ids: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Without the segments that have no pixel."""
    present = np.unique(ids[ids > 0])
    table = np.zeros(len(labels) + 1, np.int32)
    table[present] = np.arange(1, len(present) + 1)
    return table[ids], labels[present - 1]


def disturb(ids: np.ndarray, labels: np.ndarray, rng: np.random.Generator, classes: int) -> tuple[Any, Any]:
    """A map shifted by some pixels, with segments lost, joined, cut in two, called something else, and invented."""
    ids, labels, (h, w) = np.roll(ids, rng.integers(-1, 2, 2), (0, 1)), labels.copy(), ids.shape
    for n in rng.permutation(len(labels))[: len(labels) // 3]:
        match rng.integers(4):
            case 0:
                ids[ids == n + 1] = 0
            case 1:
                ids[ids == n + 1] = rng.integers(len(labels)) + 1
            case 2:
                labels[n] = rng.integers(classes)
            case _:
                half = (ids == n + 1) & (np.arange(w) > rng.integers(w))
                ids[half] = len(labels) + 1
                labels = np.append(labels, labels[n])
    for _ in range(rng.integers(3)):
        y, x = rng.integers(h), rng.integers(w)
        ids[y : y + h // 3 + 1, x : x + w // 3 + 1] = len(labels) + 1
        labels = np.append(labels, rng.integers(classes))
    return compact(ids, labels)


def random_scene(rng: np.random.Generator) -> Scene:
    """Void on both sides, crowds (several of a class, too), absent classes, segments of a pixel."""
    h, w = rng.integers(1, 40, 2)
    number = int(rng.integers(1, 9))
    side = int(rng.integers(1, 12))
    coarse = rng.integers(0, number + 1, (-(-h // side), -(-w // side)))
    ids = np.kron(coarse, np.ones((side, side), np.int64))[:h, :w].astype(np.int32)
    labels = rng.choice(rng.permutation(CLASSES)[: rng.integers(1, CLASSES)], number)
    truth, true_labels = compact(ids, labels)
    crowd = np.array(THINGS)[true_labels] & (rng.random(len(true_labels)) < 0.3)
    return Scene(*disturb(truth, true_labels, rng, CLASSES), truth, true_labels, crowd)


def random_set(seed: int) -> list[Scene]:
    rng = np.random.default_rng(seed)
    return [random_scene(rng) for _ in range(MAPS)]


def read_sample(folder: Path) -> tuple[list[dict[str, Any]], list[Scene]]:
    """COCO's categories, and the images of its panoptic sample, each with itself as the result."""
    told = json.loads((folder / "panoptic.json").read_text("utf-8"))
    places = {category["id"]: k for k, category in enumerate(told["categories"])}
    scenes = []
    for entry in sorted(told["annotations"], key=lambda entry: entry["file_name"]):
        red, green, blue = np.moveaxis(np.array(Image.open(folder / "panoptic" / entry["file_name"])), -1, 0)
        numbers = red.astype(np.int64) + 256 * green.astype(np.int64) + 65536 * blue.astype(np.int64)
        truth = np.zeros(numbers.shape, np.int32)
        for n, segment in enumerate(entry["segments_info"]):
            truth[numbers == segment["id"]] = n + 1
        labels = np.array([places[segment["category_id"]] for segment in entry["segments_info"]])
        crowd = np.array([segment["iscrowd"] == 1 for segment in entry["segments_info"]])
        scenes.append(Scene(truth, labels, truth, labels, crowd))
    return told["categories"], scenes


def disturbed(scenes: list[Scene], seed: int, classes: int) -> list[Scene]:
    rng = np.random.default_rng(seed)
    return [scene._replace(**_results(scene, rng, classes)) for scene in scenes]


def _results(scene: Scene, rng: np.random.Generator, classes: int) -> dict[str, Any]:
    found, labels = disturb(scene.truth, scene.true_labels, rng, classes)
    return {"found": found, "labels": labels}


def ask(scenes: list[Scene], things: tuple[bool, ...]) -> dict[str, Any]:
    """The panoptic API's averages, and its Σ IoU, TP, FP and FN of each class that has any."""
    from panopticapi.evaluation import pq_compute_single_core
    from panopticapi.utils import id2rgb

    categories = {k: {"isthing": int(thing)} for k, thing in enumerate(things)}
    pairs = []
    with tempfile.TemporaryDirectory() as work, contextlib.redirect_stdout(io.StringIO()):
        for kind in ("true", "found"):
            (Path(work) / kind).mkdir()
        for k, scene in enumerate(scenes):
            entries = []
            sides = ("true", scene.truth, scene.true_labels), ("found", scene.found, scene.labels)
            for kind, ids, labels in sides:
                Image.fromarray(id2rgb(ids)).save(Path(work) / kind / f"{k}.png")
                crowd = scene.crowd if kind == "true" else np.zeros(len(labels), bool)
                told = [
                    {
                        "id": n + 1,
                        "category_id": int(label),
                        "area": int((ids == n + 1).sum()),
                        "iscrowd": int(crowd[n]),
                    }
                    for n, label in enumerate(labels)
                ]
                entries.append({"image_id": k, "file_name": f"{k}.png", "segments_info": told})
            pairs.append(entries)
        counts = pq_compute_single_core(0, pairs, f"{work}/true", f"{work}/found", categories)
    averages = {}
    for group, thing in (("", None), (" things", True), (" stuff", False)):
        with contextlib.suppress(ZeroDivisionError):  # not a class of the kind
            mean, _ = counts.pq_average(categories, thing)
            averages |= {f"{name.upper()}{group}": mean[name] for name in ("pq", "sq", "rq")}
    rows = {k: (one.iou, one.tp, one.fp, one.fn) for k, one in sorted(counts.pq_per_cat.items())}
    return {"scores": averages, "classes": {str(k): row for k, row in rows.items() if any(row)}}


def main() -> None:
    categories, scenes = read_sample(Path(sys.argv[1]))
    things = tuple(category["isthing"] == 1 for category in categories)
    told = {f"random {seed}": ask(random_set(seed), THINGS) for seed in range(SETS)}
    told |= {"coco": ask(scenes, things)}
    told |= {f"coco {seed}": ask(disturbed(scenes, seed, len(things)), things) for seed in range(6)}
    FILE.write_text(json.dumps(told, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

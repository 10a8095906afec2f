"""How fast panoptic quality is counted: PYTHONPATH=<cocodataset/panopticapi> python benchmarks/panoptic_quality.py

Beside the panoptic API and torchmetrics in the same run, on one image; all must count the same. Prints a table and
writes it to benchmarks/results/panoptic_quality.txt.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import panopticapi.evaluation as api
import torch
from panopticapi.utils import id2rgb, rgb2id
from PIL import Image
from torchmetrics.detection import PanopticQuality as Theirs

from pixelwise.classes import Classes
from pixelwise.metrics.panoptic_quality import PanopticQuality
from pixelwise.segmentation import Segmentation
from quiet import compare
from results import machine, write

HEIGHT, WIDTH, STUFF, OBJECTS = 1024, 2048, 11, 29
CLASSES = Classes(tuple(f"class {k}" for k in range(19)), things=tuple(k >= STUFF for k in range(19)))
LABELS = np.array([*range(STUFF), *(STUFF + n % (19 - STUFF) for n in range(OBJECTS))])
"""The class of each segment, found or true."""


def field(rng: np.random.Generator, rows: int) -> np.ndarray:
    """(H, W) smooth random numbers."""
    coarse = rng.normal(size=(rows, 2 * rows)).astype(np.float32)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def make_maps() -> tuple[np.ndarray, np.ndarray]:
    """(H, W) int32, segment n is n + 1: regions of stuff and objects before them; void in the
    ground truth alone, and in the prediction all edges some pixels off."""
    rng = np.random.default_rng(2)  # with which no segment hides another
    truth = np.stack([field(rng, 12) for _ in range(STUFF)]).argmax(0).astype(np.uint8) + 1
    for n in range(OBJECTS):
        centre, axes = rng.integers((0, 300), (WIDTH, 900)), rng.integers((10, 15), 120)
        cv2.ellipse(truth, centre.tolist(), axes.tolist(), rng.uniform(0, 90), 0, 360, STUFF + n + 1, -1)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    x, y = x + 6 * field(rng, 16), y + 6 * field(rng, 16)
    found = cv2.remap(truth, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    truth[field(rng, 8) > 1.2] = 0
    return found.astype(np.int32), truth.astype(np.int32)


def told(ids: np.ndarray, numbers: np.ndarray) -> dict[str, Any]:
    """An image's entry in the JSON file."""
    areas = np.bincount(ids.ravel(), minlength=len(LABELS) + 1)[1:]
    segments = [
        {"id": int(number), "category_id": int(label), "area": int(area), "iscrowd": 0}
        for number, label, area in zip(numbers, LABELS, areas, strict=True)
        if area
    ]
    return {"image_id": 0, "file_name": "map.png", "segments_info": segments}


def read(file: Path, entry: dict[str, Any]) -> Segmentation:
    """One COCO panoptic PNG: segments are looked up once for each run of pixels."""
    colors = cv2.cvtColor(cv2.imread(str(file), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGBA)
    ids = colors.view(np.uint32).ravel()
    begins = np.append(0, np.flatnonzero(ids[1:] != ids[:-1]) + 1)
    numbers = np.array([0, *(segment["id"] for segment in entry["segments_info"])])
    order = np.argsort(numbers)
    places = order[np.searchsorted(numbers, ids[begins] & 0xFFFFFF, sorter=order)].astype(np.int32)
    plane = np.repeat(places, np.diff(begins, append=len(ids))).reshape(HEIGHT, WIDTH)
    labels = torch.tensor([segment["category_id"] for segment in entry["segments_info"]])
    return Segmentation(CLASSES, labels, ids=torch.from_numpy(plane))


def theirs(entries: list[dict[str, Any]], work: Path, source: Any, convert: Callable[[Any], Any]) -> Any:
    """What the panoptic API counts, on one processor."""
    api.Image, api.rgb2id = source, convert
    with contextlib.redirect_stdout(io.StringIO()):
        categories = {k: {"isthing": int(thing)} for k, thing in enumerate(CLASSES.things)}
        return api.pq_compute_single_core(0, [entries], str(work / "true"), str(work / "found"), categories)


def subjects(work: Path) -> dict[str, dict[str, Callable[[], Any]]]:
    """What is timed, by where it starts; checked to count the same."""
    maps = dict(zip(("found", "true"), make_maps(), strict=True))
    numbers = np.sort(np.random.default_rng(1).choice(1 << 24, len(LABELS) + 1, replace=False))
    numbers[0] = 0
    entries = {kind: told(ids, numbers[1:]) for kind, ids in maps.items()}
    identifiers = {kind: numbers[ids].astype(np.uint32) for kind, ids in maps.items()}
    colors = {kind: id2rgb(ids) for kind, ids in identifiers.items()}
    for kind, image in colors.items():
        (work / kind).mkdir()
        Image.fromarray(image).save(work / kind / "map.png")
    files, pair = {kind: work / kind / "map.png" for kind in maps}, [entries["true"], entries["found"]]
    decoded, known = (SimpleNamespace(open=lambda path, a=a: a[Path(path).parent.name]) for a in (colors, identifiers))
    given = [Segmentation(CLASSES, torch.from_numpy(LABELS), ids=torch.from_numpy(ids)) for ids in maps.values()]
    classes = np.append(len(CLASSES), LABELS)
    stacked = [torch.from_numpy(np.stack([classes[ids], ids], -1))[None] for ids in maps.values()]
    metric, pool = PanopticQuality(CLASSES), ThreadPoolExecutor(2)
    other = Theirs(set(range(STUFF, 19)), set(range(STUFF)), allow_unknown_preds_category=True)

    expected = theirs(pair, work, Image, rgb2id)
    metric.update(*given)
    metric.update(*(read(files[kind], entries[kind]) for kind in maps))
    rows = np.array([[one.iou, one.tp, one.fp, one.fn] for one in (expected[k] for k in range(len(CLASSES)))]).T
    other.update(*stacked)
    averages = expected.pq_average({k: {} for k in range(len(CLASSES))}, None)[0]["pq"]
    if not all(np.allclose(counts, rows, rtol=0, atol=1e-9) for counts in metric.images):
        raise SystemExit("pixelwise and the panoptic API do not count the same")
    if abs(float(other.compute()) - averages) > 1e-6 or abs(metric.scores()["PQ"] - averages) > 1e-9:
        raise SystemExit("they do not find the same panoptic quality")
    return {
        "maps in memory": {
            "panopticapi, from the colours of the PNG files": lambda: theirs(pair, work, decoded, rgb2id),
            "panopticapi, from identifiers": lambda: theirs(pair, work, known, lambda ids: ids),
            "torchmetrics PanopticQuality.update": lambda: other.update(*stacked),
            "pixelwise PanopticQuality.update": lambda: metric.update(*given),
        },
        "PNG files": {
            "panopticapi": lambda: theirs(pair, work, Image, rgb2id),
            "pixelwise, one file after the other": lambda: metric.update(*(read(files[k], entries[k]) for k in maps)),
            "pixelwise, both files at once": lambda: metric.update(
                *pool.map(lambda kind: read(files[kind], entries[kind]), maps)
            ),
        },
    }


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    lines = [
        f"Counting the panoptic quality of one {WIDTH}x{HEIGHT} image, {len(LABELS)} segments true and found",
        machine("numpy", "pillow", "opencv-python-headless", "torch", "torchmetrics"),
        "Wall clock of one image, all on one processor but for the last row; x: times as fast as each row above",
    ]
    with tempfile.TemporaryDirectory() as work:
        for start, calls in subjects(Path(work)).items():
            lines += ["", start]
            before: list[float] = []
            for label, timing in compare(calls).items():
                ratios = "".join(f"{seconds / timing['med']:9.1f} x" for seconds in before)
                busy = "  (the machine was busy)" if timing["noisy"] else ""
                lines.append(f"  {label:48s}{timing['med'] * 1e3:9.2f} ms{ratios}{busy}")
                before.append(timing["med"])
    write("panoptic_quality", lines)


if __name__ == "__main__":
    main()

"""Record merging.json: python tests/golden/record_merging.py PANOPTICAPI DETECTRON2 COCO_SAMPLE

What the panoptic API's script and detectron2's function make of the same semantic maps and instances; the three are
checkouts of cocodataset/panopticapi and facebookresearch/detectron2, and the folder of the COCO panoptic sample. Kept
of each result: the segments in their order, how many pixels each has, and a hash of the map. Needs pycocotools. The
tests make the same cases with `small_cases` and `coco_cases` and compare.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

FILE = Path(__file__).with_name("merging.json")
THINGS = 8
"""Things have the labels 1 to 8; label 0 of the semantic map stands for all of them, above that are kinds of stuff."""


class Case(NamedTuple):
    stuff_area: int
    semantic: np.ndarray  # (H, W) uint8
    masks: np.ndarray  # (N, H, W) bool
    scores: np.ndarray  # (N,) float32
    labels: np.ndarray  # (N,) int64


def boxes(size: tuple[int, int], *corners: tuple[int, int, int, int]) -> np.ndarray:
    """(N, H, W) bool: boxes from row to row and from column to column, the ends included."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    return np.stack([(rows >= a) & (rows <= b) & (columns >= c) & (columns <= d) for a, b, c, d in corners])


def make_case(area: int, semantic: np.ndarray, masks: np.ndarray, scores: Any, labels: Any) -> Case:
    return Case(area, semantic, masks, np.array(scores, np.float32), np.array(labels, np.int64))


def small_cases() -> dict[str, Case]:
    """Cases at the limits of each rule, and random ones."""
    semantic = np.zeros((6, 8), np.uint8)
    semantic[:3, 6:], semantic[3:5], semantic[5, :4], semantic[5, 4:] = 1, 2, 2, 3
    corners = ((0, 2, 0, 3), (0, 2, 2, 5), (1, 3, 3, 4), (4, 4, 0, 1), (5, 5, 6, 7), (9, 9, 9, 9))
    scores, labels = (0.9, 0.8, 0.7, 0.5, 0.49, 0.95), (3, 5, 7, 3, 1, 2)
    limits = make_case(4, semantic, boxes((6, 8), *corners), scores, labels)
    hidden = boxes((6, 8), (0, 5, 0, 3), (1, 2, 1, 2), (0, 5, 3, 4), (0, 5, 3, 5), (2, 3, 5, 6))
    told = {
        "limits": limits,
        "stuff of one pixel less": limits._replace(stuff_area=5),
        "hidden": make_case(1, semantic, hidden, (0.9, 0.8, 0.7, 0.6, 0.55), (1, 1, 2, 2, 3)),
        "equally sure": make_case(1, semantic, hidden, (0.75,) * 5, (1, 2, 3, 4, 5)),
        "nothing sure": make_case(1, semantic, hidden, (0.1,) * 5, (1, 2, 3, 4, 5)),
        "objects alone": make_case(1, np.zeros_like(semantic), hidden, (0.6, 0.7, 0.8, 0.9, 1.0), (1, 2, 3, 4, 5)),
    }
    random = np.random.RandomState(0)
    for n in range(6):
        size, number = (random.randint(20, 60), random.randint(20, 60)), random.randint(1, 24)
        top, left = random.randint(0, size[0] - 9, number), random.randint(0, size[1] - 9, number)
        tall, wide = random.randint(2, 25, number), random.randint(2, 25, number)
        masks = boxes(size, *zip(top, top + tall, left, left + wide, strict=True)) & (random.rand(*size) > 0.1)
        rows, columns = np.mgrid[: size[0], : size[1]]
        semantic = ((rows // random.randint(5, 20) + columns // random.randint(5, 20)) % 6).astype(np.uint8)
        scores = (random.permutation(number) + 1) / number
        told[f"random {n}"] = make_case(60, semantic, masks, scores, random.randint(1, THINGS + 1, number))
    return told


def coco_cases(folder: Path) -> dict[str, Case]:
    """The ground truth of the COCO sample as models might see it: objects moved and doubled, stuff moved."""
    from PIL import Image

    told, record = {}, json.loads((folder / "panoptic.json").read_text("utf-8"))
    things = {kind["id"] for kind in record["categories"] if kind["isthing"]}
    for n, annotation in enumerate(record["annotations"]):
        colors = np.asarray(Image.open(folder / "panoptic" / annotation["file_name"]).convert("RGB")).astype(np.int64)
        ids, random = colors @ [1, 256, 65536], np.random.RandomState(n)
        segments = annotation["segments_info"]
        stuff = sorted({segment["category_id"] for segment in segments} - things)
        kinds = sorted({segment["category_id"] for segment in segments} & things)
        semantic = np.zeros(ids.shape, np.uint8)
        masks, labels = [], []
        for segment in segments:
            here, kind = ids == segment["id"], segment["category_id"]
            if kind in stuff:
                semantic[np.roll(here, (5, -7), (0, 1))] = stuff.index(kind) + 1
            else:
                for far in (3, 12):
                    masks.append(np.roll(here, random.randint(-far, far + 1, 2), (0, 1)))
                    labels.append(kinds.index(kind) + 1)
        scores = 0.2 + 0.8 * random.permutation(len(masks)) / len(masks)
        for area in (4096, 12000):
            told[f"{annotation['file_name']} {area}"] = make_case(area, semantic, np.stack(masks), scores, labels)
    return told


def summary(ids: np.ndarray, labels: list[int]) -> dict[str, Any]:
    """What is kept of a result: things count as their labels, stuff as `THINGS` and more."""
    areas = np.bincount(ids.ravel(), minlength=len(labels) + 1).tolist()
    digest = hashlib.sha1(np.ascontiguousarray(ids, "<i4").tobytes()).hexdigest()
    return {"labels": labels, "areas": areas, "sha1": digest}


def of_detectron2(folder: Path, case: Case) -> dict[str, Any]:
    """The function alone is taken of the file, so that nothing need be installed."""
    import torch

    path = folder / "detectron2" / "modeling" / "meta_arch" / "panoptic_fpn.py"
    tree = ast.parse(path.read_text("utf-8"))
    name = "combine_semantic_and_instance_outputs"
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    scope: dict[str, Any] = {"torch": torch}
    exec(compile(tree, str(path), "exec"), scope)
    masks, scores, labels = (torch.from_numpy(array) for array in (case.masks, case.scores, case.labels))
    instances = SimpleNamespace(scores=scores, pred_masks=masks, pred_classes=labels)
    ids, segments = scope[name](instances, torch.from_numpy(case.semantic).long(), 0.5, case.stuff_area, 0.5)
    return summary(ids.numpy(), [s["category_id"] + (0 if s["isthing"] else THINGS) for s in segments])


def of_panopticapi(folder: Path, case: Case) -> dict[str, Any]:
    """The script, from its files to its files."""
    sys.path.insert(0, str(folder))
    from panopticapi.combine_semantic_and_instance_predictions import combine_predictions
    from panopticapi.utils import rgb2id
    from PIL import Image
    from pycocotools import mask

    def annotation(pixels: np.ndarray, **more: Any) -> dict[str, Any]:
        lengths = mask.encode(np.asfortranarray(pixels.astype(np.uint8)))
        return {"image_id": 1, "segmentation": {**lengths, "counts": lengths["counts"].decode()}, **more}

    kinds = [{"id": k, "isthing": int(k <= THINGS), "color": [20 * k % 256, 90, k]} for k in range(1, THINGS + 9)]
    height, width = case.semantic.shape
    stuff = [k for k in np.unique(case.semantic).tolist() if k]
    written = {
        "images": {"images": [{"id": 1, "file_name": "1.jpg", "height": height, "width": width}]},
        "categories": kinds,
        "semantic": [
            annotation(case.semantic == 0, category_id=1),  # a thing, so the script skips it
            *(annotation(case.semantic == k, category_id=THINGS + k) for k in stuff),
        ],
        "instances": [
            annotation(pixels, category_id=int(label), score=float(score))
            for pixels, score, label in zip(case.masks, case.scores, case.labels, strict=True)
        ],
    }
    with tempfile.TemporaryDirectory() as place:
        files = {name: f"{place}/{name}.json" for name in written}
        for name, content in written.items():
            Path(files[name]).write_text(json.dumps(content))
        combine_predictions(
            *(files[name] for name in ("semantic", "instances", "images", "categories")),
            None,
            f"{place}/out.json",
            0.5,
            0.5,
            case.stuff_area,
        )
        (found,) = json.loads(Path(f"{place}/out.json").read_text())["annotations"]
        colors = rgb2id(np.asarray(Image.open(f"{place}/out/1.png")))
    ids = np.zeros(colors.shape, np.int32)
    for n, segment in enumerate(found["segments_info"]):
        ids[colors == segment["id"]] = n + 1
    return summary(ids, [segment["category_id"] for segment in found["segments_info"]])


def main() -> None:
    panopticapi, detectron2, sample = map(Path, sys.argv[1:])
    every = {**small_cases(), **coco_cases(sample)}
    told = {
        name: {"panopticapi": of_panopticapi(panopticapi, case), "detectron2": of_detectron2(detectron2, case)}
        for name, case in every.items()
    }
    for name, both in told.items():
        print(
            name,
            len(both["detectron2"]["labels"]),
            "equal" if both["panopticapi"] == both["detectron2"] else "NOT equal",
        )
    lines = ",\n".join(f"{json.dumps(name)}:{json.dumps(both, separators=(',', ':'))}" for name, both in told.items())
    FILE.write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""COCO instances: one JSON file for all images, each object a polygon or run lengths, crowds marked.

Lin et al., "Microsoft COCO: Common Objects in Context", 2014. Found are `annotations/instances_train2017.json` beside
`train2017/`, Roboflow's `train/_annotations.coco.json`, and a JSON file beside `images/`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...classes import Classes
from ...masks import Masks
from ...ops.phrases import few
from ...ops.polygons import rasterise
from ...ops.rle import runs_from_text
from ...segmentation import Segmentation
from ..dataset import Dataset, Record, short_names
from ..image_copy import copy_image
from ..recognition import class_names
from ..recognition.class_names import GivenClasses, GivenColors, GivenVoid
from .annotations import Annotations
from .coco_json import KEYS, CocoJson, read_files, split_of, splits_of

_LIKELY = re.compile(r"(?i)instances.*|.*coco.*|annotations?.*|labels|(train|val|valid|test)[^a-z]*")


@dataclass(frozen=True)
class Objects:
    """Reads the ground truth of a record from its annotations."""

    classes: Classes

    def __call__(self, record: Record) -> Segmentation:
        found = json.loads(record.annotations)
        height, width = found["size"]
        masks = [Masks.from_lengths([], (height, width))]
        for thing in found["objects"]:
            try:
                masks.append(Masks.from_lengths([_lengths(thing["segmentation"], height, width)], (height, width)))
            except ValueError as error:
                raise ValueError(f"annotation {thing['id']} of {record.image}: {error}") from error
        labels = torch.tensor([thing["label"] for thing in found["objects"]], dtype=torch.int64)
        crowd = torch.tensor([thing["crowd"] for thing in found["objects"]], dtype=torch.bool)
        return Segmentation(self.classes, labels, masks=Masks.joined(masks), crowd=crowd)


def detect(path: Path) -> str | None:
    """Which JSON files look like COCO's, or None."""
    found = _files(path)
    return f"COCO annotations in {few(file.name for _, file in found)}" if found else None


def available(path: Path) -> tuple[str, ...]:
    """The splits that can be asked for."""
    return splits_of(_need_files(path))


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """The images of a split; the classes are a background and the categories in the order of their numbers.

    Args:
        path: the data set's folder, or one JSON file.
        split: "train", "val", …, None for everything.
        classes: the categories to keep, in this order, with the background's name before them or not; all by default.
        void: must be None.
        colors: must be None.

    Raises:
        ValueError: a file is no such JSON, names images that are not there or lie outside the data, or annotations of
            images and categories that it does not have. What a single polygon or run length has wrong, `truth` says.
    """
    if void is not None or colors is not None:
        raise ValueError("COCO annotations have no mask values: leave --void and --colors out")
    found = read_files(path, _need_files(path), split, classes, _Source, "COCO annotations")
    return Dataset(**found._asdict(), format="coco", truths=Objects(found.classes))


def write(dataset: Dataset, path: Path) -> None:
    """`annotations/instances_SPLIT.json` and the images, copied, in `SPLIT/` (`images/` without a split).

    Every segment but the background becomes an annotation with compressed run lengths, which keep
    holes and parts exact. Void pixels cannot be told in this format: they become background.
    """
    folder = dataset.split or "images"
    annotations = Annotations(dataset.classes, scores=False)
    for i, name in enumerate(short_names(dataset.records)):
        annotations.add(copy_image(dataset, i, path / folder / name), dataset.truth(i))
    annotations.write(path / "annotations" / f"instances{'_' * bool(dataset.split)}{dataset.split or ''}.json")


class _Source(CocoJson):
    """One JSON file of instances."""

    def __init__(self, file: Path, root: Path) -> None:
        super().__init__(file, root, "instances")
        used = {str(item.get("category_id")) for item in self.annotations}
        above = {str(item.get("supercategory")) for item in self.categories}
        named: dict[int, str] = {}  # but for the name of the project, which Roboflow lists as one of them
        for item in self.categories:
            key, name = self.check_category(item)
            self.check(key not in named, f"has two categories with the number {key}")
            if str(key) in used or name not in above or item.get("supercategory") != "none":
                named[key] = name
        self.named = dict(sorted(named.items()))

    def classes(self, wanted: GivenClasses) -> tuple[Classes, list[str]]:
        every, ours = list(self.named.values()), self.written()
        self.check(len(set(every)) == len(every), f"has categories of the same name: {few(every)}")
        if wanted is None and ours and [n for n in ours.names if n not in every] == [ours.names[ours.background or 0]]:
            return ours, []
        chosen = class_names.object_classes(every, wanted, str(self.file))
        left = [name for name in every if name not in chosen.names]
        return chosen, [f"annotations of {few(left)} are left out: they are not among the classes"] * bool(left)

    def records(self, classes: Classes) -> tuple[list[Record], list[Record], list[str]]:
        objects: dict[Any, list[dict[str, Any]]] = {key: [] for key in self.sizes()}
        boxes = 0
        for item in self.annotations:
            number, shape = item.get("id"), item.get("segmentation")
            key, category = item.get("image_id"), item.get("category_id")
            self.check(type(key) in (int, str) and key in objects, f"annotation {number}: there is no image {key!r}")
            known = type(category) is int and category in self.named
            self.check(known, f"annotation {number}: there is no category {category!r}")
            name = self.named[category]
            if name not in classes.names:
                continue
            if not shape:
                boxes += 1
                continue
            crowd = item.get("iscrowd", 0) in (1, True)
            thing = {"id": number, "label": classes.names.index(name), "segmentation": shape, "crowd": crowd}
            objects[key].append(thing)
        notes = [f"{boxes} annotations have a box and no mask: left out"] if boxes else []
        if boxes and not any(objects.values()):
            raise ValueError(
                f"{self.file}: all {boxes} annotations have a box and no mask: there is nothing to segment"
            )
        paths = self.paths()
        records = []
        for item in self.images:
            image = paths[item["file_name"]]
            truth = {"size": [item["height"], item["width"]], "objects": objects[item["id"]]}
            records.append(Record.below(self.root, image, annotations=json.dumps(truth).encode()))
        return records, [], notes


def _files(path: Path) -> list[tuple[str | None, Path]]:
    """The JSON files that look like COCO's, each with its split."""
    if path.is_file():
        fits = path.suffix.lower() == ".json" and b'"segments_info"' not in path.read_bytes()
        return [(split_of(path), path)] if fits else []
    roboflow = sorted(path.glob("*/_annotations.coco.json"))
    files = roboflow or [*sorted(path.glob("annotations/*.json")), *sorted(path.glob("*.json"))]
    likely = [file for file in files if _LIKELY.fullmatch(file.stem) and "panoptic" not in file.name]
    chosen = [file for file in likely if file.name.startswith("instances")] or likely
    return [(split_of(file), file) for file in chosen if file.name.startswith("instances") or _is_coco(file)]


def _need_files(path: Path) -> list[tuple[str | None, Path]]:
    found = _files(path)
    if not found:
        raise ValueError(
            f"{path} holds no COCO annotations: wanted annotations/instances_train.json beside train/, or "
            "train/_annotations.coco.json, or instances.json beside images/"
        )
    return found


def _is_coco(file: Path) -> bool:
    data = file.read_bytes()
    return all(key in data for key in KEYS) and b'"segments_info"' not in data


def _lengths(shape: Any, height: int, width: int) -> list[int]:
    """The run lengths of one object, polygons or run lengths."""
    if isinstance(shape, list):
        return rasterise(shape, height, width)
    if not isinstance(shape, dict) or not isinstance(shape.get("counts"), (list, str)):
        raise ValueError(f"a segmentation is a list of polygons or has counts and size, not {str(shape)[:60]}")
    if shape.get("size") != [height, width]:
        raise ValueError(
            f"the run lengths are for {shape.get('size')}, but the image is {[height, width]} (height, width)"
        )
    counts = shape["counts"]
    return runs_from_text(counts) if isinstance(counts, str) else counts

"""COCO instances: one JSON file for all images, each object a polygon or run lengths, crowds marked.

Lin et al., "Microsoft COCO: Common Objects in Context", 2014. Recognised are `annotations/instances_train2017.json`
beside `train2017/`, Roboflow's `train/_annotations.coco.json`, and a JSON file beside `images/`.
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
from ...ops.phrases import counted, few
from ...ops.polygons import rasterise
from ...ops.rle import runs_from_text
from ...segmentation import Segmentation
from ..dataset import Dataset, Record, short_names
from ..image_copy import copy_image
from ..recognition.class_names import GivenClasses, GivenColors, GivenVoid, object_classes
from ..recognition.polygon_extent import displayed_size, polygon_faults
from .annotations import Annotations
from .coco_files import CocoFiles
from .coco_json import KEYS, CocoJson

_LIKELY = re.compile(r"(?i)instances.*|.*coco.*|annotations?.*|labels|(train|val|valid|test)[^a-z]*")

_MAX_BROKEN = 20
"""At most so many broken annotations of an image are named in one error."""

_MAX_PROBED = 40
"""At most so many JSON files with other names are opened to see whether they are COCO's."""

_PANOPTIC = b'"segments_info"'
"""A key of COCO panoptic, which instances do not have."""


@dataclass(frozen=True)
class ObjectAnnotationReader:
    """Reads the ground truth of a record from its annotations."""

    classes: Classes

    def __call__(self, record: Record) -> Segmentation:
        content = json.loads(record.annotations)
        objects = content["objects"]
        height, width = displayed_size(record.image, tuple(content["size"]), objects)
        masks = [Masks.from_lengths([], (height, width))]
        broken = list[str]()
        for item in objects:
            try:
                lengths = _lengths(item["segmentation"], height, width)
                masks.append(Masks.from_lengths([lengths], (height, width)))
            except ValueError as error:
                # All of an image at once, so that they can be mended in one go.
                of_image = "" if broken else f" of {record.image}"
                broken.append(f"annotation {item['id']}{of_image}: {error}")
        if broken:
            raise ValueError("; ".join(broken[:_MAX_BROKEN]))
        labels = torch.tensor([item["label"] for item in objects], dtype=torch.int64)
        crowd = torch.tensor([item["crowd"] for item in objects], dtype=torch.bool)
        return Segmentation(self.classes, labels, masks=Masks.joined(masks), crowd=crowd)


class InstanceJson(CocoJson):
    """One JSON file of instances."""

    def __init__(self, file: Path, root: Path) -> None:
        super().__init__(file, root, "instances")
        used = {str(item.get("category_id")) for item in self.annotations}
        above = {str(item.get("supercategory")) for item in self.categories}
        named: dict[int, str] = {}
        for item in self.categories:
            key, name = self.check_category(item)
            self.check(key not in named, f"has two categories with the number {key}")
            # Roboflow lists the name of the project as a category, above all others, which no object has.
            is_project = name in above and item.get("supercategory") == "none"
            # Some list the background, so that numbers of classes begin at 0.
            is_background = name.strip("_ ").lower() == "background"
            if str(key) in used or not (is_project or is_background):
                named[key] = name
        self.named = dict(sorted(named.items()))

    def classes(self, wanted: GivenClasses) -> tuple[Classes, list[str]]:
        every, own = list(self.named.values()), self.own_classes()
        self.check(len(set(every)) == len(every), f"has categories of the same name: {few(every)}")
        if wanted is None and own:
            # Ours, unless somebody edited the categories: all of them, and the background besides.
            others = [name for name in own.names if name not in every]
            if others == [own.names[own.background or 0]]:
                return own, []
        chosen = object_classes(every, wanted, str(self.file))
        dropped = [name for name in every if name not in chosen.names]
        if not dropped:
            return chosen, []
        return chosen, [f"annotations of {few(dropped)} are left out: they are not among the classes"]

    def records(self, classes: Classes) -> tuple[list[Record], list[Record], list[str]]:
        objects: dict[Any, list[dict[str, Any]]] = {key: [] for key in self.sizes()}
        boxes = 0
        for item in self.annotations:
            number, shape, key = item.get("id"), item.get("segmentation"), item.get("image_id")
            known = type(key) in (int, str) and key in objects
            self.check(known, f"annotation {number}: there is no image {key!r}")
            name = self._category(item)
            if name not in classes.names:
                continue
            if not shape:
                boxes += 1
                continue
            crowd = item.get("iscrowd", 0) in (1, True)
            label = classes.names.index(name)
            objects[key].append({"id": number, "label": label, "segmentation": shape, "crowd": crowd})
        if boxes and not any(objects.values()):
            raise ValueError(
                f"{self.file}: all {boxes} annotations have a box and no mask: there is nothing to segment"
            )
        paths = self.paths()
        records = []
        for item in self.images:
            truth = {"size": [item["height"], item["width"]], "objects": objects[item["id"]]}
            annotations = json.dumps(truth).encode()
            records.append(Record.below(self.root, paths[item["file_name"]], annotations=annotations))
        notes = [*self.path_notes, *_crowd_notes(objects)]
        if boxes:
            notes.append(f"{boxes} annotations have a box and no mask: left out")
        return records, [], notes

    def _category(self, annotation: dict[str, Any]) -> str:
        """The name of an annotation's category."""
        category = annotation.get("category_id")
        known = type(category) is int and category in self.named
        self.check(known, f"annotation {annotation.get('id')}: there is no category {category!r}")
        return self.named[annotation["category_id"]]


def detect(path: Path) -> str | None:
    """Name the JSON files that look like COCO's; None if there are none."""
    if path.is_file() and not _is_coco(path) and _is_json(path):
        return None
    return _FILES.detect(path)


def available(path: Path) -> tuple[str, ...]:
    """List the splits that `read` accepts."""
    return _FILES.available(path)


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """Read a split; the classes are a background and the categories in the order of their numbers.

    Args:
        path: the data set's folder, or one JSON file.
        split: "train", "val", …, None for everything.
        classes: the categories to keep, in this order, with or without the background's name before them; all by
            default.
        void: must be None.
        colors: must be None.

    Raises:
        ValueError: a file is not such a JSON file, names images that are not there or lie outside the data, or
            annotates images or categories that it does not have. Faults of single polygons and run lengths are raised
            when the ground truth is read.
    """
    if void is not None or colors is not None:
        raise ValueError("COCO annotations have no mask values: leave --void and --colors out")
    contents = _FILES.read(path, split, classes)
    reader = ObjectAnnotationReader(contents.classes)
    return Dataset(**contents._asdict(), format="coco", truths=reader, faults=polygon_faults)


def write(dataset: Dataset, path: Path) -> None:
    """Write `annotations/instances_SPLIT.json` and the images, copied, in `SPLIT/` (`images/` without a split).

    Every segment but the background becomes an annotation with compressed run lengths, which keep holes and parts
    exact. This format cannot express void pixels: they become background.
    """
    folder = dataset.split or "images"
    annotations = Annotations(dataset.classes, scores=False)
    for i, name in enumerate(short_names(dataset.records)):
        annotations.add(copy_image(dataset, i, path / folder / name), dataset.truth(i))
    file = f"instances_{dataset.split}.json" if dataset.split else "instances.json"
    annotations.write(path / "annotations" / file)


def _find(path: Path) -> list[Path]:
    """The JSON files that look like COCO's."""
    if path.is_file():
        fits = path.suffix.lower() == ".json" and _PANOPTIC not in path.read_bytes()
        return [path] if fits else []
    roboflow = sorted(path.glob("*/_annotations.coco.json"))
    usual = roboflow or [*sorted(path.glob("annotations/*.json")), *sorted(path.glob("*.json"))]
    found = _with_usual_names(usual) or _probe(usual)
    # Other tools have other names (Label Studio result.json), and exports are unpacked into folders of their own.
    return found or _probe([*sorted(path.glob("*/*.json")), *sorted(path.glob("*/*/*.json"))])


def _with_usual_names(files: list[Path]) -> list[Path]:
    """The files that are called as COCO's usually are."""
    likely = [file for file in files if _is_likely(file.name)]
    instances = [file for file in likely if file.name.startswith("instances")]
    return instances or [file for file in likely if _is_coco(file)]


def _probe(files: list[Path]) -> list[Path]:
    """The files, of any name, whose content is COCO's."""
    return [file for file in files[:_MAX_PROBED] if _is_coco(file)]


def _is_likely(name: str) -> bool:
    return _LIKELY.fullmatch(Path(name).stem) is not None and "panoptic" not in name


def _is_coco(file: Path) -> bool:
    data = file.read_bytes()
    return all(key in data for key in KEYS) and _PANOPTIC not in data


def _crowd_notes(objects: dict[Any, list[dict[str, Any]]]) -> list[str]:
    """A note if so many objects are crowds that it is probably a mistake."""
    total = sum(len(items) for items in objects.values())
    crowds = 0
    for items in objects.values():
        crowds += sum(item["crowd"] for item in items)
    if not crowds or crowds < total / 2:
        return []
    return [
        f"{crowds} of {counted(total, 'annotation')} are crowds (iscrowd is 1): they are not learnt and not counted as "
        "objects. CVAT marks every painted mask so; if these are single objects, set iscrowd to 0"
    ]


def _is_json(file: Path) -> bool:
    """Tell if a file is whole JSON; one that is broken is better explained by what it should have been."""
    try:
        json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return False
    return True


def _lengths(shape: Any, height: int, width: int) -> list[int]:
    """The run lengths of one object, which is given as polygons or as run lengths."""
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


_FILES = CocoFiles(
    title="COCO annotations",
    missing=(
        "COCO annotations: wanted annotations/instances_train.json beside train/, or "
        "train/_annotations.coco.json, or instances.json beside images/"
    ),
    find=_find,
    load=InstanceJson,
)

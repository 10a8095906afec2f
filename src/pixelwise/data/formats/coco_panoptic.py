"""COCO panoptic: each image's segments are the colours of a PNG, and one JSON file says what each of them is.

Kirillov et al., "Panoptic Segmentation", CVPR 2019. Found are `annotations/panoptic_val2017.json` with the PNGs in
`annotations/panoptic_val2017/` and the images in `val2017/`, and a JSON file beside its folder of PNGs and `images/`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...classes import Classes, Color
from ...images.header import read_header
from ...images.reading import read_mask
from ...ops.phrases import counted, few
from ...segmentation import Segmentation
from ...types import Array
from ..dataset import Dataset, Fault, Record, short_names
from ..image_copy import copy_image
from ..recognition.class_names import GivenClasses, GivenColors, GivenVoid, select_classes
from .coco_json import KEYS, CocoJson, check_below, read_files, split_of, splits_of
from .panoptic_annotations import PanopticAnnotations

_MOST = 1 << 24


@dataclass(frozen=True)
class Segments:
    """Reads the ground truth of a record from its PNG and its part of the JSON: segment n is the n-th of the JSON.

    A segment that has no pixel in the PNG stays, empty: it is true, says the JSON, and has not been found.
    """

    classes: Classes

    def __call__(self, record: Record) -> Segmentation:
        found, numbers = self._read(record)
        place = _place(found, numbers)
        for fault in (self._twice(record, found), self._unlisted(record, numbers, place)):
            if fault:
                raise ValueError(fault.text)
        wanted = [segment["label"] is not None for segment in found]
        kept = [segment for segment in found if segment["label"] is not None]
        if len(kept) < len(found):
            place = np.where([False, *wanted], np.cumsum([0, *wanted]), 0).astype(np.int32)[place]
        scores = [segment["score"] for segment in kept]
        return Segmentation(
            self.classes,
            torch.tensor([segment["label"] for segment in kept], dtype=torch.int64),
            torch.tensor(scores, dtype=torch.float32) if None not in scores else None,
            ids=torch.from_numpy(place),
            crowd=torch.tensor([segment["crowd"] for segment in kept], dtype=torch.bool),
        )

    def faults(self, record: Record) -> tuple[Fault, ...]:
        """Where PNG and JSON contradict each other, or the JSON itself."""
        found, numbers = self._read(record)
        every = (
            self._twice(record, found),
            self._unlisted(record, numbers, _place(found, numbers)),
            *self._unlike(record, found, numbers),
        )
        return tuple(fault for fault in every if fault)

    def _read(self, record: Record) -> tuple[list[dict[str, Any]], Array]:
        """The segments of the JSON, and (H, W) int32 numbers."""
        assert record.mask is not None
        stated = json.loads(record.annotations)
        mode = read_header(record.mask).mode
        if mode not in ("RGB", "RGBA"):
            raise ValueError(
                f"{record.mask} is of the kind {mode}: a panoptic map is an RGB image, its numbers are "
                "R + 256 G + 65536 B"
            )
        values = read_mask(record.mask)
        height, width = values.shape[:2]
        if [height, width] != stated["size"]:
            raise ValueError(
                f"{record.mask} is {width}x{height}, but the JSON says {stated['size'][1]}x{stated['size'][0]}: "
                "they must agree"
            )
        bytes_of = np.zeros((height, width, 4), np.uint8)
        bytes_of[..., :3] = values if values.ndim == 3 else values[..., None]
        return stated["segments"], bytes_of.view("<i4")[..., 0]

    def _twice(self, record: Record, found: Sequence[dict[str, Any]]) -> Fault | None:
        times = Counter(segment["id"] for segment in found)
        twice = [number for number, often in times.items() if often > 1]
        text = f"the JSON lists segments of {record.mask} more than once: {few(twice)}; each needs a number of its own"
        return Fault("error", "twice", text) if twice else None

    def _unlisted(self, record: Record, numbers: Array, place: Array) -> Fault | None:
        loose, areas = np.unique(numbers[(place == 0) & (numbers > 0)], return_counts=True)
        text = (
            f"{record.mask} holds segments that the JSON does not list: {few(loose.tolist())}, "
            f"{counted(int(areas.sum()), 'pixel')}; list them, or make these pixels 0, which is void"
        )
        return Fault("error", "unlisted", text) if len(loose) else None

    def _unlike(self, record: Record, found: Sequence[dict[str, Any]], numbers: Array) -> Iterator[Fault]:
        """Segments without pixels, areas and boxes that are others than those of the pixels."""
        there, place, areas = np.unique(numbers, return_inverse=True, return_counts=True)
        area = dict(zip(there.tolist(), areas.tolist(), strict=True))
        lost = [segment["id"] for segment in found if segment["id"] not in area]
        if lost:
            text = f"the JSON lists segments that have no pixel in {record.mask}: {few(lost)}; they can never be found"
            yield Fault("error", "pixelless", text)
        held = [segment for segment in found if segment["id"] in area]
        wrong = [f"{s['id']} says {s['area']}, has {area[s['id']]}" for s in held if s["area"] != area[s["id"]]]
        if wrong:
            text = f"areas in the JSON do not add up with the pixels of {record.mask}: {few(wrong, 3)}"
            yield Fault("warning", "area", f"{text}; here pixels count, other programs may believe the JSON")
        ids = torch.from_numpy(place.reshape(numbers.shape).astype(np.int32) + 1)
        plain = Classes(("segment",))
        boxes = Segmentation(plain, torch.zeros(len(there), dtype=torch.int64), ids=ids).boxes().int().tolist()
        box = {n: [x1, y1, x2 - x1, y2 - y1] for n, (x1, y1, x2, y2) in zip(there.tolist(), boxes, strict=True)}
        wrong = [f"{s['id']} says {s['bbox']}, has {box[s['id']]}" for s in held if s["bbox"] != box[s["id"]]]
        if wrong:
            text = f"boxes in the JSON are not those of the pixels of {record.mask}: {few(wrong, 3)}"
            yield Fault("note", "box", text)


def _place(found: Sequence[dict[str, Any]], numbers: Array) -> Array:
    """(H, W) int32: for each pixel the place of its number among the segments of the JSON, from 1; 0 for no place."""
    table = np.zeros(_MOST, np.int32)
    table[[segment["id"] for segment in found]] = np.arange(1, len(found) + 1)
    return np.asarray(table[numbers])


def detect(path: Path) -> str | None:
    """Which JSON files are COCO panoptic, or None."""
    found = _files(path)
    return f"COCO panoptic in {few(file.name for _, file in found)}" if found else None


def available(path: Path) -> tuple[str, ...]:
    """The splits that can be asked for."""
    return splits_of(_need_files(path))


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """The images of a split; the classes are the categories in the order of their numbers, things and stuff.

    Args:
        path: the data set's folder, or one JSON file.
        split: "train", "val", …, None for everything.
        classes: the categories to keep, in this order; the others become void. All by default.
        void: must be None.
        colors: must be None.

    Raises:
        ValueError: a file is no such JSON, names images that are not there or lie outside the data, or segments of
            images and categories that it does not have. What a single PNG has wrong, `truth` says.
    """
    if void is not None or colors is not None:
        raise ValueError("COCO panoptic names its segments itself: leave --void and --colors out")
    found = read_files(path, _need_files(path), split, classes, _Source, "COCO panoptic")
    reader = Segments(found.classes)
    return Dataset(**found._asdict(), format="coco-panoptic", truths=reader, faults=reader.faults)


def write(dataset: Dataset, path: Path, info: Mapping[str, Any] | None = None) -> None:
    """`annotations/panoptic_SPLIT.json`, PNGs in `annotations/panoptic_SPLIT/`, and the images, copied, in `SPLIT/`.

    Without a split these are `panoptic.json`, `panoptic/` and `images/`. Crowds are kept. Of masks that overlap the
    smaller lies on top, and crowds lie below all.

    Args:
        dataset: what is written.
        path: the folder.
        info: what the JSON is to say of the data; what it calls "approximate" is told when they are opened.
    """
    folder = path / "annotations" / f"panoptic{'_' * bool(dataset.split)}{dataset.split or ''}"
    annotations = PanopticAnnotations(dataset.classes, folder, scores=False, info=info)
    for i, name in enumerate(short_names(dataset.records)):
        annotations.add(copy_image(dataset, i, path / (dataset.split or "images") / name), dataset.truth(i))
    annotations.write(folder.with_name(f"{folder.name}.json"))


class _Source(CocoJson):
    """One JSON file of panoptic segments."""

    def __init__(self, file: Path, root: Path) -> None:
        super().__init__(file, root, "panoptic segments")
        self.named: dict[int, dict[str, Any]] = {}
        for item in sorted(self.categories, key=lambda item: self.check_category(item)[0]):
            key, name = self.check_category(item)
            self.check(key not in self.named, f"has two categories with the number {key}")
            self.check(item.get("isthing") in (0, 1), f"does not say whether {name!r} is a thing (isthing: 0 or 1)")
            self.named[key] = item

    def classes(self, wanted: GivenClasses) -> tuple[Classes, list[str]]:
        names = [item["name"] for item in self.named.values()]
        self.check(len(set(names)) == len(names) > 0, f"has categories of the same name, or none: {few(names)}")
        things = [bool(item["isthing"]) for item in self.named.values()]
        colors = [_color(item.get("color")) for item in self.named.values()]
        shown = tuple(color for color in colors if color)
        every = Classes(tuple(names), shown if len(shown) == len(names) else (), tuple(things))
        ours = self.written()
        every = ours if ours and (ours.names, ours.things) == (every.names, every.things) else every
        approximate = self.info.get("approximate")
        notes = [f"approximate: {approximate}"] if isinstance(approximate, str) else []
        if wanted is None:
            return every, notes
        chosen = (
            wanted if isinstance(wanted, Classes) else select_classes(every, wanted, f"{self.file} has no category")
        )
        left = [name for name in names if name not in chosen.names]
        void = [f"segments of {few(left)} are void: they are not among the classes"] if left else []
        return chosen, notes + void

    def records(self, classes: Classes) -> tuple[list[Record], list[Record], list[str]]:
        sizes, paths = self.sizes(), self.paths()
        segments: dict[Any, tuple[str, list[dict[str, Any]]]] = {}
        maps: set[str] = set()
        for item in self.annotations:
            key, name, infos = item.get("image_id"), item.get("file_name"), item.get("segments_info")
            self.check(type(key) in (int, str) and key in sizes, f"annotates an image that it does not have: {key!r}")
            self.check(key not in segments, f"annotates the image {key!r} twice")
            if not isinstance(name, str) or not isinstance(infos, list):
                raise ValueError(f"{self.file}: image {key!r} has no file_name or no list called segments_info")
            check_below(name, f"{self.file}: the panoptic map")
            self.check(name not in maps, f"gives two images the same panoptic map: {name}")
            maps.add(name)
            segments[key] = name, [self._segment(segment, key, classes) for segment in infos]
        folder = self._folder([name for name, _ in segments.values()])
        records: list[Record] = []
        unpaired: list[Record] = []
        for item in self.images:
            image = paths[item["file_name"]]
            name, infos = segments.get(item["id"], ("", []))
            truth = json.dumps({"size": sizes[item["id"]], "segments": infos}).encode()
            record = Record.below(self.root, image, folder / name, truth)
            (records if name and (folder / name).is_file() else unpaired).append(record)
        return records, unpaired, []

    def _segment(self, found: Any, image: object, classes: Classes) -> dict[str, Any]:
        """What is needed of one entry of segments_info; label None for a class that is not wanted."""
        number = found.get("id") if isinstance(found, dict) else None
        if type(number) is not int or not 0 < number < _MOST:
            raise ValueError(
                f"{self.file}: image {image!r} has a segment with the number {number!r}: it must be from 1 to "
                f"{_MOST - 1}, as R + 256 G + 65536 B gives them"
            )
        category, score = found.get("category_id"), found.get("score")
        if type(category) is not int or category not in self.named:
            raise ValueError(f"{self.file}: image {image!r}, segment {number}: there is no category {category!r}")
        name = self.named[category]["name"]
        return {
            "id": number,
            "label": classes.names.index(name) if name in classes.names else None,
            "crowd": found.get("iscrowd", 0) in (1, True),
            "score": float(score) if type(score) in (int, float) and 0 <= score <= 1 else None,
            "area": found.get("area"),
            "bbox": found.get("bbox"),
        }

    def _folder(self, names: Sequence[str]) -> Path:
        """Where the PNGs lie."""
        beside = self.file.with_suffix("")
        places = [place for place in (beside, self.root / self.file.stem, self.file.parent) if place.is_dir()]
        folder = next((place for place in places if any((place / name).is_file() for name in names)), None)
        if folder is None and names:
            raise ValueError(f"{self.file} names panoptic maps that are not in {beside}: {few(names)}")
        return folder or beside


def _color(found: Any) -> Color | None:
    """Three numbers from 0 to 255, if they are."""
    whole = isinstance(found, list) and len(found) == 3 and all(type(v) is int and 0 <= v <= 255 for v in found)
    return (found[0], found[1], found[2]) if whole else None


def _files(path: Path) -> list[tuple[str | None, Path]]:
    """The JSON files of this format, each with its split."""
    if path.is_file():
        files = [path] if path.suffix.lower() == ".json" else []
    else:
        files = [*sorted(path.glob("annotations/*.json")), *sorted(path.glob("*.json"))]
        named = [file for file in files if "panoptic" in file.name.lower()]
        files = named or [file for file in files if file.with_suffix("").is_dir()]
    return [(split_of(file), file) for file in files if _is_panoptic(file)]


def _need_files(path: Path) -> list[tuple[str | None, Path]]:
    found = _files(path)
    if not found:
        raise ValueError(
            f"{path} holds no COCO panoptic data: wanted annotations/panoptic_train.json beside "
            "annotations/panoptic_train/ with the PNGs, and the images in train/"
        )
    return found


def _is_panoptic(file: Path) -> bool:
    data = file.read_bytes()
    return all(key in data for key in (*KEYS, b'"segments_info"'))

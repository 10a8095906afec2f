"""COCO panoptic: each image's segments are the colours of a PNG, and one JSON file says what each of them is.

Kirillov et al., "Panoptic Segmentation", CVPR 2019. Recognised are `annotations/panoptic_val2017.json` with the PNGs in
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
from .coco_files import CocoFiles
from .coco_json import KEYS, CocoJson, check_below
from .panoptic_annotations import PanopticAnnotations

NUMBERS = 1 << 24
"""Numbers that a segment may have: three bytes."""


@dataclass(frozen=True)
class SegmentReader:
    """Reads the ground truth of a record from its PNG and its part of the JSON: segment n is the n-th of the JSON.

    A segment that has no pixel in the PNG is kept, empty: the JSON lists it, so a prediction can miss it.
    """

    classes: Classes

    def __call__(self, record: Record) -> Segmentation:
        segments, numbers = _read(record)
        place = _place(segments, numbers)
        for fault in (_repeated(record, segments), _unlisted(record, numbers, place)):
            if fault:
                raise ValueError(fault.text)
        wanted = [segment["label"] is not None for segment in segments]
        kept = [segment for segment in segments if segment["label"] is not None]
        if len(kept) < len(segments):
            renumbered = np.where([False, *wanted], np.cumsum([0, *wanted]), 0).astype(np.int32)
            place = renumbered[place]
        labels = torch.tensor([segment["label"] for segment in kept], dtype=torch.int64)
        crowd = torch.tensor([segment["crowd"] for segment in kept], dtype=torch.bool)
        scores = [segment["score"] for segment in kept]
        return Segmentation(
            self.classes,
            labels,
            torch.tensor(scores, dtype=torch.float32) if None not in scores else None,
            ids=torch.from_numpy(place),
            crowd=crowd,
        )

    def faults(self, record: Record) -> tuple[Fault, ...]:
        """List the contradictions between PNG and JSON, and within the JSON."""
        segments, numbers = _read(record)
        errors = (_repeated(record, segments), _unlisted(record, numbers, _place(segments, numbers)))
        return (*(fault for fault in errors if fault), *_mismatches(record, segments, numbers))


class PanopticJson(CocoJson):
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
        every = self._every_class()
        approximate = self.info.get("approximate")
        notes = [f"approximate: {approximate}"] if isinstance(approximate, str) else []
        if wanted is None:
            return every, notes
        if isinstance(wanted, Classes):
            chosen = wanted
        else:
            chosen = select_classes(every, wanted, f"{self.file} has no category")
        dropped = [name for name in every.names if name not in chosen.names]
        if dropped:
            notes.append(f"segments of {few(dropped)} are void: they are not among the classes")
        return chosen, notes

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
            segments[key] = name, [self._segment(info, key, classes) for info in infos]
        folder = self._folder([name for name, _ in segments.values()])
        records: list[Record] = []
        unpaired: list[Record] = []
        for item in self.images:
            name, infos = segments.get(item["id"], ("", []))
            truth = json.dumps({"size": sizes[item["id"]], "segments": infos}).encode()
            record = Record.below(self.root, paths[item["file_name"]], folder / name, truth)
            group = records if name and (folder / name).is_file() else unpaired
            group.append(record)
        return records, unpaired, []

    def _every_class(self) -> Classes:
        """All categories, in the file's colours if each has one."""
        items = self.named.values()
        names = tuple(item["name"] for item in items)
        self.check(len(set(names)) == len(names) > 0, f"has categories of the same name, or none: {few(names)}")
        things = tuple(bool(item["isthing"]) for item in items)
        own = self.own_classes()
        if own and (own.names, own.things) == (names, things):
            return own
        colors = [_color(item.get("color")) for item in items]
        known = tuple(color for color in colors if color)
        return Classes(names, known if len(known) == len(names) else (), things)

    def _segment(self, info: Any, image: object, classes: Classes) -> dict[str, Any]:
        """The needed values of an entry of segments_info; the label is None for a class that is not wanted."""
        number = info.get("id") if isinstance(info, dict) else None
        if type(number) is not int or not 0 < number < NUMBERS:
            raise ValueError(
                f"{self.file}: image {image!r} has a segment with the number {number!r}: it must be from 1 to "
                f"{NUMBERS - 1}, as R + 256 G + 65536 B gives them"
            )
        category, score = info.get("category_id"), info.get("score")
        if type(category) is not int or category not in self.named:
            raise ValueError(f"{self.file}: image {image!r}, segment {number}: there is no category {category!r}")
        name = self.named[category]["name"]
        return {
            "id": number,
            "label": classes.names.index(name) if name in classes.names else None,
            "crowd": info.get("iscrowd", 0) in (1, True),
            "score": float(score) if type(score) in (int, float) and 0 <= score <= 1 else None,
            "area": info.get("area"),
            "bbox": info.get("bbox"),
        }

    def _folder(self, names: Sequence[str]) -> Path:
        """The folder of the PNGs."""
        beside = self.file.with_suffix("")
        for place in (beside, self.root / self.file.stem, self.file.parent):
            if place.is_dir() and any((place / name).is_file() for name in names):
                return place
        if names:
            raise ValueError(f"{self.file} names panoptic maps that are not in {beside}: {few(names)}")
        return beside


def detect(path: Path) -> str | None:
    """Name the JSON files that are COCO panoptic; None if there are none."""
    return _FILES.detect(path)


def available(path: Path) -> tuple[str, ...]:
    """List the splits that `read` accepts."""
    return _FILES.available(path)


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """Read a split; the classes are the categories in the order of their numbers, things and stuff.

    Args:
        path: the data set's folder, or one JSON file.
        split: "train", "val", …, None for everything.
        classes: the categories to keep, in this order; the others become void. All by default.
        void: must be None.
        colors: must be None.

    Raises:
        ValueError: a file is not such a JSON file, names images that are not there or lie outside the data, or has
            segments of images or categories that it does not have. Faults of single PNGs are raised when the ground
            truth is read.
    """
    if void is not None or colors is not None:
        raise ValueError("COCO panoptic names its segments itself: leave --void and --colors out")
    contents = _FILES.read(path, split, classes)
    reader = SegmentReader(contents.classes)
    return Dataset(**contents._asdict(), format="coco-panoptic", truths=reader, faults=reader.faults)


def write(dataset: Dataset, path: Path, info: Mapping[str, Any] | None = None) -> None:
    """Write `annotations/panoptic_SPLIT.json`, PNGs in `annotations/panoptic_SPLIT/`, and the images in `SPLIT/`.

    Without a split these are `panoptic.json`, `panoptic/` and `images/`. Images are copied, crowds are kept. Of masks
    that overlap the one with the higher score lies on top, of equal scores the smaller; crowds lie below all.

    Args:
        dataset: the data set to write.
        path: the folder.
        info: a description of the data for the JSON; opening the data repeats its "approximate" as a note.
    """
    folder = path / "annotations" / (f"panoptic_{dataset.split}" if dataset.split else "panoptic")
    annotations = PanopticAnnotations(dataset.classes, folder, scores=False, info=info)
    for i, name in enumerate(short_names(dataset.records)):
        annotations.add(copy_image(dataset, i, path / (dataset.split or "images") / name), dataset.truth(i))
    annotations.write(folder.with_name(f"{folder.name}.json"))


def _read(record: Record) -> tuple[list[dict[str, Any]], Array]:
    """The segments of the JSON, and the (H, W) int32 numbers of the PNG."""
    assert record.mask is not None
    stated = json.loads(record.annotations)
    mode = read_header(record.mask).mode
    if mode not in ("RGB", "RGBA"):
        raise ValueError(
            f"{record.mask} is of the kind {mode}: a panoptic map is an RGB image, its numbers are R + 256 G + 65536 B"
        )
    values = read_mask(record.mask)
    height, width = values.shape[:2]
    if [height, width] != stated["size"]:
        raise ValueError(
            f"{record.mask} is {width}x{height}, but the JSON says {stated['size'][1]}x{stated['size'][0]}: "
            "they must agree"
        )
    # Four bytes a pixel, of which the last is 0, are a number in 32 bits.
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[..., :3] = values if values.ndim == 3 else values[..., None]
    return stated["segments"], pixels.view("<i4")[..., 0]


def _place(segments: Sequence[dict[str, Any]], numbers: Array) -> Array:
    """(H, W) int32: the place of each pixel's segment in the JSON, counted from 1; 0 if it is not there."""
    table = np.zeros(NUMBERS, np.int32)
    table[[segment["id"] for segment in segments]] = np.arange(1, len(segments) + 1)
    return np.asarray(table[numbers])


def _repeated(record: Record, segments: Sequence[dict[str, Any]]) -> Fault | None:
    """Segments that the JSON lists more than once."""
    times = Counter(segment["id"] for segment in segments)
    repeated = [number for number, often in times.items() if often > 1]
    if not repeated:
        return None
    listed = f"the JSON lists segments of {record.mask} more than once: {few(repeated)}"
    return Fault("error", "twice", f"{listed}; each needs a number of its own")


def _unlisted(record: Record, numbers: Array, place: Array) -> Fault | None:
    """Segments of the PNG that the JSON does not list."""
    loose, areas = np.unique(numbers[(place == 0) & (numbers > 0)], return_counts=True)
    if not len(loose):
        return None
    text = (
        f"{record.mask} holds segments that the JSON does not list: {few(loose.tolist())}, "
        f"{counted(int(areas.sum()), 'pixel')}; list them, or make these pixels 0, which is void"
    )
    return Fault("error", "unlisted", text)


def _mismatches(record: Record, segments: Sequence[dict[str, Any]], numbers: Array) -> Iterator[Fault]:
    """Segments without pixels, and areas and boxes that differ from those of the pixels."""
    present, areas, boxes = _measure(numbers)
    area_of = dict(zip(present, areas, strict=True))
    box_of = dict(zip(present, boxes, strict=True))
    lost = [segment["id"] for segment in segments if segment["id"] not in area_of]
    if lost:
        text = f"the JSON lists segments that have no pixel in {record.mask}: {few(lost)}; they can never be found"
        yield Fault("error", "pixelless", text)
    held = [segment for segment in segments if segment["id"] in area_of]
    wrong = _differences(held, "area", area_of)
    if wrong:
        text = f"areas in the JSON do not add up with the pixels of {record.mask}: {few(wrong, 3)}"
        yield Fault("warning", "area", f"{text}; here pixels count, other programs may believe the JSON")
    wrong = _differences(held, "bbox", box_of)
    if wrong:
        text = f"boxes in the JSON are not those of the pixels of {record.mask}: {few(wrong, 3)}"
        yield Fault("note", "box", text)


def _measure(numbers: Array) -> tuple[list[int], list[int], list[list[int]]]:
    """The numbers in a PNG in ascending order, their pixels, and their boxes (x, y, width, height)."""
    present, place, areas = np.unique(numbers, return_inverse=True, return_counts=True)
    ids = torch.from_numpy(place.reshape(numbers.shape).astype(np.int32) + 1)
    labels = torch.zeros(len(present), dtype=torch.int64)
    corners = Segmentation(Classes(("segment",)), labels, ids=ids).boxes().int().tolist()
    boxes = [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in corners]
    return present.tolist(), areas.tolist(), boxes


def _differences(segments: Sequence[dict[str, Any]], key: str, measured: Mapping[int, object]) -> list[str]:
    """Segments whose value in the JSON is not the measured one, in words."""
    wrong = [segment for segment in segments if segment[key] != measured[segment["id"]]]
    return [f"{segment['id']} says {segment[key]}, has {measured[segment['id']]}" for segment in wrong]


def _color(color: Any) -> Color | None:
    """A colour in the JSON; None if it is not three numbers from 0 to 255."""
    if not isinstance(color, list) or len(color) != 3:
        return None
    if not all(type(value) is int and 0 <= value <= 255 for value in color):
        return None
    return color[0], color[1], color[2]


def _find(path: Path) -> list[Path]:
    """The JSON files of this format."""
    if path.is_file():
        files = [path] if path.suffix.lower() == ".json" else []
    else:
        files = [*sorted(path.glob("annotations/*.json")), *sorted(path.glob("*.json"))]
        named = [file for file in files if "panoptic" in file.name.lower()]
        files = named or [file for file in files if file.with_suffix("").is_dir()]
    return [file for file in files if _is_panoptic(file)]


def _is_panoptic(file: Path) -> bool:
    data = file.read_bytes()
    return all(key in data for key in (*KEYS, b'"segments_info"'))


_FILES = CocoFiles(
    title="COCO panoptic",
    missing=(
        "COCO panoptic data: wanted annotations/panoptic_train.json beside annotations/panoptic_train/ with the PNGs, "
        "and the images in train/"
    ),
    find=_find,
    load=PanopticJson,
)

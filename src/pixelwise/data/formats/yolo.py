"""YOLO's polygons: `data.yaml`, images in `images/`, and for each a text in `labels/` with an object per line.

A line is the number of the class and then x y x y … of one polygon, as fractions of width and height from 0 to 1. The
format is that of Ultralytics' "Instance Segmentation Datasets": https://docs.ultralytics.com/datasets/segment/. It has
no crowds, and one polygon per object. An object with parts or holes is written as one polygon that goes from part to
part and back on the same way, which the even-odd rule does not see.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml

from ...classes import Classes
from ...images.header import read_header
from ...masks import Masks
from ...ops.atomic_files import write_aside, write_text
from ...ops.phrases import counted, few
from ...ops.polygons import Ring, join_rings, rasterise, trace
from ...segmentation import Segmentation
from ...types import Size
from ..dataset import Dataset, Record, short_names
from ..image_copy import copy_image
from ..recognition.class_names import GivenClasses, GivenColors, GivenVoid
from ..recognition.class_spec import write_classes
from ..recognition.splits import check_split, draw_records, order_splits
from ..recognition.text_lists import read_lines
from .yolo_source import NO_LABELS, YoloSource, find_yaml, label_of

_LINE = re.compile(r"\s*\d+(\s+[-+.\deE]+){4,}\s*")


@dataclass(frozen=True)
class PolygonReader:
    """Reads the ground truth of a record from its text.

    Attributes:
        classes: of the ground truth.
        labels: the class of each number in the texts, or -1 if it is left out.
    """

    classes: Classes
    labels: tuple[int, ...]

    def __call__(self, record: Record) -> Segmentation:
        height, width = read_header(record.image).size
        lines = [] if record.mask is None else record.mask.read_text("utf-8-sig", "replace").splitlines()
        labels: list[int] = []
        outlines: list[list[int]] = []
        for k, line in enumerate(lines):
            if not line.strip():
                continue
            try:
                number, polygon = parse(line)
                if number >= len(self.labels):
                    raise ValueError(f"there is no class {number}: they are numbered 0 to {len(self.labels) - 1}")
                if self.labels[number] < 0:
                    continue
                corners = [value * (height if n % 2 else width) for n, value in enumerate(polygon)]
                outlines.append(rasterise([corners], height, width))
            except ValueError as error:
                raise ValueError(f"{record.mask}, line {k + 1}: {error}") from None
            labels.append(self.labels[number])
        masks = Masks.from_lengths(outlines, (height, width))
        return Segmentation(self.classes, torch.tensor(labels, dtype=torch.int64), masks=masks)


def parse(line: str) -> tuple[int, list[float]]:
    """Parse a line: the number of the class and the coordinates of one object.

    Raises:
        ValueError: the line is not valid; the error says why.
    """
    first, *rest = line.split()
    if not (first.isascii() and first.isdigit() and len(first) < 6):
        raise ValueError(f"it begins with {first[:20]!r}: wanted the number of a class, from 0 on")
    try:
        values = [float(text) for text in rest]
    except ValueError as error:
        raise ValueError(f"{error}: wanted coordinates after the number of the class") from None
    if len(values) == 4:
        raise ValueError("it is a box (x y width height) and no polygon: a box has no mask to learn from")
    if len(values) % 2 or len(values) < 6:
        raise ValueError(f"it has {counted(len(values), 'coordinate')}: a polygon has x and y of three corners or more")
    for value in values:
        if not (math.isfinite(value) and 0 <= value <= 1):
            raise ValueError(
                f"a coordinate is {value:g}: they are shares of width and height, from 0 to 1, and no pixels"
            )
    return int(first), values


def detect(path: Path) -> str | None:
    """Name the file that names the classes, or say that there are texts like YOLO's; None if there is neither."""
    file = find_yaml(path)
    if file is not None:
        return f"YOLO polygons of {file.name}"
    if not (path / "images").is_dir():
        return None
    for text in sorted(path.glob("labels/**/*.txt"))[:20]:
        lines = [] if text.name in NO_LABELS else read_lines(text)
        if lines:
            return "YOLO labels in labels/" if _LINE.fullmatch(lines[0]) else None
    return None


def available(path: Path) -> tuple[str, ...]:
    """List the splits that `read` accepts."""
    return order_splits(YoloSource(path).splits) or ("train", "val")


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """Read a split; the classes are a background and those that `data.yaml` names.

    Args:
        path: the folder with `data.yaml`, or that file.
        split: "train", "val", …, None for everything.
        classes: those to keep, in this order, with or without the background's name before them; all by default. If
            there is no `data.yaml`, the names of all, in the order of their numbers.
        void: must be None.
        colors: must be None.

    Raises:
        ValueError: nothing names the classes, folders or listed images are not there or lie outside the data, or a text
            has no image. Faults of single texts are raised, with the line, when the ground truth is read.
    """
    if void is not None or colors is not None:
        raise ValueError("YOLO labels have no mask values: leave --void and --colors out")
    source = YoloSource(path)
    every, chosen = source.classes(classes)
    split = check_split(split, source.splits, path)
    records = [_record(source.root, image) for image in source.images(split)]
    if len({record.name for record in records}) < len(records):
        raise ValueError(f"{source.root}: two images have the same name up to the suffix: rename one of them")
    dropped = [name for name in every if name not in chosen.names]
    notes = [f"{detect(source.file or source.root)}, {counted(len(every), 'class', 'classes')}", *source.notes]
    notes += _note_unlabelled(source.root, records)
    if dropped:
        notes.append(f"objects of {few(dropped)} are left out: they are not among the classes")
    kept, note = draw_records(records, split, source.splits, source.root)
    labels = tuple(chosen.names.index(name) if name in chosen.names else -1 for name in every)
    return Dataset(chosen, kept, split, "yolo", (*notes, *note), PolygonReader(chosen, labels))


def write(dataset: Dataset, path: Path) -> None:
    """Write `images/SPLIT/NAME`, copied, `labels/SPLIT/NAME.txt`, `data.yaml`, and `classes.json`.

    `data.yaml` names all splits in the folder; only pixelwise reads `classes.json`. Every segment but the background
    becomes one polygon along the edges of its pixels, so that reading it gives the same mask. This format cannot
    express crowds and void pixels: they become background. A warning counts the objects that are left out, and those
    whose parts and holes are one polygon. Without a split everything is "train", and validation has to be added to
    `data.yaml` by hand.
    """
    below, labels = dataset.split or "", LabelWriter()
    for i, name in enumerate(short_names(dataset.records)):
        copy_image(dataset, i, path / "images" / below / name)
        labels.add(dataset.truth(i), path / "labels" / below / f"{name}.txt")
    labels.warn()
    names = [name for name in ("train", "val", "test", below) if name and (path / "images" / name).is_dir()]
    splits = {name: f"images/{name}" for name in names}
    write_names(dataset.classes, splits or {"train": "images"}, path)
    write_classes(dataset.classes, (), path / "classes.json")


def write_names(classes: Classes, splits: Mapping[str, str], path: Path) -> None:
    """Write `data.yaml`: the folder of each split's images, and the names of the classes without the background."""
    names = [name for k, name in enumerate(classes.names) if k != classes.background]
    content = {**splits, "names": dict(enumerate(names))}
    write_text(path / "data.yaml", yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


class LabelWriter:
    """Writes polygons, a text for each image, and counts the objects that the format cannot express exactly."""

    def __init__(self) -> None:
        # The text of each such object.
        self._left_out: list[Path] = []
        self._joined: list[Path] = []

    def add(self, segments: Segmentation, path: Path) -> None:
        """Write a line for each segment but the background, crowds and empty segments.

        The numbers of the classes do not count the background.
        """
        background, masks = segments.classes.background, segments.as_masks()
        with write_aside(path) as aside, aside.open("w", encoding="utf-8") as file:
            for n, label in enumerate(segments.labels.tolist()):
                if label == background:
                    continue
                crop, corner = masks.crop(n)
                rings = [] if segments.crowd[n] else trace(crop)
                if not rings:
                    self._left_out.append(path)
                    continue
                if len(rings) > 1:
                    self._joined.append(path)
                number = label - int(background is not None and label > background)
                file.write(f"{number} {_fractions(join_rings(rings), corner, segments.size)}\n")

    def notes(self) -> list[str]:
        """Describe in sentences the objects that are left out or changed; empty if there are none."""
        notes = []
        if self._left_out:
            objects = counted(
                len(self._left_out),
                "object without a pixel, or a crowd, is",
                "objects without a pixel, or crowds, are",
            )
            notes.append(f"{objects} left out in YOLO's texts; the first in {self._left_out[0]}")
        if self._joined:
            objects = counted(
                len(self._joined),
                "object of several parts, or with holes, is",
                "objects of several parts, or with holes, are",
            )
            notes.append(f"{objects} one polygon in YOLO's texts; the first in {self._joined[0]}")
        return notes

    def warn(self) -> None:
        """Warn with each note, at the line that called the writing function."""
        for note in self.notes():
            warnings.warn(note, stacklevel=3)


def _fractions(ring: Ring, corner: tuple[int, int], size: Size) -> str:
    """The corners of a ring as fractions of the image's width and height; `corner` is the ring's origin (x, y)."""
    (left, top), (height, width) = corner, size
    return " ".join(f"{(x + left) / width:.6g} {(y + top) / height:.6g}" for x, y in ring)


def _note_unlabelled(root: Path, records: Sequence[Record]) -> list[str]:
    """A note of the images that have no label.

    Raises:
        ValueError: no image has one.
    """
    without = [record.name for record in records if record.mask is None]
    if records and len(without) == len(records):
        raise ValueError(
            f"{root}: none of {counted(len(records), 'image')} has a label; for {records[0].image} wanted "
            f"{label_of(root, records[0].image)}"
        )
    if not without:
        return []
    return [f"{counted(len(without), 'image has', 'images have')} no label and so no objects: {few(without)}"]


def _record(root: Path, image: Path) -> Record:
    label = label_of(root, image)
    return Record.below(root, image, label if label.is_file() else None)

"""YOLO's polygons: `data.yaml`, images in `images/`, and for each a text in `labels/` with an object a line.

A line is the number of the class and then x y x y … of one polygon, as shares of width and height from 0 to 1. The
format is that of Ultralytics' "Instance Segmentation Datasets": https://docs.ultralytics.com/datasets/segment/. It has
no crowds, and one polygon an object. An object with parts or holes is written as one polygon that runs from part to
part and back on the same way, of which the even-odd rule sees nothing.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml

from ...classes import Classes
from ...images.header import read_header
from ...masks import Masks
from ...ops.atomic_files import write_aside, write_text
from ...ops.phrases import counted, few
from ...ops.polygons import join_rings, rasterise, trace
from ...segmentation import Segmentation
from ..dataset import Dataset, Record, short_names
from ..image_copy import copy_image
from ..recognition import class_spec
from ..recognition.class_names import GivenClasses, GivenColors, GivenVoid
from ..recognition.splits import check_split, draw_records, order_splits
from ..recognition.text_lists import read_lines
from .yolo_source import NO_LABELS, Source, find_yaml, label_of

_LINE = re.compile(r"\s*\d+(\s+[-+.\deE]+){4,}\s*")


@dataclass(frozen=True)
class Polygons:
    """Reads the ground truth of a record from its text.

    Attributes:
        classes: of the ground truth.
        numbers: the class of each number in the texts, or -1 where it is left out.
    """

    classes: Classes
    numbers: tuple[int, ...]

    def __call__(self, record: Record) -> Segmentation:
        height, width = read_header(record.image).size
        lines = [] if record.mask is None else record.mask.read_text("utf-8-sig", "replace").splitlines()
        labels, outlines = [], []
        for k, line in enumerate(lines):
            if not line.strip():
                continue
            try:
                number, polygon = parse(line)
                if number >= len(self.numbers):
                    raise ValueError(f"there is no class {number}: they are numbered 0 to {len(self.numbers) - 1}")
                if self.numbers[number] < 0:
                    continue
                corners = [value * (width, height)[n % 2] for n, value in enumerate(polygon)]
                outlines.append(rasterise([corners], height, width))
            except ValueError as error:
                raise ValueError(f"{record.mask}, line {k + 1}: {error}") from None
            labels.append(self.numbers[number])
        masks = Masks.from_lengths(outlines, (height, width))
        return Segmentation(self.classes, torch.tensor(labels, dtype=torch.int64), masks=masks)


def parse(line: str) -> tuple[int, list[float]]:
    """The number of the class and the coordinates of one object.

    Raises:
        ValueError: what is wrong with the line.
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
    wrong = next((value for value in values if not (math.isfinite(value) and 0 <= value <= 1)), None)
    if wrong is not None:
        raise ValueError(f"a coordinate is {wrong:g}: they are shares of width and height, from 0 to 1, and no pixels")
    return int(first), values


def detect(path: Path) -> str | None:
    """The file that names the classes, or that there are texts as YOLO has them; None where neither is so."""
    file = find_yaml(path)
    if file is not None:
        return f"YOLO polygons of {file.name}"
    texts = sorted(path.glob("labels/**/*.txt")) if (path / "images").is_dir() else []
    first = next((line for text in texts[:20] if text.name not in NO_LABELS for line in read_lines(text)[:1]), "")
    return "YOLO labels in labels/" if _LINE.fullmatch(first) else None


def available(path: Path) -> tuple[str, ...]:
    """The splits that can be asked for."""
    return order_splits(Source(path).splits) or ("train", "val")


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """The images of a split; the classes are a background and those that `data.yaml` names.

    Args:
        path: the folder with `data.yaml`, or that file.
        split: "train", "val", …, None for everything.
        classes: those to keep, in this order, with the background's name before them or not; all by default. Where
            there is no `data.yaml`, the names of all, in the order of their numbers.
        void: must be None.
        colors: must be None.

    Raises:
        ValueError: nothing names the classes; folders or listed images are not there or lie outside the data; a text
            has no image. What a single text has wrong, `truth` says, with its line.
    """
    if void is not None or colors is not None:
        raise ValueError("YOLO labels have no mask values: leave --void and --colors out")
    source = Source(path)
    every, chosen = source.classes(classes)
    found = source.splits
    wanted = check_split(split, found, path)
    parts = [found[wanted]] if wanted in found else list(found.values()) or [source.undivided]
    records = [_record(source.root, image) for image in dict.fromkeys(image for part in parts for image in part)]
    if len({record.name for record in records}) < len(records):
        raise ValueError(f"{source.root}: two images have the same name up to the suffix: rename one of them")
    without = [record.name for record in records if record.mask is None]
    if records and len(without) == len(records):
        raise ValueError(
            f"{source.root}: none of {counted(len(records), 'image')} has a label; for {records[0].image} wanted "
            f"{label_of(source.root, records[0].image)}"
        )
    notes = [f"{detect(source.file or source.root)}, {counted(len(every), 'class', 'classes')}", *source.notes]
    if without:
        notes.append(f"{counted(len(without), 'image has', 'images have')} no label and so no objects: {few(without)}")
    left = [name for name in every if name not in chosen.names]
    notes += [f"objects of {few(left)} are left out: they are not among the classes"] * bool(left)
    kept, note = draw_records(records, wanted, found, source.root)
    numbers = tuple(chosen.names.index(name) if name in chosen.names else -1 for name in every)
    return Dataset(chosen, kept, wanted, "yolo", (*notes, *note), Polygons(chosen, numbers))


def write(dataset: Dataset, path: Path) -> None:
    """`images/SPLIT/NAME`, copied, `labels/SPLIT/NAME.txt`, `data.yaml`, which names all splits in the folder, and
    `classes.json`, which only pixelwise reads.

    Every segment but the background becomes one polygon along the edges of its pixels, so that reading it gives the
    same mask. Crowds and void pixels cannot be told in this format: they become background. A warning counts the
    objects that are left out, and those whose parts and holes are one polygon. Without a split all is
    "train", and validation has to be added to `data.yaml` by hand.
    """
    below, texts = dataset.split or "", Texts()
    for i, name in enumerate(short_names(dataset.records)):
        copy_image(dataset, i, path / "images" / below / name)
        texts.add(dataset.truth(i), path / "labels" / below / f"{name}.txt")
    texts.warn()
    splits = {
        split: f"images/{split}" for split in ("train", "val", "test", below) if (path / "images" / split).is_dir()
    }
    splits.pop("", None)
    write_names(dataset.classes, splits or {"train": "images"}, path)
    class_spec.write_classes(dataset.classes, (), path / "classes.json")


def write_names(classes: Classes, splits: Mapping[str, str], path: Path) -> None:
    """`data.yaml`: the folder of each split's images, and the names of the classes without the background."""
    names = [name for k, name in enumerate(classes.names) if k != classes.background]
    whole = {**splits, "names": dict(enumerate(names))}
    write_text(path / "data.yaml", yaml.safe_dump(whole, sort_keys=False, allow_unicode=True))


class Texts:
    """Writes polygons, a text for each image, and counts the objects that the format cannot hold as they are."""

    def __init__(self) -> None:
        self._left_out, self._joined = list[Path](), list[Path]()  # the text of each such object

    def add(self, segments: Segmentation, path: Path) -> None:
        """Writes a line for each segment but the background, crowds and those of no pixel.

        The numbers of the classes do not count the background.
        """
        height, width = segments.size
        background, masks = segments.classes.background, segments.as_masks()
        with write_aside(path) as aside, aside.open("w", encoding="utf-8") as file:
            for n, label in enumerate(segments.labels.tolist()):
                if label == background:
                    continue
                crop, (left, top) = masks.crop(n)
                rings = [] if segments.crowd[n] else trace(crop)
                self._left_out += [path] * (not rings)
                self._joined += [path] * (len(rings) > 1)
                if rings:
                    number = label - (background is not None and label > background)
                    shares = (f"{(x + left) / width:.6g} {(y + top) / height:.6g}" for x, y in join_rings(rings))
                    file.write(" ".join([str(number), *shares]) + "\n")

    def notes(self) -> list[str]:
        """What became of these objects, in sentences for people; empty where there were none."""
        told = (
            (self._left_out, "without a pixel, or a crowd, is", "without a pixel, or crowds, are", "left out"),
            (
                self._joined,
                "of several parts, or with holes, is",
                "of several parts, or with holes, are",
                "one polygon",
            ),
        )
        return [
            f"{counted(len(paths), f'object {one}', f'objects {many}')} {what} in YOLO's texts; the first in {paths[0]}"
            for paths, one, many, what in told
            if paths
        ]

    def warn(self) -> None:
        """A warning for each note, at the line that called what writes."""
        for note in self.notes():
            warnings.warn(note, stacklevel=3)


def _record(root: Path, image: Path) -> Record:
    label = label_of(root, image)
    return Record.below(root, image, label if label.is_file() else None)

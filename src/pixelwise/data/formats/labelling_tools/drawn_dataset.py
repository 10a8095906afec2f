"""Data sets of drawn images: their image files, splits, classes, and the ground truth of each image."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ....classes import MAX_CLASSES, Classes
from ....images.header import read_header
from ....masks import Masks
from ....ops.phrases import counted, few
from ....segmentation import Segmentation
from ....types import Size
from ...dataset import Dataset, Record
from ...recognition.class_names import GivenClasses, GivenColors, GivenVoid, object_classes
from ...recognition.class_spec import read_class_spec
from ...recognition.polygon_extent import displayed_size
from ...recognition.splits import check_split, draw_records, order_splits
from .drawn_images import Drawings
from .located_images import LocatedImage, locate_images
from .object_parts import object_mask

_BACKGROUND_NAMES = ("background", "_background_", "__background__")
_IGNORED_NAMES = ("__ignore__",)


@dataclass(frozen=True)
class DrawnObjectReader:
    """Reads the ground truth of a record from its shapes."""

    classes: Classes

    def __call__(self, record: Record) -> Segmentation:
        drawn = json.loads(record.annotations)
        height, width = _size(record, drawn)
        masks = [Masks.from_lengths([], (height, width))]
        for item in drawn["objects"]:
            try:
                masks.append(object_mask(item["parts"], height, width))
            except ValueError as error:
                raise ValueError(f"{drawn['source']}, {item['where']} of {record.image}: {error}") from error
        labels = torch.tensor([item["label"] for item in drawn["objects"]], dtype=torch.int64)
        crowd = torch.tensor([item["crowd"] for item in drawn["objects"]], dtype=torch.bool)
        return Segmentation(self.classes, labels, masks=Masks.joined(masks), crowd=crowd)


def _size(record: Record, drawn: dict[str, Any]) -> Size:
    """Height and width that the shapes were drawn in: as stated, or those of the image as it is shown."""
    if drawn["size"] is None:
        return read_header(record.image).size
    polygons = []
    for item in drawn["objects"]:
        corners = [part["polygon"] for part in item["parts"] if "polygon" in part]
        polygons.append({"segmentation": corners})
    return displayed_size(record.image, (drawn["size"][0], drawn["size"][1]), polygons)


def splits_of_drawings(drawings: Drawings) -> tuple[str, ...]:
    """List the splits that the drawings have; train and val, drawn by name, if they have none of their own."""
    located, _ = locate_images(drawings)
    own = {split for item in located for split in item.splits}
    # A single image is all train.
    return order_splits(own) or ("train", "val")[: len(located)]


def dataset_of_drawings(
    drawings: Drawings,
    split: str | None,
    format: str,
    classes: GivenClasses,
    void: GivenVoid,
    colors: GivenColors,
) -> Dataset:
    """Make the data set of a split; the classes are a background and the names of the shapes.

    Args:
        drawings: everything that the annotation files hold.
        split: "train", "val", …, None for everything.
        format: the key of the format.
        classes: the classes to keep, in this order, with the background's name before them or not; all by default.
        void: must be None.
        colors: must be None.

    Raises:
        ValueError: images are not there or are named twice, or there is nothing to segment.
    """
    if void is not None or colors is not None:
        raise ValueError(f"{drawings.tool} annotations have no mask values: leave --void and --colors out")
    _drop_unusable(drawings)
    chosen, notes = _classes(drawings, classes)
    located, unlabelled = locate_images(drawings)
    own = {split for item in located for split in item.splits}
    split = check_split(split, own, drawings.path)
    records = []
    for item in located:
        if split is None or not own or split in item.splits:
            records.append(_record(drawings.root, item, chosen))
    _check_names(drawings, records)
    kept, drawing_note = draw_records(records, split, own, drawings.root)
    notes = [*_head_notes(drawings, unlabelled), *notes, *drawing_note]
    return Dataset(chosen, kept, split, format, tuple(notes), DrawnObjectReader(chosen))


def _drop_unusable(drawings: Drawings) -> None:
    """Leave out shapes of the background, which are no objects, and those to be ignored; check that some are left."""
    total = 0
    for drawn in drawings.images:
        kept = []
        for shape in drawn.shapes:
            if shape.name.lower() in _BACKGROUND_NAMES:
                drawings.left_out["shapes called background"] += 1
            elif shape.name.lower() in _IGNORED_NAMES:
                drawings.left_out[f"shapes called {shape.name}"] += 1
            else:
                kept.append(shape)
        drawn.shapes = kept
        total += len(kept)
    if not total:
        what = ", ".join(f"{number} {kind}" for kind, number in drawings.left_out.items())
        raise ValueError(
            f"{drawings.path}: no image has a polygon or mask{f' (only {what})' if what else ''}: "
            "there is nothing to segment"
        )


def _classes(drawings: Drawings, wanted: GivenClasses) -> tuple[Classes, list[str]]:
    """The classes of the data set, and notes about them."""
    every = _every_name(drawings)
    if wanted is None:
        return _known_classes(drawings, every) or _all_classes(drawings, every), []
    chosen = object_classes(every, wanted, str(drawings.path))
    left = [name for name in every if name not in chosen.names]
    return chosen, [f"shapes of {few(left)} are left out: they are not among the classes"] * bool(left)


def _every_name(drawings: Drawings) -> list[str]:
    """All names of classes: those that the files list in their order, then the others, sorted."""
    unusable = (*_BACKGROUND_NAMES, *_IGNORED_NAMES)
    listed = [name for name in dict.fromkeys(drawings.names) if name.lower() not in unusable]
    drawn_names = {shape.name for drawn in drawings.images for shape in drawn.shapes}
    return [*listed, *sorted(drawn_names - set(listed))]


def _known_classes(drawings: Drawings, every: list[str]) -> Classes | None:
    """The classes of a file such as `classes.json` beside the data, if it has all of the names."""
    known = read_class_spec(drawings.root).classes
    if known is None:
        return None
    own = [name for k, name in enumerate(known.names) if k != known.background]
    if not set(every) <= set(own):
        return None
    whole = known.background is not None and any(known.things)
    return known if whole else object_classes(own, None, str(drawings.path))


def _all_classes(drawings: Drawings, every: list[str]) -> Classes:
    if len(every) >= MAX_CLASSES:
        raise ValueError(
            f"{drawings.path}: the shapes have {len(every)} different labels ({few(every)}), and there are at most "
            f"{MAX_CLASSES - 1} classes: name those that you want with --classes"
        )
    return object_classes(every, None, str(drawings.path))


def _record(root: Path, item: LocatedImage, classes: Classes) -> Record:
    drawn = item.drawn
    objects: list[dict[str, Any]] = []
    of_group: dict[Hashable, dict[str, Any]] = {}
    for shape in drawn.shapes:
        if shape.name not in classes.names:
            continue
        key = (shape.name, shape.group)
        if shape.group is not None and key in of_group:
            of_group[key]["parts"].append(shape.part)
            continue
        label = classes.names.index(shape.name)
        one = {"where": shape.where, "label": label, "crowd": shape.crowd, "parts": [shape.part]}
        objects.append(one)
        of_group[key] = one
    # In a segmentation the first of the segments that overlap is on top, in drawings the last.
    objects.reverse()
    truth = {"source": str(drawn.source), "size": drawn.size, "objects": objects}
    return Record.below(root, item.file, annotations=json.dumps(truth).encode())


def _check_names(drawings: Drawings, records: list[Record]) -> None:
    name, number = Counter(record.name for record in records).most_common(1)[0] if records else ("", 0)
    if number > 1:
        raise ValueError(f"{drawings.path}: two images are called {name} up to the suffix: rename one of them")


def _head_notes(drawings: Drawings, unlabelled: list[Path]) -> list[str]:
    """Notes of what was read, and of what was not."""
    shapes = sum(len(drawn.shapes) for drawn in drawings.images)
    sources = len({drawn.source for drawn in drawings.images})
    notes = [
        f"{drawings.tool} annotations in {counted(sources, 'file')}: {counted(shapes, 'shape')} in "
        f"{counted(len(drawings.images), 'image')}",
        *drawings.notes,
    ]
    empty = [drawn.name for drawn in drawings.images if not drawn.shapes]
    if empty:
        notes.append(f"{counted(len(empty), 'image has', 'images have')} no objects: {few(empty)}")
    if drawings.left_out:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(drawings.left_out.items()))
        notes.append(f"left out, because they are no masks: {kinds}")
    if unlabelled:
        names = few(image.name for image in unlabelled)
        notes.append(f"{counted(len(unlabelled), 'image')} without annotations left out: {names}")
    return notes

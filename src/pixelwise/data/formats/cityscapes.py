"""Cityscapes: `leftImg8bit/SPLIT/CITY/*_leftImg8bit.png` with `gtFine/SPLIT/CITY/*_gtFine_instanceIds.png`.

Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", CVPR 2016, and its scripts: a number
below 1000 is a label (of a thing: a group of objects that were not told apart), any other is 1000 × label + object.
Without instanceIds the `*_gtFine_labelIds.png` (or `labelTrainIds`) are read, whose numbers are labels. Of the 34
labels the 19 that are evaluated become classes; the others are void.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ...classes import Classes
from ...images.file_names import list_images
from ...images.png import write_png
from ...images.reading import read_mask
from ...ops.phrases import few
from ...segmentation import Segmentation
from ...types import Array
from ..dataset import Dataset, Record, short_names
from ..image_copy import copy_image
from ..recognition.class_names import GivenClasses, GivenColors, GivenVoid, select_classes
from ..recognition.known_classes import known_classes
from ..recognition.splits import canonical_split, check_split, draw_records, order_splits
from .label_map import rank_numbers
from .panoptic_annotations import flattened

LABELS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The labels that are evaluated, in the order of their train ids: road 7, sidewalk 8, building 11, … bicycle 33."""

FIRST_THING = 11
"""The first class that is a thing: person; those after it are rider, car, …, bicycle."""

FIRST_OBJECT = 1000
"""Numbers from here on are objects."""

_IMAGES, _TRUTHS, _IMAGE, _TRUTH = "leftImg8bit", "gtFine", "_leftImg8bit", "_gtFine_"
_KINDS = ("instanceIds", "labelIds", "labelTrainIds")


@dataclass(frozen=True)
class NumberReader:
    """Reads the ground truth of a record from its map of numbers.

    Attributes:
        classes: some or all of the 19.
        labels: the label of each of them in the map.
    """

    classes: Classes
    labels: tuple[int, ...]

    def __call__(self, record: Record) -> Segmentation:
        assert record.mask is not None
        pixels = read_mask(record.mask)
        if pixels.ndim == 3:
            raise ValueError(f"{record.mask} is in colours: a map of Cityscapes holds one number a pixel")
        every = np.unique(pixels).astype(np.int64)
        numbers = every[np.isin(_label(every), self.labels)]
        classes = [self.labels.index(label) for label in _label(numbers).tolist()]
        labels = torch.tensor(classes, dtype=torch.int64)
        things = torch.tensor(self.classes.things)
        crowd = things[labels] & torch.from_numpy(numbers < FIRST_OBJECT)
        ids = torch.from_numpy(rank_numbers(_non_negative(pixels), numbers))
        return Segmentation(self.classes, labels, ids=ids, crowd=crowd)


def detect(path: Path) -> str | None:
    """Name Cityscapes' two folders, if they are there."""
    root = _root(path)
    return f"{_IMAGES} and {_TRUTHS}" if root else None


def available(path: Path) -> tuple[str, ...]:
    """List the splits that `read` accepts."""
    return order_splits(_splits(_need_root(path))) or ("train", "val")


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """Read a split: panoptic if there are instanceIds, else semantic.

    Args:
        path: the folder that holds `leftImg8bit` and `gtFine`.
        split: "train", "val", …, None for everything.
        classes: those of the 19 to keep, in this order; the others become void. All by default.
        void: must be None.
        colors: must be None.

    Raises:
        ValueError: the folders are not there or hold no maps, or the split or a class is unknown.
    """
    if void is not None or colors is not None:
        raise ValueError("the numbers of Cityscapes are known: leave --void and --colors out")
    root = _need_root(path)
    own = _splits(root)
    split = check_split(split, own, root)
    images = _images(root)
    if split is not None and own:
        images = [image for image in images if _split(root, image) == split]
    kind = _kind(root, images)
    panoptic = kind == "instanceIds"
    named, labels = _classes_and_labels(classes, panoptic, kind == "labelTrainIds")
    records: list[Record] = []
    unpaired: list[Record] = []
    for image in images:
        mask = _mask(root, image, kind or "")
        group = records if mask.is_file() else unpaired
        group.append(Record.below(root, image, mask))
    kept, note = draw_records(records, split, own, root)
    objects = "objects told apart" if panoptic else "objects not told apart"
    return Dataset(
        named,
        kept,
        split,
        "cityscapes",
        (detect(path) or "", f"{kind}: the 19 classes of Cityscapes, {objects}", *note),
        NumberReader(named, labels),
        tuple(unpaired),
        has_instances=panoptic,
    )


def write(dataset: Dataset, path: Path) -> None:
    """Write images, copied, `labelIds`, and `instanceIds` if the data have objects, below the split and the city.

    The city is the name up to its first underscore. Void becomes 0. A label has one group of objects that are not told
    apart, so several crowds of a class in an image become one.

    Raises:
        ValueError: classes are not among Cityscapes', or an image has more than 1000 objects of a class.
    """
    every = known_classes("cityscapes").names
    unknown = [name for name in dataset.classes.names if name not in every]
    if unknown:
        raise ValueError(
            f"Cityscapes has no class {unknown[0]!r}, it has: {', '.join(every)}; write coco-panoptic, which takes any"
        )
    labels = [LABELS[every.index(name)] for name in dataset.classes.names]
    for i, name in enumerate(short_names(dataset.records)):
        plain = name.removesuffix(_IMAGE)
        below = Path(dataset.split or "train") / plain.partition("_")[0]
        copy_image(dataset, i, path / _IMAGES / below / f"{plain}{_IMAGE}")
        truth = flattened(dataset.truth(i))
        assert truth.ids is not None
        start = path / _TRUTHS / below / f"{plain}{_TRUTH}"
        table = np.array([0, *(labels[label] for label in truth.labels.tolist())])
        write_png(start.with_name(f"{start.name}labelIds.png"), table[truth.ids.numpy()].astype(np.uint8))
        if dataset.has_instances:
            table = _with_objects(table, truth, name)
            write_png(start.with_name(f"{start.name}instanceIds.png"), table[truth.ids.numpy()].astype(np.uint16))


def _label(numbers: Array) -> Array:
    """The labels of numbers, of which those of objects are 1000 × label + object."""
    return np.where(numbers < FIRST_OBJECT, numbers, numbers // FIRST_OBJECT)


def _with_objects(table: Array, truth: Segmentation, name: str) -> Array:
    """The labels of segments, with numbers in place of those of objects."""
    table, counts = table.copy(), dict.fromkeys(LABELS, 0)
    for n, (label, crowd) in enumerate(zip(truth.labels.tolist(), truth.crowd.tolist(), strict=True), 1):
        if truth.classes.things[label] and not crowd:
            number = int(table[n])
            table[n] = number * FIRST_OBJECT + counts[number]
            counts[number] += 1
            if counts[number] > FIRST_OBJECT:
                raise ValueError(f"{name} has more than {FIRST_OBJECT} objects of {truth.classes.names[label]}")
    return table


def _classes_and_labels(wanted: GivenClasses, panoptic: bool, train_ids: bool) -> tuple[Classes, tuple[int, ...]]:
    """The classes that are wanted, and the label of each in the maps."""
    every = known_classes("cityscapes")
    every = replace(every, things=tuple(panoptic and k >= FIRST_THING for k in range(len(every))))
    names = wanted.names if isinstance(wanted, Classes) else wanted or every.names
    selected = select_classes(every, names, "Cityscapes has no class")
    indices = tuple(every.index(name) for name in selected.names)
    labels = indices if train_ids else tuple(LABELS[k] for k in indices)
    return wanted if isinstance(wanted, Classes) else selected, labels


def _non_negative(pixels: Array) -> Array:
    """The map without negative numbers, which some programs write for pixels without a label."""
    return pixels.clip(min=0) if pixels.dtype.kind == "i" else pixels


def _root(path: Path) -> Path | None:
    """The folder that holds Cityscapes' two folders: the path itself, or a folder in it."""
    places = [path]
    if path.is_dir():
        places += sorted(place for place in path.iterdir() if place.is_dir())
    return next((root for root in places if (root / _IMAGES).is_dir() and (root / _TRUTHS).is_dir()), None)


def _need_root(path: Path) -> Path:
    root = _root(path)
    if root is None:
        raise ValueError(f"{path} is not laid out like Cityscapes: wanted the folders {_IMAGES} and {_TRUTHS} in it")
    return root


def _kind(root: Path, images: list[Path]) -> str | None:
    """The kind of maps that the images have, the most detailed one; None if there are no images.

    Raises:
        ValueError: no image has a map.
    """
    for kind in _KINDS:
        if any(_mask(root, image, kind).is_file() for image in images):
            return kind
    if images:
        names = few(image.name for image in images)
        if any(_mask(root, image, "polygons").with_suffix(".json").is_file() for image in images):
            raise ValueError(
                f"{root / _TRUTHS} holds polygons in JSON, but no maps, for {names}: make *{_TRUTH}labelIds.png and "
                f"*{_TRUTH}instanceIds.png from them with Cityscapes' scripts (pip install cityscapesscripts; "
                "python -m cityscapesscripts.preparation.json2labelImg POLYGONS.json NAME.png, or json2instanceImg)"
            )
        raise ValueError(f"{root / _TRUTHS} holds no map for {names}: wanted NAME{_TRUTH}{_KINDS[0]}.png")
    return None


def _images(root: Path) -> list[Path]:
    return list_images((root / _IMAGES).rglob(f"*{_IMAGE}.*"))


def _split(root: Path, image: Path) -> str | None:
    parts = image.relative_to(root / _IMAGES).parts
    return canonical_split(parts[0]) if len(parts) > 2 else None


def _splits(root: Path) -> set[str]:
    splits = {_split(root, image) for image in _images(root)}
    return {split for split in splits if split}


def _mask(root: Path, image: Path, kind: str) -> Path:
    below = image.relative_to(root / _IMAGES)
    return root / _TRUTHS / below.parent / f"{below.stem.removesuffix(_IMAGE)}{_TRUTH}{kind}.png"

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
from ..recognition.class_names import GivenClasses, GivenColors, GivenVoid, select_classes
from ..recognition.known_classes import known_classes
from ..recognition.splits import canonical, checked, drawn, ordered
from .label_map import rank
from .mask_folder import copy_image
from .panoptic_annotations import flattened

LABELS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The labels that are evaluated, in the order of their train ids: road 7, sidewalk 8, building 11, … bicycle 33."""

FIRST_THING = 11
"""From this class on (person, rider, car, …, bicycle) they are things."""

APART = 1000
"""Numbers from here on are objects."""

_IMAGES, _TRUTHS, _IMAGE, _TRUTH = "leftImg8bit", "gtFine", "_leftImg8bit", "_gtFine_"
_KINDS = ("instanceIds", "labelIds", "labelTrainIds")
_EVERY = "the 19 classes of Cityscapes"


@dataclass(frozen=True)
class Ids:
    """Reads the ground truth of a record from its map of numbers.

    Attributes:
        classes: some or all of the 19.
        labels: the number that each of them has in the map.
    """

    classes: Classes
    labels: tuple[int, ...]

    def __call__(self, record: Record) -> Segmentation:
        assert record.mask is not None
        found = read_mask(record.mask)
        if found.ndim == 3:
            raise ValueError(f"{record.mask} is in colours: a map of Cityscapes holds one number a pixel")
        every = np.unique(found).astype(np.int64)
        label = np.where(every < APART, every, every // APART)
        numbers = every[np.isin(label, self.labels)]
        label = np.where(numbers < APART, numbers, numbers // APART)
        labels = torch.tensor([self.labels.index(number) for number in label.tolist()], dtype=torch.int64)
        things = torch.tensor(self.classes.things)
        crowd = things[labels] & torch.from_numpy(numbers < APART)
        return Segmentation(self.classes, labels, ids=torch.from_numpy(rank(_whole(found), numbers)), crowd=crowd)


def detect(path: Path) -> str | None:
    """Whether there are Cityscapes' two folders."""
    root = _root(path)
    return f"{_IMAGES} and {_TRUTHS}" if root else None


def available(path: Path) -> tuple[str, ...]:
    """The splits that can be asked for."""
    return ordered(_splits(_need_root(path))) or ("train", "val")


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """The images of a split: panoptic where there are instanceIds, else semantic.

    Args:
        path: the folder that holds `leftImg8bit` and `gtFine`.
        split: "train", "val", …, None for everything.
        classes: those of the 19 to keep, in this order; the others become void. All by default.
        void: must be None.
        colors: must be None.

    Raises:
        ValueError: no such folders, no maps in them, an unknown split or class.
    """
    if void is not None or colors is not None:
        raise ValueError("the numbers of Cityscapes are known: leave --void and --colors out")
    root = _need_root(path)
    there, own = _images(root), _splits(root)
    wanted = checked(split, own, root)
    chosen = [image for image in there if wanted is None or not own or _split(root, image) == wanted]
    notes = [detect(path) or ""]
    kind = next((kind for kind in _KINDS if any(_mask(root, image, kind).is_file() for image in chosen)), None)
    if kind is None and chosen:
        some = few(image.name for image in chosen)
        raise ValueError(f"{root / _TRUTHS} holds no map for {some}: wanted NAME{_TRUTH}{_KINDS[0]}.png")
    panoptic = kind == "instanceIds"
    notes.append(f"{kind}: {_EVERY}, {'objects told apart' if panoptic else 'objects not told apart'}")
    named, labels = _chosen(classes, panoptic, kind == "labelTrainIds")
    records = [Record.below(root, image, _mask(root, image, kind or "")) for image in chosen]
    whole = [record for record in records if record.mask and record.mask.is_file()]
    unpaired = tuple(record for record in records if not (record.mask and record.mask.is_file()))
    kept, note = drawn(whole, wanted, own, root)
    return Dataset(
        named, kept, wanted, "cityscapes", (*notes, *note), Ids(named, labels), unpaired, has_instances=panoptic
    )


def write(dataset: Dataset, path: Path) -> None:
    """Images, copied, `labelIds`, and where objects are told apart `instanceIds`, below the split and the city.

    The city is the name up to its first underscore. Void becomes 0. A label has one group of objects that are not told
    apart, so that several crowds of a class in an image become one.

    Raises:
        ValueError: classes that are not Cityscapes', or more than 1000 objects of a class in an image.
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
            table = _numbered(table, truth, name)
            write_png(start.with_name(f"{start.name}instanceIds.png"), table[truth.ids.numpy()].astype(np.uint16))


def _numbered(table: Array, truth: Segmentation, name: str) -> Array:
    """Labels of segments → numbers, of the objects one each."""
    table, next_one = table.copy(), dict.fromkeys(LABELS, 0)
    for n, (label, crowd) in enumerate(zip(truth.labels.tolist(), truth.crowd.tolist(), strict=True), 1):
        if truth.classes.things[label] and not crowd:
            number = int(table[n])
            table[n] = number * APART + next_one[number]
            next_one[number] += 1
            if next_one[number] > APART:
                raise ValueError(f"{name} has more than {APART} objects of {truth.classes.names[label]}")
    return table


def _chosen(wanted: GivenClasses, panoptic: bool, train_ids: bool) -> tuple[Classes, tuple[int, ...]]:
    """The classes that are wanted, and the number of each in the maps."""
    every = known_classes("cityscapes")
    every = replace(every, things=tuple(panoptic and k >= FIRST_THING for k in range(len(every))))
    names = wanted.names if isinstance(wanted, Classes) else wanted or every.names
    picked = select_classes(every, names, "Cityscapes has no class")
    at = tuple(map(every.index, picked.names))
    return wanted if isinstance(wanted, Classes) else picked, at if train_ids else tuple(LABELS[k] for k in at)


def _whole(found: Array) -> Array:
    """The same without negative numbers, as some write what has no label."""
    return found.clip(min=0) if found.dtype.kind == "i" else found


def _root(path: Path) -> Path | None:
    places = [path, *(sorted(place for place in path.iterdir() if place.is_dir()) if path.is_dir() else [])]
    return next((root for root in places if (root / _IMAGES).is_dir() and (root / _TRUTHS).is_dir()), None)


def _need_root(path: Path) -> Path:
    root = _root(path)
    if root is None:
        raise ValueError(f"{path} is not laid out like Cityscapes: wanted the folders {_IMAGES} and {_TRUTHS} in it")
    return root


def _images(root: Path) -> list[Path]:
    return list_images((root / _IMAGES).rglob(f"*{_IMAGE}.*"))


def _split(root: Path, image: Path) -> str | None:
    parts = image.relative_to(root / _IMAGES).parts
    return canonical(parts[0]) if len(parts) > 2 else None


def _splits(root: Path) -> set[str]:
    return {split for image in _images(root) if (split := _split(root, image))}


def _mask(root: Path, image: Path, kind: str) -> Path:
    below = image.relative_to(root / _IMAGES)
    return root / _TRUTHS / below.parent / f"{below.stem.removesuffix(_IMAGE)}{_TRUTH}{kind}.png"

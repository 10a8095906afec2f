"""Label maps: images and, for each, a map in which 0 is background and each object has a number, usually of 16 bits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...classes import Classes
from ...images.header import HIGH_BIT_MODES, read_header
from ...images.png import write_png
from ...images.reading import read_mask
from ...ops.atomic_files import write_text
from ...segmentation import Segmentation
from ...types import Array
from ..dataset import Dataset, Record, short_names
from ..image_copy import copy_image
from ..recognition.class_names import GivenClasses, GivenColors, GivenVoid, parse_names, two_classes
from ..recognition.class_spec import ClassSpec, read_class_spec, write_classes
from ..recognition.pairs import Pairs, find_pairs
from ..recognition.splits import canonical_split, splits_of_pairs
from .mask_folder import need_pairs, records_of_split, unpaired_records

VOID_ID = 65535
"""The number that `write` gives to pixels that belong to no segment."""


@dataclass(frozen=True)
class LabelMapReader:
    """Reads the ground truth of a record from its label map.

    Attributes:
        classes: a background, and one thing or several classes, where `NAME.json` beside the map assigns them to the
            numbers; without a background 0 is void.
        void: numbers that are no objects.
    """

    classes: Classes
    void: tuple[int, ...] = ()

    def __call__(self, record: Record) -> Segmentation:
        assert record.mask is not None
        label_map = read_mask(record.mask)
        if label_map.ndim == 3:
            raise ValueError(f"{record.mask} is in colours: a label map holds one number a pixel")
        lowest = int(label_map.min())
        if lowest < 0:
            raise ValueError(f"{record.mask} holds {lowest}: a label map holds 0 for background, then 1, 2, …")
        numbers = np.setdiff1d(np.unique(label_map), self.void)
        if self.classes.background is None:
            numbers = numbers[numbers > 0]
        labels, crowd = _labels(record.mask, self.classes, numbers)
        return Segmentation(
            self.classes,
            torch.tensor(labels, dtype=torch.int64),
            ids=torch.from_numpy(rank_numbers(label_map, numbers)),
            crowd=torch.tensor(crowd, dtype=torch.bool),
        )


def detect(path: Path) -> str | None:
    """Describe how images and masks are arranged, if the masks have 16 bits or more; None otherwise."""
    pairs = find_pairs(path)
    return f"{pairs.layout}; 16-bit masks" if pairs and has_high_bits(pairs) else None


def has_high_bits(pairs: Pairs) -> bool:
    """Tell whether masks have 16 bits or more, as label maps do."""
    return read_header(pairs.pairs[0].mask).mode.startswith(HIGH_BIT_MODES)


def are_class_numbers(pairs: Pairs, classes: GivenClasses) -> bool:
    """Tell whether masks must be class masks: several classes are named, and no file says which object is of which."""
    if classes is None:
        return False
    names = classes.names if isinstance(classes, Classes) else parse_names(classes)
    return len(names) > 2 and not any(pair.mask.with_suffix(".json").is_file() for pair in pairs.pairs)


def available(path: Path) -> tuple[str, ...]:
    """List the splits that `read` accepts."""
    return splits_of_pairs(need_pairs(path))


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """Read a split, with a segment for each object, and one for the background.

    Args:
        path: the folder.
        split: "train", "val", …, None for everything.
        classes: one name, that of the objects, or two, the background's first; more only where `NAME.json` files say
            which object is which: {"1": "car", "2": "sky", "3": "car", "crowd": [3]}. `classes.json` lists in `things`
            which of them are things; without it, all are.
        void: numbers that are no objects.
        colors: must be None.
    """
    return read_pairs(need_pairs(path), split, classes=classes, void=void, colors=colors)


def read_pairs(
    pairs: Pairs, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """Read a split of given pairs; as `read`."""
    if colors is not None:
        raise ValueError("label maps have numbers, no colours: leave --colors out, or state --format mask-folder")
    records, note = records_of_split(pairs, split)
    spec = read_class_spec(pairs.root, classes, void)
    named = classes_of_objects(spec)
    objects = [name for k, name in enumerate(named.names) if k != named.background]
    zero = "void" if named.background is None else repr(named.names[named.background])
    source = f" ({spec.source})" if spec.classes else "; name them with --classes"
    others = " or ".join(map(repr, objects))
    recognised = f"masks hold a number for each object: 0 is read as {zero}, the others as {others}{source}"
    return Dataset(
        named,
        records,
        canonical_split(split),
        "label-map",
        (pairs.layout, recognised, *pairs.notes, *note),
        LabelMapReader(named, spec.void),
        unpaired_records(pairs),
    )


def write(dataset: Dataset, path: Path) -> None:
    """Write `images/NAME`, copied, `masks/NAME.png` (16 bit), `SPLIT.txt` and `classes.json`; void becomes 65535.

    If there are more classes than a background and one thing, `masks/NAME.json` names the class of each number. Where
    masks overlap, the higher score lies on top, and crowds become void; the crowds of panoptic ground truth are kept.

    Raises:
        ValueError: an image has more than 65534 segments.
    """
    names = short_names(dataset.records)
    for i, name in enumerate(names):
        copy_image(dataset, i, path / "images" / name)
        write_map(dataset.truth(i), path / "masks" / f"{name}.png")
    if dataset.split:
        write_text(path / f"{dataset.split}.txt", "".join(f"{name}\n" for name in names))
    write_classes(dataset.classes, (VOID_ID,), path / "classes.json")


def write_map(truth: Segmentation, path: Path) -> None:
    """Write one label map, a 16-bit PNG: background 0, void 65535, the other segments 1, 2, ….

    If there are more classes than a background and one thing, a JSON file beside it names the class of each number, and
    which of them are crowds (those of `masks` become void).

    Raises:
        ValueError: there are more than 65534 segments.
    """
    truth = without_overlap(truth)
    label_map, labels, crowd = _numbers(truth)
    if len(labels) >= VOID_ID:
        raise ValueError(f"{path.stem} has {len(labels)} objects: a 16-bit label map holds {VOID_ID - 1}")
    write_png(path, label_map)
    if len(truth.classes) > 2 or truth.classes.background is None or crowd:
        content: dict[str, Any] = {str(number): truth.classes.names[k] for number, k in labels.items()}
        if crowd:
            content["crowd"] = crowd
        write_text(path.with_suffix(".json"), json.dumps(content))


def without_overlap(truth: Segmentation) -> Segmentation:
    """Convert ground truth to `ids`, with a background segment; covered pixels are lost, crowds become void."""
    if truth.ids is not None:
        return truth
    ids = truth.panoptic_map()
    free = ids == 0
    ids[truth.select(truth.crowd).panoptic_map() > 0] = 0
    kept = torch.unique(ids[ids > 0]).long() - 1
    background = truth.classes.background
    has_background = background is not None and bool(free.any())
    # The background comes first, if there is one; then the segments of which pixels are left.
    table = torch.zeros(len(truth) + 1, dtype=torch.int32)
    table[kept + 1] = torch.arange(1, len(kept) + 1, dtype=torch.int32) + int(has_background)
    ids = table[ids]
    labels = truth.labels[kept]
    if has_background:
        assert background is not None
        ids[free] = 1
        labels = torch.cat([labels.new_tensor([background]), labels])
    return Segmentation(truth.classes, labels, ids=ids)


def rank_numbers(label_map: Array, numbers: Array) -> Array:
    """(H, W) int32: the place of each pixel's number among `numbers`, counted from 1; 0 if it is none of them.

    Args:
        label_map: (H, W) non-negative integers.
        numbers: in ascending order.
    """
    highest = int(label_map.max())
    if not len(numbers):
        return np.zeros(label_map.shape, np.int32)
    if highest < 1 << 20:
        table = np.zeros(highest + 1, np.int32)
        table[numbers] = np.arange(1, len(numbers) + 1)
        return np.asarray(table[label_map])
    place = np.searchsorted(numbers, label_map).clip(max=len(numbers) - 1)
    return np.where(numbers[place] == label_map, place + 1, 0).astype(np.int32)


def classes_of_objects(spec: ClassSpec) -> Classes:
    """A background and the classes of the objects, which are things unless the specification says otherwise."""
    named = spec.classes
    if named is None:
        return two_classes("object", thing=True)
    if len(named) == 1:
        return two_classes(named.names[0], thing=True)
    if any(named.things):
        return named
    background = named.background or 0
    things = tuple(k != background for k in range(len(named)))
    return Classes(named.names, named.colors, things, background)


def _labels(mask: Path, classes: Classes, numbers: Array) -> tuple[list[int], list[bool]]:
    """The class of each number, and whether it is a crowd."""
    beside = mask.with_suffix(".json")
    one_kind = len(classes) == 2 and classes.background is not None
    if not one_kind and not beside.is_file():
        raise ValueError(
            f"{mask}: with the classes {', '.join(classes.names)} it takes {beside.name}, which names the class "
            'of each object, as {"1": "car"}; or give --classes one name'
        )
    try:
        content = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
        crowd = np.isin(numbers, content.get("crowd", [])).tolist()
        if one_kind:
            thing = 1 - (classes.background or 0)
            return [1 - thing if number == 0 else thing for number in numbers.tolist()], crowd
        return [_label(number, content, classes) for number in numbers.tolist()], crowd
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{beside} should name the class of each number of {mask.name}: {error}") from error


def _label(number: int, content: dict[str, str], classes: Classes) -> int:
    """The class that a file beside the map gives to a number; 0 need not be in it."""
    if number == 0 and "0" not in content:
        return -1 if classes.background is None else classes.background
    return classes.index(content[str(number)])


def _numbers(truth: Segmentation) -> tuple[Array, dict[int, int], list[int]]:
    """(H, W) uint16 numbers (background 0, void 65535), the class of each but these two, and which are crowds."""
    labels, background = truth.labels.tolist(), truth.classes.background
    table = np.zeros(len(labels) + 1, np.uint16)
    classes: dict[int, int] = {}
    table[0] = VOID_ID
    for n, label in enumerate(labels):
        if label != background:
            number = len(classes) + 1
            table[n + 1] = number
            classes[number] = label
    crowd = table[1:][truth.crowd.numpy() & (table[1:] > 0)].tolist()
    return table[truth.panoptic_map().numpy()], classes, crowd

"""Images and, for each, a label map: 0 is background, and each object has a number of its own, usually in 16 bits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

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
from ..recognition import class_names, class_spec
from ..recognition.class_names import GivenClasses, GivenColors, GivenVoid
from ..recognition.pairs import find_pairs
from ..recognition.splits import canonical, names
from .mask_folder import copy_image, found_pairs, records_of, without_masks

VOID_ID = 65535
"""What `write` gives to pixels that belong to no segment."""


@dataclass(frozen=True)
class LabelMaps:
    """Reads the ground truth of a record from its label map.

    Attributes:
        classes: a background, and one thing (of several classes, `NAME.json` beside the map says which is which);
            without a background 0 is void.
        void: numbers that are no objects.
    """

    classes: Classes
    void: tuple[int, ...] = ()

    def __call__(self, record: Record) -> Segmentation:
        assert record.mask is not None
        found = read_mask(record.mask)
        if found.ndim == 3:
            raise ValueError(f"{record.mask} is in colours: a label map holds one number a pixel")
        if int(found.min()) < 0:
            raise ValueError(
                f"{record.mask} holds {int(found.min())}: a label map holds 0 for background, then 1, 2, …"
            )
        numbers = np.setdiff1d(np.unique(found), self.void)
        if self.classes.background is None:
            numbers = numbers[numbers > 0]
        labels, crowd = _labels(record.mask, self.classes, numbers)
        ids = torch.from_numpy(rank(found, numbers))
        return Segmentation(
            self.classes, torch.tensor(labels, dtype=torch.int64), ids=ids, crowd=torch.tensor(crowd, dtype=torch.bool)
        )


def detect(path: Path) -> str | None:
    """How images and masks lie, when the masks are of 16 bits or more; None otherwise."""
    found = find_pairs(path)
    if not found:
        return None
    header = read_header(found.pairs[0].mask)
    return f"{found.layout}; 16-bit masks" if header.mode.startswith(HIGH_BIT_MODES) else None


def available(path: Path) -> tuple[str, ...]:
    """The splits that can be asked for."""
    return names(found_pairs(path))


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """The images of a split, each object a segment of its own, the background another.

    Args:
        path: the folder.
        split: "train", "val", …, None for everything.
        classes: one name, that of the objects, or two, the background's first; more only where `NAME.json` files say
            which object is which: {"1": "car", "2": "sky", "3": "car", "crowd": [3]}. Whether these are things or stuff
            says `classes.json`, in its list `things`; they are all things where it says nothing.
        void: numbers that are no objects.
        colors: must be None.
    """
    if colors is not None:
        raise ValueError("label maps have numbers, no colours: leave --colors out, or state --format mask-folder")
    found = found_pairs(path)
    records, note = records_of(found, split)
    known = class_spec.read_class_spec(found.root, classes, void)
    if known.classes is None:
        named, said = class_names.two_classes("object", thing=True), "; name them with --classes"
    elif len(known.classes) == 1:
        named, said = class_names.two_classes(known.classes.names[0], thing=True), f" ({known.source})"
    else:
        named, said = known.classes, f" ({known.source})"
        if not any(named.things):
            background = named.background or 0
            named = Classes(named.names, named.colors, tuple(k != background for k in range(len(named))), background)
    objects = [named.names[k] for k in range(len(named)) if k != named.background]
    nothing = "void" if named.background is None else repr(named.names[named.background])
    recognised = f"masks hold a number for each object: 0 is read as {nothing}, the others as "
    return Dataset(
        named,
        records,
        canonical(split),
        "label-map",
        (found.layout, f"{recognised}{' or '.join(map(repr, objects))}{said}", *found.notes, *note),
        LabelMaps(named, known.void),
        without_masks(found),
    )


def write(dataset: Dataset, path: Path) -> None:
    """`images/NAME`, copied, `masks/NAME.png` (16 bit), `SPLIT.txt` and `classes.json`; void pixels become 65535.

    Where there are more classes than a background and one thing, `masks/NAME.json` names the class of each number.
    Where masks overlap, the higher score lies on top, and crowds become void; of panoptic ground truth the crowds are
    kept.

    Raises:
        ValueError: an image has more than 65534 segments.
    """
    called = short_names(dataset.records)
    for i, name in enumerate(called):
        copy_image(dataset, i, path / "images" / name)
        write_map(dataset.truth(i), path / "masks" / f"{name}.png")
    if dataset.split:
        write_text(path / f"{dataset.split}.txt", "".join(f"{name}\n" for name in called))
    class_spec.write_classes(dataset.classes, (VOID_ID,), path / "classes.json")


def write_map(truth: Segmentation, path: Path) -> None:
    """One label map, a 16-bit PNG: background 0, void 65535, the other segments 1, 2, ….

    Where there are more classes than a background and one thing, a JSON file beside it names the class of each number,
    and which of them are crowds (those of `masks` become void).

    Raises:
        ValueError: there are more than 65534 segments.
    """
    truth = without_overlap(truth)
    numbers, labels, crowd = _numbers(truth)
    if len(labels) >= VOID_ID:
        raise ValueError(f"{path.stem} has {len(labels)} objects: a 16-bit label map holds {VOID_ID - 1}")
    write_png(path, numbers)
    if len(truth.classes) > 2 or truth.classes.background is None or crowd:
        named = {str(n): truth.classes.names[k] for n, k in labels.items()}
        write_text(path.with_suffix(".json"), json.dumps({**named, **({"crowd": crowd} if crowd else {})}))


def without_overlap(truth: Segmentation) -> Segmentation:
    """The ground truth as `ids`, with a background segment; covered pixels are lost, crowds become void."""
    if truth.ids is not None:
        return truth
    ids = truth.panoptic_map()
    free = ids == 0
    ids[truth.select(truth.crowd).panoptic_map() > 0] = 0
    kept = torch.unique(ids[ids > 0]).long() - 1
    table = torch.zeros(len(truth) + 1, dtype=torch.int32)
    background = truth.classes.background
    first = int(background is not None and bool(free.any()))
    table[kept + 1] = torch.arange(1, len(kept) + 1, dtype=torch.int32) + first
    ids = table[ids]
    if first:
        ids[free] = 1
    labels = truth.labels[kept]
    return Segmentation(truth.classes, torch.cat([torch.full((first,), background or 0), labels]), ids=ids)


def rank(found: Array, numbers: Array) -> Array:
    """The place of each pixel's number among `numbers`, counted from 1; 0 where it is none of them."""
    high = int(found.max())
    if not len(numbers):
        return np.zeros(found.shape, np.int32)
    if high < 1 << 20:
        table = np.zeros(high + 1, np.int32)
        table[numbers] = np.arange(1, len(numbers) + 1)
        return np.asarray(table[found])
    place = np.searchsorted(numbers, found).clip(max=len(numbers) - 1)
    return np.where(numbers[place] == found, place + 1, 0).astype(np.int32)


def _labels(mask: Path, classes: Classes, numbers: Array) -> tuple[list[int], list[bool]]:
    """The class of each number, and whether it is a crowd."""
    beside, background = mask.with_suffix(".json"), classes.background
    alike = len(classes) == 2 and background is not None
    if not alike and not beside.is_file():
        raise ValueError(
            f"{mask}: with the classes {', '.join(classes.names)} it takes {beside.name}, which names the class "
            'of each object, as {"1": "car"}; or give --classes one name'
        )
    try:
        given = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
        crowd = np.isin(numbers, given.get("crowd", [])).tolist()
        if alike:
            return [0 if (number == 0) == (background == 0) else 1 for number in numbers.tolist()], crowd
        at = background if background is not None else -1
        return [classes.index(given[str(n)]) if str(n) in given or n else at for n in numbers.tolist()], crowd
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{beside} should name the class of each number of {mask.name}: {error}") from error


def _numbers(truth: Segmentation) -> tuple[Array, dict[int, int], list[int]]:
    """Ids for a file (background 0, void 65535), the class of each number but those two, and which are crowds."""
    labels, background = truth.labels.tolist(), truth.classes.background
    table = np.zeros(len(labels) + 1, np.uint16)
    named: dict[int, int] = {}
    table[0] = VOID_ID
    for n, label in enumerate(labels):
        if label != background:
            table[n + 1] = len(named) + 1
            named[len(named) + 1] = label
    crowd = table[1:][truth.crowd.numpy() & (table[1:] > 0)].tolist()
    return table[truth.panoptic_map().numpy()], named, crowd

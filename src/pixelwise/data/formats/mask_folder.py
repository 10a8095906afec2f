"""Mask folders: images and, for each, a mask whose values or colours are its classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...classes import VOID, Classes
from ...images.header import read_palette
from ...images.png import write_png
from ...segmentation import Segmentation
from ..dataset import Dataset, Record, short_names
from ..image_copy import copy_image
from ..recognition.class_names import GivenClasses, GivenColors, GivenVoid
from ..recognition.class_spec import read_class_spec, write_classes
from ..recognition.masks.mask_values import MaskValues
from ..recognition.masks.value_recognition import recognise
from ..recognition.pairs import Pair, Pairs, find_pairs
from ..recognition.splits import canonical_split, pairs_of_split, splits_of_pairs


@dataclass(frozen=True)
class ClassMapReader:
    """Reads the ground truth of a record from its mask."""

    values: MaskValues

    def __call__(self, record: Record) -> Segmentation:
        assert record.mask is not None
        return Segmentation.from_class_map(self.values.class_map(record.mask), self.values.classes)


def detect(path: Path) -> str | None:
    """Describe how images and masks are arranged in this folder; None if there are no such pairs."""
    pairs = find_pairs(path)
    return pairs.layout if pairs else None


def available(path: Path) -> tuple[str, ...]:
    """List the splits that `read` accepts."""
    return splits_of_pairs(need_pairs(path))


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """Read a split of images with class masks; the meaning of the values is learnt from the masks of all splits.

    Raises:
        ValueError: there are no images with masks, or the values of masks do not fit (see
            `value_recognition.recognise`).
    """
    return read_pairs(need_pairs(path), split, classes=classes, void=void, colors=colors)


def read_pairs(
    pairs: Pairs, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """Read a split of given pairs; as `read`."""
    records, note = records_of_split(pairs, split)
    spec = read_class_spec(pairs.root, classes, void, colors)
    values, notes = recognise([pair.mask for pair in pairs.pairs], spec)
    if not spec.classes and not values.colors:
        values = _with_palette(values, read_palette(pairs.pairs[0].mask))
    return Dataset(
        values.classes,
        records,
        canonical_split(split),
        "mask-folder",
        (pairs.layout, *notes, *pairs.notes, *note),
        ClassMapReader(values),
        unpaired_records(pairs),
        has_instances=False,
    )


def write(dataset: Dataset, path: Path) -> None:
    """Write `images/SPLIT/NAME`, copied, `masks/SPLIT/NAME.png`, 8-bit class numbers, and `classes.json`.

    Void pixels are 255. Without a split the files lie directly in `images` and `masks`. Segments that overlap lose what
    others cover.
    """
    below = dataset.split or ""
    for i, name in enumerate(short_names(dataset.records)):
        copy_image(dataset, i, path / "images" / below / name)
        write_png(path / "masks" / below / f"{name}.png", dataset.truth(i).class_map().numpy())
    write_classes(dataset.classes, (VOID,), path / "classes.json")


def need_pairs(path: Path) -> Pairs:
    """Find the pairs of a folder.

    Raises:
        ValueError: there are none.
    """
    pairs = find_pairs(path)
    if pairs is None:
        raise ValueError(
            f"{path} holds no images with masks: wanted images/ and masks/, each with train/ and val/ or not; "
            "train/ and val/ with images/ and masks/; a.jpg beside a.png; or train.txt, an image and its mask a line"
        )
    return pairs


def records_of_split(pairs: Pairs, split: str | None) -> tuple[tuple[Record, ...], tuple[str, ...]]:
    """Make the records of a split, and a note of how it was drawn, unless folders or lists decide it."""
    chosen, note = pairs_of_split(pairs, split)
    records = tuple(Record(pairs.name(pair), pair.image, pair.mask) for pair in chosen)
    return records, (note,) if note else ()


def unpaired_records(pairs: Pairs) -> tuple[Record, ...]:
    """Make the records of the images that should have a mask and have none."""
    return tuple(Record(pairs.name(Pair(image, image)), image) for image in pairs.unpaired)


def _with_palette(values: MaskValues, palette: Sequence[tuple[int, int, int]]) -> MaskValues:
    """Give the classes the colours of the masks' own palette, if it has a different one for each."""
    value_of = {k: value for value, k in values.values if k != VOID}
    shown = [k for k in range(len(values.classes)) if value_of.get(k, len(palette)) < len(palette)]
    colors = [palette[value_of[k]] for k in shown]
    if len(set(colors)) < len(values.classes):
        return values
    old = values.classes
    return MaskValues(Classes(old.names, tuple(colors), old.things, old.background), values.values)

"""Images and, for each, a mask whose values or colours are its classes."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...classes import VOID, Classes
from ...images.header import read_palette
from ...images.png import write_png
from ...ops.atomic_files import write_aside
from ...segmentation import Segmentation
from ..dataset import Dataset, Record, short_names
from ..recognition import class_spec, pairs, splits
from ..recognition.class_names import GivenClasses, GivenColors, GivenVoid
from ..recognition.mask_values import MaskValues, recognise


@dataclass(frozen=True)
class ClassMaps:
    """Reads the ground truth of a record from its mask."""

    values: MaskValues

    def __call__(self, record: Record) -> Segmentation:
        assert record.mask is not None
        return Segmentation.from_class_map(self.values.class_map(record.mask), self.values.classes)


def detect(path: Path) -> str | None:
    """How images and masks lie in this folder; None when there are no such pairs."""
    found = pairs.find_pairs(path)
    return found.layout if found else None


def available(path: Path) -> tuple[str, ...]:
    """The splits that can be asked for."""
    return splits.names(found_pairs(path))


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """The images of a split with their class masks; what the values mean is learnt from the masks of all splits.

    Raises:
        ValueError: no images with masks, or masks whose values do not fit (see `mask_values.recognise`).
    """
    found = found_pairs(path)
    records, note = records_of(found, split)
    known = class_spec.read_class_spec(found.root, classes, void, colors)
    values, notes = recognise([pair.mask for pair in found.pairs], known)
    if not known.classes and not values.colors:
        values = _with_palette(values, read_palette(found.pairs[0].mask))
    return Dataset(
        values.classes,
        records,
        splits.canonical(split),
        "mask-folder",
        (found.layout, *notes, *found.notes, *note),
        ClassMaps(values),
        without_masks(found),
        has_instances=False,
    )


def write(dataset: Dataset, path: Path) -> None:
    """`images/SPLIT/NAME`, copied, `masks/SPLIT/NAME.png`, 8-bit class numbers with 255 for void, and `classes.json`.

    Without a split the files lie directly in `images` and `masks`. Segments that overlap lose what others cover.
    """
    below = dataset.split or ""
    for i, name in enumerate(short_names(dataset.records)):
        copy_image(dataset, i, path / "images" / below / name)
        write_png(path / "masks" / below / f"{name}.png", dataset.truth(i).class_map().numpy())
    class_spec.write_classes(dataset.classes, (VOID,), path / "classes.json")


def found_pairs(path: Path) -> pairs.Pairs:
    """The pairs of a folder; an error when there are none."""
    found = pairs.find_pairs(path)
    if found is None:
        raise ValueError(
            f"{path} holds no images with masks: wanted images/ and masks/, each with train/ and val/ or not; "
            "train/ and val/ with images/ and masks/; a.jpg beside a.png; or train.txt, an image and its mask a line"
        )
    return found


def records_of(found: pairs.Pairs, split: str | None) -> tuple[tuple[Record, ...], tuple[str, ...]]:
    """Those of a split, and a note of how they were split, where it was not by folders or lists."""
    chosen, note = splits.choose(found, split)
    return tuple(Record(found.name(pair), pair.image, pair.mask) for pair in chosen), (note,) if note else ()


def without_masks(found: pairs.Pairs) -> tuple[Record, ...]:
    """The images that ought to have a mask and have none."""
    return tuple(Record(found.name(pairs.Pair(image, image)), image) for image in found.unpaired)


def copy_image(dataset: Dataset, i: int, target: Path) -> str:
    """The file of image i as it is, under a new name (without suffix), which is returned: no pixel changes.

    An image that has no file, because it is made, becomes a PNG.
    """
    source = dataset.records[i].image
    target = target.with_name(target.name + source.suffix.lower())
    if source.is_file():
        with write_aside(target) as aside:
            shutil.copyfile(source, aside)
    else:
        write_png(target, dataset.image(i).permute(1, 2, 0).numpy())
    return target.name


def _with_palette(values: MaskValues, palette: Sequence[tuple[int, int, int]]) -> MaskValues:
    """The classes in the colours that the masks themselves give them."""
    index = {k: value for value, k in values.values if k != VOID}
    colors = [palette[index[k]] for k in range(len(values.classes)) if index.get(k, len(palette)) < len(palette)]
    if len(set(colors)) < len(values.classes):
        return values
    old = values.classes
    return MaskValues(Classes(old.names, tuple(colors), old.things, old.background), values.values)

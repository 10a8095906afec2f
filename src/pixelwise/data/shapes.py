"""Synthetic images with exact ground truth: circles, squares, triangles and rings that overlap on textured ground.

No file is read: image n depends on the seed and n alone (and on the size and the number of objects), so any number of
images can be made, in any order and by any worker. The ground truth is what is visible: a pixel belongs to the topmost
shape that its centre lies in, and the hole of a ring shows what is behind it. Colours say nothing about the class.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..classes import Classes
from ..ops.names import suggest
from ..segmentation import Segmentation
from ..types import Array, Size
from .dataset import Dataset, Record
from .recognition.class_names import GivenClasses, GivenColors, GivenVoid
from .recognition.splits import canonical_split, draw_records
from .shape_rendering import NAMES, render

TRUTHS = ("instance", "panoptic", "semantic")
"""Kinds of ground truth."""

PREFIX = "shapes:"
"""The beginning of a path that stands for synthetic images."""

_DEFAULTS = {"number": 200, "size": 128, "seed": 0, "min_objects": 1, "max_objects": 8}


@dataclass(frozen=True)
class Scenes:
    """Renders images and their ground truth; the same for the same values.

    Attributes:
        size: height and width, pixels.
        seed: of all images.
        min_objects, max_objects: as `shapes` takes them.
        truth: a kind of ground truth, one of `TRUTHS`.
    """

    size: Size = (128, 128)
    seed: int = 0
    min_objects: int = 1
    max_objects: int = 8
    truth: str = "instance"

    def image(self, record: Record) -> Tensor:
        """(3, H, W) uint8: the image of a record."""
        return torch.from_numpy(self._render(record)[0].copy()).permute(2, 0, 1)

    def segments(self, record: Record) -> Segmentation:
        """Ground truth of a record."""
        _, ids, labels = self._render(record)
        classes = _classes()
        whole = Segmentation(classes, torch.tensor(labels), ids=torch.from_numpy(ids.copy()))
        if self.truth == "panoptic":
            return whole
        if self.truth == "semantic":
            return Segmentation.from_class_map(whole.class_map(), classes)
        numbers = np.arange(2, len(labels) + 1, dtype=np.int32)
        return Segmentation(classes, whole.labels[1:], masks=torch.from_numpy(ids == numbers[:, None, None]))

    def _render(self, record: Record) -> tuple[Array, Array, list[int]]:
        return render(self.size, self.seed, int(record.name), self.min_objects, self.max_objects)


def shapes(
    number: int = 200,
    size: int | Size = 128,
    seed: int = 0,
    *,
    min_objects: int = 1,
    max_objects: int = 8,
    truth: str = "instance",
) -> Dataset:
    """Make a data set of synthetic images.

    Args:
        number: the number of images.
        size: side, or height and width, pixels.
        seed: of all images.
        min_objects, max_objects: the number of objects of an image is drawn between these; objects that find no place
            are left out. The more there may be, the smaller they are.
        truth: "instance" (the masks of the objects' visible parts), "panoptic" (ids of the objects and of the ground)
            or "semantic" (one segment per class).

    Raises:
        ValueError: a value is outside its range.

    >>> data = shapes(number=3, size=64, seed=1)
    >>> data[2].image.shape
    torch.Size([3, 64, 64])
    """
    height, width = (size, size) if isinstance(size, int) else size
    for name, value, low, high in (
        ("number", number, 0, 10**6),
        ("size", min(height, width), 1, 4096),
        ("size", max(height, width), 1, 4096),
        ("seed", seed, 0, 2**63),
        ("min_objects", min_objects, 0, max_objects),
        ("max_objects", max_objects, min_objects, 2**15),
    ):
        if not low <= value <= high:
            raise ValueError(f"{name} of the shapes is {value}: it is a whole number from {low} to {high}")
    if truth not in TRUTHS:
        raise ValueError(f"there is no ground truth {truth!r}; {suggest(truth, TRUTHS)}")
    scenes = Scenes((height, width), seed, min_objects, max_objects, truth)
    # The arguments stand in each record, so that the fingerprint of the data depends on them.
    arguments = f"{height}x{width} {seed} {min_objects} {max_objects} {truth}".encode()
    records = tuple(Record(f"{n:06}", Path("shapes", f"{n:06}.png"), annotations=arguments) for n in range(number))
    return Dataset(
        _classes(),
        records,
        split=None,
        format="shapes",
        notes=(f"the images are made, not read: up to {max_objects} shapes in each, seed {seed}",),
        truths=scenes.segments,
        images=scenes.image,
        has_instances=truth != "semantic",
    )


def detect(path: Path) -> str | None:
    """Tell whether this stands for synthetic images: `shapes:number=200,size=128,seed=1`."""
    return "images that are made, not read" if str(path).startswith(PREFIX) else None


def available(path: Path) -> tuple[str, ...]:
    """List the splits that `read` accepts."""
    return ("train", "val") if len(_parse(path)) > 1 else ("train",)


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """Make the images of a split: a fifth of them is "val", drawn by their names, the rest "train".

    Args:
        path: `shapes:` and arguments of `shapes`, as `shapes:number=200,size=128,seed=1`; others have their defaults.
        split: "train" or "val", None for everything.
        classes, void, colors: must be None: the ground truth is made with the images.

    Raises:
        ValueError: an argument is unknown, or a value is outside its range.
    """
    if classes is not None or void is not None or colors is not None:
        raise ValueError(f"{path} is made with its truth: leave --classes, --void and --colors out")
    data, split = _parse(path), canonical_split(split)
    records, note = draw_records(data.records, split, (), path)
    return replace(data, records=records, split=split, notes=(*data.notes, *note))


def _classes() -> Classes:
    return Classes(NAMES, things=(False, True, True, True, True), background=0)


def _parse(path: Path) -> Dataset:
    """Make the data set that a path describes."""
    numbers, truth = dict(_DEFAULTS), "instance"
    known = (*numbers, "truth")
    for part in str(path).removeprefix(PREFIX).split(","):
        key, equals, value = part.strip().partition("=")
        if not part.strip():
            continue
        if key not in known:
            if not equals:
                example = f"number={key if key.isdigit() else 200}"
                raise ValueError(
                    f"{path}: shapes are told names and values, {', '.join(known)}: write {PREFIX}{example}"
                )
            raise ValueError(f"{path}: shapes have no {key!r}; {suggest(key, known)}")
        if key == "truth":
            truth = value
        elif value.isascii() and value.isdigit():
            numbers[key] = int(value)
        else:
            raise ValueError(f"{path}: {key} is {value!r}: it is a whole number")
    return shapes(**numbers, truth=truth)

"""Synthetic images with exact truth: circles, squares, triangles and rings that overlap on textured ground.

No file is read: image n depends on the seed and n alone (and on the size and the number of objects), so that any
number can be made, in any order and by any worker. The ground truth is what is seen: a pixel belongs to the topmost
shape that its centre lies in, and through the hole of a ring one sees what is behind. Colours say nothing about the
class.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ...classes import Classes
from ...ops.names import suggest
from ...segmentation import Segmentation
from ...types import Array
from ..dataset import Dataset, Record
from ..recognition.class_names import GivenClasses, GivenColors, GivenVoid
from ..recognition.splits import canonical, drawn

NAMES = ("ground", "circle", "square", "triangle", "ring")
TRUTHS = ("instance", "panoptic", "semantic")
PREFIX = "shapes:"

SEEN = 0.4
"""So much of the area of each object can be seen at least: it is not covered further, nor cut by the border."""

TRIES = 8
"""So many places are tried for an object until one leaves enough of it and of the others; then it is left out."""

_AREAS = (0.0, np.pi, 2.56, 1.24**2 * 27**0.5 / 4, np.pi * 0.75)
"""Of each class, in squared radii."""

_REACH = 1.25
"""No shape reaches further from its centre, in radii."""


@dataclass(frozen=True)
class Scenes:
    """Paints images; the same for the same values.

    Attributes:
        size: height and width, pixels.
        seed: of all images.
        least, most: objects that an image is to have, drawn evenly; those that find no place are left out.
        truth: "instance" (the masks of the objects), "panoptic" (ids of the objects and of the ground) or "semantic".
    """

    size: tuple[int, int] = (128, 128)
    seed: int = 0
    least: int = 1
    most: int = 8
    truth: str = "instance"

    def image(self, record: Record) -> Tensor:
        """(3, H, W) uint8: the image of a record."""
        return torch.from_numpy(self._painted(record)[0].copy()).permute(2, 0, 1)

    def segments(self, record: Record) -> Segmentation:
        """What is where in it."""
        _, ids, labels = self._painted(record)
        classes = Classes(NAMES, things=(False, True, True, True, True), background=0)
        whole = Segmentation(classes, torch.tensor(labels), ids=torch.from_numpy(ids.copy()))
        if self.truth == "panoptic":
            return whole
        if self.truth == "semantic":
            return Segmentation.from_class_map(whole.class_map(), classes)
        numbers = np.arange(2, len(labels) + 1, dtype=np.int32)
        return Segmentation(classes, whole.labels[1:], masks=torch.from_numpy(ids == numbers[:, None, None]))

    def _painted(self, record: Record) -> tuple[Array, Array, list[int]]:
        return _paint(self.size, self.seed, int(record.name), self.least, self.most)


def shapes(
    number: int = 200,
    size: int | tuple[int, int] = 128,
    seed: int = 0,
    *,
    least: int = 1,
    most: int = 8,
    truth: str = "instance",
) -> Dataset:
    """Synthetic images as a data set.

    Args:
        number: of images.
        size: their side, or height and width, pixels.
        seed: of all images.
        least, most: objects that an image is to have, drawn evenly; those that find no place are left out. The more
            there may be, the smaller they are.
        truth: "instance" (the masks of the objects, as far as they are seen), "panoptic" (ids of the objects and of the
            ground) or "semantic" (one segment a class).

    Raises:
        ValueError: for a value outside its range.

    >>> data = shapes(number=3, size=64, seed=1)
    >>> data[2].image.shape
    torch.Size([3, 64, 64])
    """
    height, width = (size, size) if isinstance(size, int) else size
    for what, value, low, high in (
        ("number", number, 0, 10**6),
        ("size", min(height, width), 1, 4096),
        ("size", max(height, width), 1, 4096),
        ("seed", seed, 0, 2**63),
        ("least", least, 0, most),
        ("most", most, least, 2**15),
    ):
        if not low <= value <= high:
            raise ValueError(f"{what} of the shapes is {value}: it is a whole number from {low} to {high}")
    if truth not in TRUTHS:
        raise ValueError(f"there is no ground truth {truth!r}; {suggest(truth, TRUTHS)}")
    scenes = Scenes((height, width), seed, least, most, truth)
    said = f"{height}x{width} {seed} {least} {most} {truth}".encode()
    records = tuple(Record(f"{n:06}", Path("shapes", f"{n:06}.png"), annotations=said) for n in range(number))
    note = f"the images are made, not read: up to {most} shapes in each, seed {seed}"
    classes = Classes(NAMES, things=(False, True, True, True, True), background=0)
    return Dataset(classes, records, None, "shapes", (note,), scenes.segments, (), scenes.image, truth != "semantic")


def detect(path: Path) -> str | None:
    """Whether this is no path but a wish for shapes: `shapes:number=200,size=128,seed=1`."""
    return "images that are made, not read" if str(path).startswith(PREFIX) else None


def available(path: Path) -> tuple[str, ...]:
    """The splits that can be asked for."""
    return ("train", "val") if len(_wanted(path)) > 1 else ("train",)


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """The images of a split: a fifth of them is "val", drawn by their names, the rest "train".

    Args:
        path: `shapes:` and arguments of `shapes`, as `shapes:number=200,size=128,seed=1`; what is not said is as there.
        split: "train" or "val", None for everything.
        classes, void, colors: must be None: the ground truth is made with the images.

    Raises:
        ValueError: for an argument that `shapes` has not, or a value outside its range.
    """
    if classes is not None or void is not None or colors is not None:
        raise ValueError(f"{path} is made with its truth: leave --classes, --void and --colors out")
    data, wanted = _wanted(path), canonical(split)
    records, note = drawn(data.records, wanted, (), path)
    return replace(data, records=records, split=wanted, notes=(*data.notes, *note))


def _wanted(path: Path) -> Dataset:
    given: dict[str, int | str] = {"number": 200, "size": 128, "seed": 0, "least": 1, "most": 8, "truth": "instance"}
    for part in str(path).removeprefix(PREFIX).split(","):
        key, said, value = part.strip().partition("=")
        if not part.strip():
            continue
        if not said and key not in given:
            example = f"number={key if key.isdigit() else 200}"
            raise ValueError(f"{path}: shapes are told names and values, {', '.join(given)}: write {PREFIX}{example}")
        if key not in given:
            raise ValueError(f"{path}: shapes have no {key!r}; {suggest(key, given)}")
        if key != "truth" and not (value.isascii() and value.isdigit()):
            raise ValueError(f"{path}: {key} is {value!r}: it is a whole number")
        given[key] = value if key == "truth" else int(value)
    number, size, seed, least, most = (int(given[key]) for key in ("number", "size", "seed", "least", "most"))
    return shapes(number, size, seed, least=least, most=most, truth=str(given["truth"]))


@lru_cache(maxsize=4)
def _paint(size: tuple[int, int], seed: int, n: int, least: int, most: int) -> tuple[Array, Array, list[int]]:
    """Image n: (H, W, 3) uint8, (H, W) int32 ids from 1 (the ground) on, and the label of each id."""
    rng = np.random.default_rng((seed, n))
    canvas = _ground(size, rng)
    ids = np.ones(size, np.int32)
    labels, whole, seen = [0], [0.0], [0]
    mean = canvas.mean((0, 1))
    largest = min(size) * min(0.25, 0.6 / max(1, most) ** 0.5)
    smallest = min(largest, max(3.0, largest / 4))
    for _ in range(int(rng.integers(least, most + 1))):
        label = int(rng.integers(1, len(NAMES)))
        color = _color(mean, rng)
        for _ in range(TRIES):
            radius = smallest * (largest / smallest) ** rng.random()
            place = rng.random(3) * (*size, 2 * np.pi)
            rows, columns = (
                slice(max(0, int(at - _REACH * radius - 1)), min(end, int(at + _REACH * radius + 2)))
                for at, end in zip(place[:2].tolist(), size, strict=True)
            )
            outside = _distance(label, rows, columns, place, radius)
            inside = outside < 0
            covered = np.bincount(ids[rows, columns][inside], minlength=len(labels) + 1)[1:]
            area, own = _AREAS[label] * radius * radius, int(covered.sum())
            if own >= SEEN * area and all(
                seen[k] - covered[k] >= SEEN * whole[k] for k in covered[1:].nonzero()[0] + 1
            ):
                break
        else:
            continue
        seen = [a - int(b) for a, b in zip(seen, covered, strict=True)] + [own]
        whole.append(area)
        labels.append(label)
        ids[rows, columns][inside] = len(labels)
        alpha = np.clip(0.5 - outside, 0, 1)[
            ..., None
        ]  # half at the very edge: smooth for the eye, exact for the ground truth
        window = canvas[rows, columns]
        window += alpha * (color - window)
    canvas += rng.random(size, np.float32)[..., None] * np.float32(24) - 12
    return canvas.clip(0, 255).astype(np.uint8), ids, labels


def _ground(size: tuple[int, int], rng: np.random.Generator) -> Array:
    """(H, W, 3) float32: two colours mixed by smooth noise."""
    noise = cv2.resize(rng.random((8, 8), np.float32), size[::-1], interpolation=cv2.INTER_CUBIC)[..., None]
    dark, light = rng.uniform(20, 200, 3), rng.uniform(-50, 50, 3)
    return np.asarray(dark.astype(np.float32) + noise * light.astype(np.float32))


def _color(ground: Array, rng: np.random.Generator) -> Array:
    """A colour that can be told from the ground."""
    colors = rng.uniform(0, 255, (8, 3)).astype(np.float32)
    far = np.abs(colors - ground).sum(1)
    return np.asarray(colors[int((far > 120).argmax()) if (far > 120).any() else int(far.argmax())])


def _distance(label: int, rows: slice, columns: slice, place: Array, radius: float) -> Array:
    """(h, w) float32: how far outside the edge of a shape the centres of these pixels lie, negative inside."""
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) + np.float32(0.5 - place[0]))[:, None]
    x = (np.arange(columns.start, columns.stop, dtype=np.float32) + np.float32(0.5 - place[1]))[None]
    if NAMES[label] in ("circle", "ring"):
        from_center = np.sqrt(x * x + y * y) - np.float32(radius)
        return from_center if NAMES[label] == "circle" else np.abs(from_center + radius / 4) - np.float32(radius / 4)
    sides, inner = (4, 0.8) if NAMES[label] == "square" else (3, 0.62)
    angles = place[2] + 2 * np.pi * np.arange(sides) / sides
    planes = [x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle)) for angle in angles]
    return np.asarray(np.maximum.reduce(planes) - np.float32(inner * radius))

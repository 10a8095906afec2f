"""Looking at every image of a data set once: what is in it, whether it can be read, which are alike."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..console import track
from ..data.dataset import Dataset, Fault, Record
from ..data.formats.mask_folder import without_masks
from ..data.recognition.pairs import Pair, find_pairs
from ..images.decoding import read_image, read_mask
from ..ops.phrases import counted, few
from ..segmentation import Segmentation
from ..types import Size

THUMBNAIL = 24
"""Side of the grey thumbnails that near duplicates are found by, pixels."""

ALIKE = 0.995
"""Correlation of two thumbnails from which on their images are taken for the same scene."""

FLAT = 2.0
"""Thumbnails with a standard deviation below that many grey levels look all alike, and are not compared."""

FAILURES = (ValueError, OSError, MemoryError)
"""What a data set raises for a file that is missing, broken, or holds what it may not."""

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Look:
    """What one look at one image told.

    Attributes:
        split, index, name: which image it is.
        problem: "image" or "mask" where it cannot be read, "missing" where there is no mask, "size" where the two
            differ; empty where all is well.
        message: the error in words.
        size: height and width, pixels; None where the image cannot be read.
        digest: of the decoded pixels; equal for equal images, whatever their files.
        thumbnail: (THUMBNAIL²,) float32, mean 0 and length 1, or all 0 for images without structure.
        pixels: (C,) int64 of each class; None where there is no readable mask.
        classes: (C,) bool, those that are in it, be they covered by others everywhere; None likewise.
        objects: (K, 2) int64, label and area: the countable segments, or the connected parts of each class where
            nothing is countable; without the background.
        faults: where its annotations contradict each other or what they should be.
    """

    split: str
    index: int
    name: str
    problem: str = ""
    message: str = ""
    size: Size | None = None
    digest: bytes = b""
    thumbnail: Array | None = None
    pixels: Array | None = None
    classes: Array | None = None
    objects: Array | None = None
    faults: tuple[Fault, ...] = ()


def survey(parts: Mapping[str, Dataset], workers: int = 4) -> list[Look]:
    """One look at each image of each split, in their order, with progress on stderr.

    Images without a mask come last.
    """
    every = [(split, data, i) for split, data in parts.items() for i in range(len(data))]
    with ThreadPoolExecutor(workers) as threads:
        looks = threads.map(lambda job: look(*job), every)
        seen = list(track(looks, "inspect", len(every)))
    return seen + _missing(dict.fromkeys(one for data in parts.values() for one in data.unpaired))


def _missing(unpaired: Iterable[Record]) -> list[Look]:
    advice = "add one (all 0 where there is nothing to see), or move the image away"
    return [Look("all", 0, one.name, "missing", f"{one.image} has no mask: {advice}") for one in unpaired]


def look(split: str, data: Dataset, i: int) -> Look:
    """What image i is like; whatever is wrong with its files is told, not raised."""
    found: dict[str, Any] = {"split": split, "index": i, "name": data.records[i].name}
    faults: list[Fault] = []
    try:
        problem = "image"
        image = data.image(i)
        found |= {"size": tuple(image.shape[1:]), "digest": _digest(image), "thumbnail": _thumbnail(image)}
        problem = "mask"
        faults += data.faults(data.records[i])
        truth = data.truth(i)
        faults += _segment_faults(data.records[i], truth) if data.has_instances else ()
        problem = "size"
        if truth.size != tuple(image.shape[1:]):
            truth = data[i].truth or truth  # raises, with the reason that the data set knows
        class_map = truth.class_map().numpy()
        found["pixels"] = np.bincount(class_map.ravel(), minlength=256)[: len(data.classes)]
        found["classes"] = found["pixels"] > 0
        found["classes"][truth.labels[truth.areas() > 0].numpy()] = True
        found["objects"] = _objects(truth, class_map)
    except FAILURES as error:
        if str(error) not in [fault.text for fault in faults]:
            found |= {"problem": problem, "message": str(error)}
    return Look(**found, faults=tuple(faults))


def survey_files(path: Path) -> list[Look]:
    """One look at the files of each image and mask below a folder, where the data cannot be opened as a whole.

    Images without a mask come last.
    """
    found = find_pairs(path)

    def look(pair: Pair, name: str) -> Look:
        problem = "image"
        try:
            size = tuple(read_image(pair.image).shape[1:])
            problem = "mask"
            mask = read_mask(pair.mask).shape[:2]
        except FAILURES as error:
            return Look(pair.split or "all", 0, name, problem, str(error))
        if size == mask:
            return Look(pair.split or "all", 0, name)
        text = f"{pair.image} is {size[1]}x{size[0]}, but its mask {pair.mask} is {mask[1]}x{mask[0]}: they must agree"
        return Look(pair.split or "all", 0, name, "size", text)

    if found is None:
        return []
    with ThreadPoolExecutor(4) as threads:
        looks = list(threads.map(lambda pair: look(pair, found.name(pair)), found.pairs))
    return looks + _missing(without_masks(found))


def same_images(looks: Iterable[Look]) -> list[list[Look]]:
    """Groups of images with exactly the same pixels."""
    groups: defaultdict[bytes, list[Look]] = defaultdict(list)
    for one in looks:
        if one.digest:
            groups[one.digest].append(one)
    return [group for group in groups.values() if len(group) > 1]


def alike_across_splits(looks: Sequence[Look]) -> list[tuple[Look, Look, float]]:
    """For each image the one of an earlier split that it looks most alike, where that is `ALIKE`, with how much.

    Images with exactly the same pixels are left out.
    """
    usable = [one for one in looks if one.thumbnail is not None and one.thumbnail.any()]
    splits = list(dict.fromkeys(one.split for one in usable))
    pairs = []
    for k, split in enumerate(splits[1:], 1):
        earlier = [one for one in usable if one.split in splits[:k]]
        known = np.stack([one.thumbnail for one in earlier if one.thumbnail is not None])
        for one in (one for one in usable if one.split == split):
            likeness = known @ one.thumbnail
            best = int(likeness.argmax())
            if likeness[best] >= ALIKE and one.digest != earlier[best].digest:
                pairs.append((earlier[best], one, float(likeness[best])))
    return pairs


def areas(looks: Iterable[Look], label: int) -> Array:
    """(K,) int64: the areas of all objects of one class, pixels."""
    found = [one.objects[one.objects[:, 0] == label, 1] for one in looks if one.objects is not None]
    return np.concatenate([np.zeros(0, np.int64), *found]).astype(np.int64)


def _digest(image: Tensor) -> bytes:
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    return hashlib.blake2b(pixels.tobytes(), digest_size=16, person=b"%dx%d" % pixels.shape[:2]).digest()


def _thumbnail(image: Tensor) -> Array:
    grey = cv2.cvtColor(np.ascontiguousarray(image.permute(1, 2, 0).numpy()), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    small -= small.mean()
    return np.asarray(small * np.float32(0 if small.std() < FLAT else 1 / np.linalg.norm(small)))


def _segment_faults(record: Record, truth: Segmentation) -> Iterator[Fault]:
    """Stuff in several segments, of panoptic ground truth; objects that overlap, of masks."""
    where, classes = record.mask or record.image, truth.classes
    if truth.masks is None and any(classes.things):
        times = Counter(truth.labels[~truth.crowd].tolist())
        twice = [f"{classes.names[k]} {n}" for k, n in sorted(times.items()) if n > 1 and not classes.things[k]]
        if twice:
            text = f"stuff has several segments in {where}: {few(twice)}; scores take it for one an image: unite them"
            yield Fault("error", "stuff", text)
    if truth.masks is not None:
        objects = truth.masks.select((~truth.crowd).nonzero().flatten())
        common = int(objects.areas().sum() - objects.united([range(len(objects))]).areas().sum())
        if common:
            text = (
                f"objects overlap in {where}, by {counted(common, 'pixel')}; in a panoptic map a pixel has one segment"
            )
            yield Fault("note", "overlap", text)


def _objects(truth: Segmentation, class_map: Array) -> Array:
    """(K, 2): label and area of the countable segments, else of the connected parts of each class."""
    things = np.array(truth.classes.things)
    assert truth.crowd is not None
    if things.any():
        table = np.column_stack([truth.labels.numpy(), truth.areas().numpy()])
        return np.asarray(table[things[table[:, 0]] & ~truth.crowd.numpy()])
    rows = []
    for label in np.unique(class_map).tolist():
        if label < len(things) and label != truth.classes.background:
            _, _, stats, _ = cv2.connectedComponentsWithStats((class_map == label).astype(np.uint8), connectivity=8)
            rows += [(label, area) for area in stats[1:, cv2.CC_STAT_AREA].tolist()]
    return np.array(rows, np.int64).reshape(-1, 2)

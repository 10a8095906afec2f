"""Survey of a data set: every image is read once, to see what is in it and whether it can be read at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..console import track
from ..data.dataset import Dataset, Fault, Record
from ..data.formats.mask_folder import unpaired_records
from ..data.recognition.pairs import Pair, find_pairs
from ..images.reading import read_image, read_mask
from ..types import Array, Size
from .fingerprints import pixel_digest, thumbnail
from .intensities import level_counts
from .segments import object_areas, segment_faults

FAILURES = (ValueError, OSError, MemoryError)
"""Exceptions of a data set for a file that is missing, broken, or holds what it may not."""

WORKERS = 4
"""Number of threads that read images."""


@dataclass(frozen=True, eq=False)
class SurveyedImage:
    """An image of a data set as the survey found it.

    Attributes:
        split, index, name: the image.
        problem: "image" or "mask" where it cannot be read, "missing" where there is no mask, "size" where image and
            mask differ in size; empty where all is well.
        message: the error in words.
        size: height and width, pixels; None where the image cannot be read.
        digest: `fingerprints.pixel_digest`, empty where the image cannot be read.
        thumbnail: `fingerprints.thumbnail`.
        class_pixels: (C,) int64, the number of pixels of each class in the class map; None where there is no readable
            mask.
        has_class: (C,) bool, whether each class is in the image, even if other objects cover it; None likewise.
        objects: (K, 2) int64, label and area of each object, `segments.object_areas`; None likewise.
        crowds: the number of annotations that are crowds, of which methods that find objects learn nothing.
        faults: contradictions in its annotations.
        level_counts: `intensities.level_counts`, of an image of more than 8 bits.
    """

    split: str
    index: int
    name: str
    problem: str = ""
    message: str = ""
    size: Size | None = None
    digest: bytes = b""
    thumbnail: Array | None = None
    class_pixels: Array | None = None
    has_class: Array | None = None
    objects: Array | None = None
    crowds: int = 0
    faults: tuple[Fault, ...] = ()
    level_counts: Array | None = None


def survey(splits: Mapping[str, Dataset]) -> list[SurveyedImage]:
    """Read every image of every split, with progress on stderr.

    Returns:
        The images in the order of the splits, then those without a mask.
    """
    jobs = [(split, data, i) for split, data in splits.items() for i in range(len(data))]
    with ThreadPoolExecutor(WORKERS) as threads:
        results = threads.map(lambda job: survey_image(*job), jobs)
        surveyed = list(track(results, "inspect", len(jobs)))
    # The same images may be unpaired in several splits.
    unpaired = dict.fromkeys(record for data in splits.values() for record in data.unpaired)
    return surveyed + _without_mask(unpaired)


def survey_image(split: str, data: Dataset, i: int) -> SurveyedImage:
    """Read image i of a split; problems are recorded, not raised."""
    record = data.records[i]
    result = SurveyedImage(split, i, record.name)
    try:
        image = data.image(i)
        size = image.shape[1], image.shape[2]
        result = replace(result, size=size, digest=pixel_digest(image), thumbnail=thumbnail(image))
        result = replace(result, level_counts=level_counts(data, i, image))
    except FAILURES as error:
        return replace(result, problem="image", message=str(error))
    faults: list[Fault] = []
    problem = "mask"
    try:
        faults += data.faults(record)
        truth = data.truth(i)
        if data.has_instances:
            faults += segment_faults(record, truth)
        problem = "size"
        if truth.size != size:
            truth = data[i].truth or truth  # raises an error with the reason, which the data set knows
        class_map = truth.class_map().numpy()
        class_pixels = np.bincount(class_map.ravel(), minlength=256)[: len(data.classes)]
        has_class = class_pixels > 0
        has_class[truth.labels[truth.areas() > 0].numpy()] = True
        objects = object_areas(truth, class_map)
        crowds = int(truth.crowd.sum())
        result = replace(result, class_pixels=class_pixels, has_class=has_class, objects=objects, crowds=crowds)
    except FAILURES as error:
        # What is a fault already is not reported a second time.
        if str(error) not in [fault.text for fault in faults]:
            result = replace(result, problem=problem, message=str(error))
    return replace(result, faults=tuple(faults))


def survey_files(path: Path) -> list[SurveyedImage]:
    """Read every image and mask below a folder whose data cannot be opened as a whole.

    Returns:
        The images with masks, then those without; empty where no pairs of images and masks are recognised.
    """
    pairs = find_pairs(path)
    if pairs is None:
        return []
    with ThreadPoolExecutor(WORKERS) as threads:
        surveyed = list(threads.map(lambda pair: _survey_pair(pair, pairs.name(pair)), pairs.pairs))
    return surveyed + _without_mask(unpaired_records(pairs))


def _survey_pair(pair: Pair, name: str) -> SurveyedImage:
    result = SurveyedImage(pair.split or "all", 0, name)
    problem = "image"
    try:
        _, height, width = read_image(pair.image).shape
        problem = "mask"
        mask_height, mask_width = read_mask(pair.mask).shape[:2]
    except FAILURES as error:
        return replace(result, problem=problem, message=str(error))
    if (height, width) == (mask_height, mask_width):
        return result
    message = (
        f"{pair.image} is {width}x{height}, but its mask {pair.mask} is {mask_width}x{mask_height}: "
        "they must have the same size"
    )
    return replace(result, problem="size", message=message)


def _without_mask(unpaired: Iterable[Record]) -> list[SurveyedImage]:
    advice = "add one (all 0 where there is nothing to see), or move the image away"
    return [
        SurveyedImage("all", 0, record.name, "missing", f"{record.image} has no mask: {advice}") for record in unpaired
    ]


def object_areas_of(images: Iterable[SurveyedImage], label: int) -> Array:
    """(K,) int64: the areas of all objects of one class, pixels."""
    areas = [image.objects[image.objects[:, 0] == label, 1] for image in images if image.objects is not None]
    return np.concatenate([np.zeros(0, np.int64), *areas]).astype(np.int64)

"""Tables of objects: a CSV file with a row of measurements for each object, and one with the totals of each class."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..classes import Classes
from ..images.reading import ImageSource
from ..masks import Masks
from ..ops.atomic_files import write_aside
from ..postprocess.split_touching import objects_of_classes
from ..segmentation import Segmentation
from .writer import SharedFile

HEADER = ("image", "object", "class", "score", "area", "x1", "y1", "x2", "y2", "x", "y")
"""The columns: the image, the number of the object in it, its class and score, its area, bounding box and centroid in
pixels. Coordinates count from the upper left corner of the image, so that the first pixel reaches from 0 to 1."""

TOTALS = "class_totals.csv"
TOTALS_HEADER = ("image", "class", "objects", "area", "share")
"""The columns: the image, a class in it, the number of its objects, their area in pixels, and their share of it."""

Row = tuple[str | int | float, ...]


class TableWriter(SharedFile):
    """Write a CSV file with a row for each object, background left out.

    The objects of a semantic result are the connected components of each class, unless `split` says otherwise. In a
    folder of results, the totals of each class of each image are in `class_totals.csv` beside the table.

    Attributes:
        split: how classes are split into objects, a key of `SPLITS`; "segments": not at all; None: results of classes
            that are all no things are split into components.
    """

    name = "table"
    suffix = ".csv"
    recognized: ClassVar[tuple[str, ...]] = (".csv",)

    def __init__(self, path: Path, classes: Classes) -> None:
        self.path = path
        self.split: str | None = None
        self.totals: Path | None = None
        self._rows: list[Row] = []
        self._total_rows: list[Row] = []

    @classmethod
    def for_folder(cls, folder: Path, classes: Classes) -> Self:
        writer = super().for_folder(folder, classes)
        writer.totals = folder / TOTALS
        return writer

    def add(self, name: str, result: Segmentation, image: ImageSource | None = None) -> None:
        split = self.split
        if split is None:
            is_semantic = result.ids is not None and not any(result.classes.things)
            split = "components" if is_semantic else "segments"
        if split != "segments":
            result = objects_of_classes(result, split)
        table = rows(name, result)
        self._rows += table
        self._total_rows += total_rows(name, table, result.size)

    def close(self) -> None:
        write(self._rows, self.path)
        if self.totals is not None:
            write(self._total_rows, self.totals, TOTALS_HEADER)


def rows(name: str, result: Segmentation) -> list[Row]:
    """Return a row for each segment but the background; the columns are `HEADER`.

    Args:
        name: the name of the image.
        result: its segments.
    """
    masks = result.as_masks()
    numbers = object_numbers(result).tolist()
    labels = result.labels.tolist()
    scores = result.scores.tolist()
    areas = masks.areas().tolist()
    boxes = masks.boxes().tolist()
    centres = centroids(masks).tolist()
    table: list[Row] = []
    for n, number in enumerate(numbers):
        if number:
            class_name = result.classes.names[labels[n]]
            x, y = centres[n]
            row = (name, number, class_name, round(scores[n], 4), areas[n], *boxes[n], round(x, 2), round(y, 2))
            table.append(row)
    return table


def total_rows(name: str, table: Sequence[Row], size: tuple[int, int]) -> list[Row]:
    """Sum up the rows of one image: a row for each class in it, with the columns `TOTALS_HEADER`.

    Args:
        name: the name of the image.
        table: its rows with the columns `HEADER`.
        size: its height and width.
    """
    numbers: Counter[str] = Counter()
    areas: Counter[str] = Counter()
    for row in table:
        class_name, area = str(row[HEADER.index("class")]), int(row[HEADER.index("area")])
        numbers[class_name] += 1
        areas[class_name] += area
    pixels = size[0] * size[1]
    return [(name, key, numbers[key], areas[key], round(areas[key] / pixels, 6)) for key in numbers]


def write(table: Sequence[Row], path: Path, header: Sequence[str] = HEADER) -> None:
    """Write rows as a CSV file with a header.

    Raises:
        OSError: names the file if it cannot be written.
    """
    with write_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(table)


def centroids(masks: Masks) -> NDArray[np.float64]:
    """Return the mean x and y of the pixel centres of each mask, (N, 2); zeros for an empty mask."""
    mask, column, first, end = masks.runs.cpu().numpy().astype(np.float64).T
    places = mask.astype(np.int64)
    length = end - first
    area = np.bincount(places, length, len(masks))
    x = np.bincount(places, length * (column + 0.5), len(masks))
    # The centres of a run of pixels, first + 0.5 … end - 0.5, sum to (end² - first²) / 2.
    y = np.bincount(places, (end**2 - first**2) / 2, len(masks))
    return np.stack([x, y], 1) / np.maximum(area, 1)[:, None]


def object_numbers(result: Segmentation) -> NDArray[np.int64]:
    """Number the segments 1, 2, … in their order, (N,); segments of the background are no objects and get 0."""
    background = result.classes.background
    if background is None:
        return np.arange(1, len(result) + 1, dtype=np.int64)
    is_object = result.labels.cpu().numpy() != background
    return np.asarray(np.cumsum(is_object) * is_object)

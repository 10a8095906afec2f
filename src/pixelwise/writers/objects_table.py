"""Tables of objects: a CSV file with a row of measurements for each object of all images."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..classes import Classes
from ..images.reading import ImageSource
from ..masks import Masks
from ..ops.atomic_files import write_aside
from ..segmentation import Segmentation
from .writer import SharedFile

HEADER = ("image", "object", "class", "score", "area", "x1", "y1", "x2", "y2", "x", "y")
"""The columns: the image, the number of the object in it, its class and score, its area, bounding box and centroid in
pixels. Coordinates count from the upper left corner of the image, so that the first pixel reaches from 0 to 1."""

Row = tuple[str | int | float, ...]


class TableWriter(SharedFile):
    """Write a CSV file with a row for each object, or for each class of a semantic result, background left out."""

    name = "table"
    suffix = ".csv"
    recognized: ClassVar[tuple[str, ...]] = (".csv",)

    def __init__(self, path: Path, classes: Classes) -> None:
        self.path = path
        self._rows: list[Row] = []

    def add(self, name: str, result: Segmentation, image: ImageSource | None = None) -> None:
        self._rows += rows(name, result)

    def close(self) -> None:
        write(self._rows, self.path)


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


def write(table: Sequence[Row], path: Path) -> None:
    """Write rows as a CSV file with a header.

    Raises:
        OSError: names the file if it cannot be written.
    """
    with write_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
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

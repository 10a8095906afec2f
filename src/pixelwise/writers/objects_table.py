"""A row of numbers for each object, and the numbers that objects go by in an image."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.formats.label_map import VOID_ID
from ..masks import Masks
from ..ops.atomic_files import write_aside
from ..segmentation import Segmentation

HEADER = ("image", "object", "class", "score", "area", "x1", "y1", "x2", "y2", "x", "y")
"""The columns: of each object its number in the image, its area, box and centre; pixels, counted from the upper left
corner of the image, so that the first pixel reaches from 0 to 1."""

Row = tuple[str | int | float, ...]


def rows(name: str, result: Segmentation) -> list[Row]:
    """A row for each segment but the background; the columns are `HEADER`.

    Args:
        name: of the image.
        result: what was found in it.
    """
    masks, labels, scores = result.as_masks(), result.labels.tolist(), result.scores.tolist()
    called, areas, boxes = numbers(result).tolist(), masks.areas().tolist(), masks.boxes().tolist()
    centres = centroids(masks).tolist()
    return [
        (
            name,
            called[n],
            result.classes.names[labels[n]],
            round(scores[n], 4),
            areas[n],
            *boxes[n],
            *(round(place, 2) for place in centres[n]),
        )
        for n in range(len(result))
        if called[n]
    ]


def write(table: Sequence[Row], path: Path) -> None:
    """A CSV file with a line of names.

    Raises:
        OSError: names the file when it cannot be written.
    """
    with write_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(table)


def centroids(masks: Masks) -> NDArray[np.float64]:
    """(N, 2): the mean x and y of the pixels' centres of each mask; zeros for an empty one."""
    mask, column, first, end = masks.runs.cpu().numpy().astype(np.float64).T
    places = mask.astype(np.int64)
    area, x, y = (
        np.bincount(places, weights, len(masks))
        for weights in (end - first, (end - first) * (column + 0.5), (end**2 - first**2) / 2)
    )
    return np.stack([x, y], 1) / np.maximum(area, 1)[:, None]


def numbers(result: Segmentation) -> NDArray[np.int64]:
    """(N,): 1, 2, … for the segments in their order; 0 for those of the background, which are no objects."""
    labels = result.labels.cpu().numpy()
    counted = labels != (-1 if result.classes.background is None else result.classes.background)
    return np.asarray(np.cumsum(counted) * counted)


def number_map(result: Segmentation) -> tuple[NDArray[np.uint16], dict[int, str]]:
    """An image of the numbers, as label maps have it, and the class of each number that is seen.

    Returns:
        (H, W): the number of the segment that each pixel belongs to, of masks that overlap the best scored; 0 for the
        background, and where masks leave it free; 65535 for void, which is what neither covers, and for crowds.

    Raises:
        ValueError: there are more objects than 16 bits can number.
    """
    called = numbers(result)
    if called.max(initial=0) >= VOID_ID:
        raise ValueError(f"there are {called.max()} objects: a 16-bit label map holds {VOID_ID - 1}")
    free = 0 if result.masks is not None and result.classes.background is not None else VOID_ID
    table = np.array([free, *np.where(result.crowd.cpu().numpy(), VOID_ID, called)], np.uint16)
    found = table[result.panoptic_map().cpu().numpy()]
    seen = set(np.unique(found).tolist())
    labels = zip(called.tolist(), result.labels.tolist(), strict=True)
    return found, {number: result.classes.names[label] for number, label in labels if number and number in seen}

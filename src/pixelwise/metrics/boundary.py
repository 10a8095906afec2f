"""How well the boundaries of class maps lie: the boundary F1 of each class, at a tolerance in pixels.

Csurka, Larlus, Perronnin: "What is a good evaluation measure for semantic segmentation?", BMVC 2013, section 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from ..classes import VOID, Classes
from ..ops.disk import disk
from ..segmentation import Segmentation
from .confusion import Counts, Tallies, Values, divide, mean
from .per_image import Row, rows_of

DEFINITIONS: Mapping[str, str] = {
    "boundary F1": "of a class: harmonic mean of precision, the share of its found boundary pixels that lie within the "
    "tolerance of its true boundary, and recall, the share of its true ones within that of its found boundary, over "
    "the whole data set; the mean over the classes that have a boundary in the ground truth or in the predictions. "
    "A boundary pixel of a class has one of another class above, below, left or right of it; the border of the "
    "image and that of void is no boundary",
    "image-wise boundary F1": "mean over the images of the mean boundary F1 of each image by itself, as published",
}
"""What each score means, for reports."""

NAME = "boundary F1"


class BoundaryScore(Tallies):
    """Boundary pixels that are right and that are found or true, by class, added up over images and processes.

    Attributes:
        tolerance: how far off a boundary may lie and still be right, whole pixels (Euclidean), or below 1 a share of
            the image's diagonal. The paper takes 0.0075: 4.5 pixels of 480x360.
        images: (4, C) int64 each: found boundary pixels that are right, all found ones, true ones that were found,
            all true ones.
    """

    DEFINITIONS: ClassVar[Mapping[str, str]] = DEFINITIONS
    COUNTS = 4
    IMAGE_WISE = (NAME,)

    def __init__(self, classes: Classes, tolerance: float = 2) -> None:
        if not tolerance >= 0 or (tolerance > 1 and tolerance % 1):
            raise ValueError(
                f"the tolerance of the boundary score is {tolerance}: it is 0 or more whole pixels, or below 1 a share "
                "of the image's diagonal"
            )
        super().__init__(classes)
        self.tolerance = tolerance

    def count(self, found: NDArray[np.uint8], truth: NDArray[np.uint8]) -> Counts:
        """(4, C) int64: the counts of one image, from (H, W) class maps; they are not added to this one."""
        known = truth != VOID
        edges = [_edges(found, np.ones_like(known)), _edges(truth, known)]
        share = self.tolerance < 1
        reach = disk(round(math.hypot(*truth.shape) * self.tolerance) if share else int(self.tolerance))
        counts: Counts = np.zeros((4, len(self.classes)), np.int64)
        for c in range(len(self.classes)):
            here = [(edge & (values == c)).view(np.uint8) for edge, values in zip(edges, (found, truth), strict=True)]
            near = [cv2.dilate(boundary, reach) for boundary in here]
            judged = here[0] & known
            both = judged & near[1], judged, here[1] & near[0], here[1]
            counts[:, c] = [cv2.countNonZero(boundary) for boundary in both]
        return counts

    def per_class(self) -> list[Row]:
        """One row a class: "class" and "boundary F1", nan where it has no boundary."""
        return rows_of("class", self.classes.names, {NAME: _f1(self._total())})

    def _count(self, found: Segmentation, truth: Segmentation) -> Counts:
        return self.count(found.class_map().cpu().numpy(), truth.class_map().cpu().numpy())

    def _summarize(self, counts: NDArray[Any]) -> dict[str, Values]:
        return summarize(counts)

    def _terms(self) -> dict[str, object]:
        return super()._terms() | {"tolerance": self.tolerance}


def summarize(counts: NDArray[Any]) -> dict[str, Values]:
    """(…, 4, C) counts → the mean over the classes, (…); nan where there is no boundary."""
    return {NAME: mean(_f1(counts))}


def _f1(counts: NDArray[Any]) -> Values:
    """(…, 4, C) → (…, C)."""
    right, found, met, true = np.moveaxis(counts.astype(np.float64), -2, 0)
    precision, recall = np.nan_to_num(divide(right, found)), np.nan_to_num(divide(met, true))
    f1 = np.nan_to_num(divide(2 * precision * recall, precision + recall))
    return np.where(found + true > 0, f1, np.nan)


def _edges(class_map: NDArray[np.uint8], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels with a pixel of another class beside them, where both are known."""
    edges = np.zeros(class_map.shape, bool)
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        differ = (class_map[one] != class_map[other]) & known[one] & known[other]
        edges[one] |= differ
        edges[other] |= differ
    return edges

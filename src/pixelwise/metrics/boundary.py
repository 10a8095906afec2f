"""Boundary F1: how well the boundaries of class maps agree, at a tolerance in pixels.

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
from .class_counts import ClassCounts, Counts
from .metric import Row, rows_of
from .ratios import Values, divide, mean

NAME = "boundary F1"

DEFINITIONS: Mapping[str, str] = {
    NAME: "Of a class: the harmonic mean of precision, the share of its predicted boundary pixels that lie within the "
    "tolerance of its boundary in the ground truth, and recall, the share of its ground-truth boundary pixels that lie "
    "within the tolerance of its predicted boundary, over the whole data set. The mean is taken over the classes that "
    "have a boundary in the ground truth or in a prediction. A boundary pixel of a class has a pixel of another class "
    "above, below, left or right of it; the borders of the image and of void are not boundaries.",
    f"image-wise {NAME}": "Mean over the images of the mean boundary F1 of each image alone, as published.",
}
"""What each score means, for reports."""

Bytes = NDArray[np.uint8]


class BoundaryScore(ClassCounts):
    """Count the boundary pixels that agree, by class, over images and processes.

    Attributes:
        tolerance: the largest distance (Euclidean) of a boundary pixel from the other boundary at which it counts as
            correct, in whole pixels, or below 1 as a share of the image's diagonal. The paper uses 0.0075, which is
            4.5 pixels of a 480x360 image.
        images: (4, C) int64 each: the predicted boundary pixels that are correct, all predicted ones, the ground-truth
            boundary pixels that were predicted, all ground-truth ones.
    """

    MAIN_SCORE: ClassVar[str] = NAME
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

    def count(self, prediction: Bytes, truth: Bytes) -> Counts:
        """Count one image without adding it: (4, C) int64, from (H, W) class maps."""
        known = truth != VOID
        predicted_edges = _edges(prediction, np.ones_like(known))
        truth_edges = _edges(truth, known)
        pixels = round(math.hypot(*truth.shape) * self.tolerance) if self.tolerance < 1 else int(self.tolerance)
        reach = disk(pixels)
        counts: Counts = np.zeros((4, len(self.classes)), np.int64)
        for c in range(len(self.classes)):
            predicted = (predicted_edges & (prediction == c)).view(np.uint8)
            true = (truth_edges & (truth == c)).view(np.uint8)
            counted = predicted & known
            correct = counted & cv2.dilate(true, reach)
            met = true & cv2.dilate(predicted, reach)
            counts[:, c] = [cv2.countNonZero(edge) for edge in (correct, counted, met, true)]
        return counts

    def per_class(self) -> list[Row]:
        """Return a row for each class: "class" and "boundary F1", nan where it has no boundary."""
        return rows_of("class", self.classes.names, {NAME: _f1(self._total())})

    def _count(self, prediction: Segmentation, truth: Segmentation) -> Counts:
        return self.count(prediction.class_map().cpu().numpy(), truth.class_map().cpu().numpy())

    def _summarize(self, counts: NDArray[Any]) -> dict[str, Values]:
        return summarize(counts)

    def _settings(self) -> dict[str, object]:
        return super()._settings() | {"tolerance": self.tolerance}


def summarize(counts: NDArray[Any]) -> dict[str, Values]:
    """Compute the mean over the classes, (…), from (…, 4, C) counts; nan where there is no boundary."""
    return {NAME: mean(_f1(counts))}


def _f1(counts: NDArray[Any]) -> Values:
    """Compute the F1 of each class, (…, C), from (…, 4, C) counts."""
    correct, predicted, met, true = np.moveaxis(counts.astype(np.float64), -2, 0)
    precision = np.nan_to_num(divide(correct, predicted))
    recall = np.nan_to_num(divide(met, true))
    f1 = np.nan_to_num(divide(2 * precision * recall, precision + recall))
    return np.where(predicted + true > 0, f1, np.nan)


def _edges(class_map: Bytes, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the pixels with a pixel of another class beside them, where both are known."""
    edges = np.zeros(class_map.shape, bool)
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        differ = (class_map[one] != class_map[other]) & known[one] & known[other]
        edges[one] |= differ
        edges[other] |= differ
    return edges

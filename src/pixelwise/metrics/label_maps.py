"""Scores of label maps, whose objects cannot overlap, as used in microscopy: matched objects, aggregated Jaccard index.

Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl", 2019 (objects matched at
several IoUs). Kumar et al., "A dataset and a technique for generalized nuclear segmentation", 2017, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from ..segmentation import Segmentation
from .class_counts import ClassCounts, Counts
from .metric import Row, rows_of
from .ranking import THRESHOLDS
from .ratios import Values, divide, mean

DEFINITIONS: Mapping[str, str] = {
    "label AP": "Matched objects divided by all objects, TP / (TP + FP + FN), over the whole data set; the mean over "
    "the IoU thresholds 0.50, 0.55 … 0.95 from which a predicted and a ground-truth object match, and over the classes "
    "that occur in the ground truth or in a prediction. It is not an area under a curve: confidence scores play no "
    "part.",
    "label AP50": "The same at an IoU threshold of 0.50 only.",
    "label AP75": "The same at an IoU threshold of 0.75 only.",
    "AJI": "Aggregated Jaccard index: each ground-truth object is paired with the predicted object of its class that "
    "has the highest IoU; the sum of the intersections is divided by the sum of the unions, over the whole data set. "
    "The pixels of predicted objects without a partner are added to the unions. The mean is taken over the classes.",
    "image-wise label AP": "Mean over the images of the label AP of each image alone, as published.",
    "image-wise label AP50": "The same at an IoU threshold of 0.50 only.",
    "image-wise AJI": "Mean over the images of the AJI of each image alone, as published.",
    "overlap": "For these scores overlapping objects are first drawn as a label map: where objects overlap, the one "
    "with the highest confidence score keeps the pixels. Crowd regions are left out, and so are predicted objects of "
    "which at least half lies in one.",
}
"""What each score means, for reports."""


class LabelMapScore(ClassCounts):
    """Count matched, ground-truth and predicted objects by class, over images and processes.

    Pixels that no segment covers, and those of the background class, belong to no object.

    Attributes:
        images: (14, C) int64 each: the objects matched at each of the ten thresholds; the ground-truth objects; the
            predicted objects; the pixels of the intersections and of the unions of the AJI.
    """

    MAIN_SCORE: ClassVar[str] = "label AP"
    DEFINITIONS: ClassVar[Mapping[str, str]] = DEFINITIONS
    COUNTS = len(THRESHOLDS) + 4
    IMAGE_WISE = ("label AP", "label AP50", "AJI")

    def per_class(self) -> list[Row]:
        """Return a row for each class: "class" and the scores, nan for a class without objects."""
        return rows_of("class", self.classes.names, summarize(self._total().T[..., None]))

    def _count(self, prediction: Segmentation, truth: Segmentation) -> Counts:
        return _count(prediction, truth, len(self.classes))

    def _summarize(self, counts: NDArray[Any]) -> dict[str, Values]:
        return summarize(counts)


def summarize(counts: NDArray[Any]) -> dict[str, Values]:
    """Compute the scores over all classes, (…) each, from (…, 14, C) counts; nan where there is no object."""
    matched = counts[..., : len(THRESHOLDS), :].astype(np.float64)
    rest = counts[..., len(THRESHOLDS) :, :].astype(np.float64)
    true, predicted, intersections, unions = np.moveaxis(rest, -2, 0)
    ratios = divide(matched, (true + predicted)[..., None, :] - matched)
    by_threshold = mean(ratios)
    return {
        "label AP": mean(by_threshold),
        "label AP50": by_threshold[..., 0],
        "label AP75": by_threshold[..., 5],
        "AJI": mean(divide(intersections, unions)),
    }


def _count(prediction: Segmentation, truth: Segmentation, classes: int) -> Counts:
    """Count one image, (14, C)."""
    rows, columns = len(prediction) + 1, len(truth) + 1
    codes = prediction.panoptic_map().cpu().numpy().astype(np.int64) * columns + truth.panoptic_map().cpu().numpy()
    table = np.bincount(codes.ravel(), minlength=rows * columns).reshape(rows, columns)
    areas, true_areas = table.sum(1)[1:], table.sum(0)[1:]
    intersections = table[1:, 1:]
    labels, true_labels = prediction.labels.cpu().numpy(), truth.labels.cpu().numpy()
    crowd = truth.crowd.cpu().numpy()
    in_crowd = 2 * intersections[:, crowd].sum(1) >= np.maximum(areas, 1)
    counts: Counts = np.zeros((len(THRESHOLDS) + 4, classes), np.int64)
    for k in np.union1d(labels, true_labels):
        if k == truth.classes.background:
            continue
        n = np.flatnonzero((labels == k) & (areas > 0) & ~in_crowd)
        m = np.flatnonzero((true_labels == k) & (true_areas > 0) & ~crowd)
        counts[:, k] = _count_class(intersections[np.ix_(n, m)], areas[n], true_areas[m])
    return counts


def _count_class(intersections: Counts, areas: Counts, true_areas: Counts) -> list[int]:
    """Count one class: its 14 counts, from the (D, G) intersections and the areas of its objects."""
    unions = areas[:, None] + true_areas - intersections
    iou = divide(intersections, unions)
    if not intersections.size:
        return [0] * len(THRESHOLDS) + [len(true_areas), len(areas), 0, int(areas.sum() + true_areas.sum())]
    matched = []
    for threshold in THRESHOLDS:
        # Above 0.5 an object has one partner at most. At exactly 0.5 its two halves may both be objects: match one.
        partners = maximum_bipartite_matching(csr_matrix(iou >= threshold), perm_type="column")
        matched.append(int((partners >= 0).sum()))
    best = iou.argmax(0)
    touched = np.flatnonzero(intersections.any(0))
    alone = np.ones(len(areas), bool)
    alone[best[touched]] = False
    missed = np.ones(len(true_areas), bool)
    missed[touched] = False
    intersection = int(intersections[best[touched], touched].sum())
    union = int(unions[best[touched], touched].sum() + true_areas[missed].sum() + areas[alone].sum())
    return [*matched, len(true_areas), len(areas), intersection, union]

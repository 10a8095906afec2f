"""Scores of label maps, whose objects cannot overlap, as microscopy reports them: matched objects, aggregated Jaccard.

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
from .confusion import Counts, Tallies, Values, divide, mean
from .per_image import Row, rows_of
from .ranking import THRESHOLDS

DEFINITIONS: Mapping[str, str] = {
    "label AP": "objects found right over objects that are true or were found, TP / (TP + FP + FN), over the whole "
    "data set; mean over an IoU of 0.50, 0.55 … 0.95 from which on an object is right, and over the classes that are "
    "true or found. This is no area under a curve: scores play no part",
    "label AP50": "the same at an IoU of 0.50 only",
    "label AP75": "the same at an IoU of 0.75 only",
    "AJI": "aggregated Jaccard index: each true object with the found one of its class of the highest IoU; "
    "intersections over unions, each summed over the whole data set, objects that were found and meet no true one in "
    "the unions too; mean over the classes",
    "image-wise label AP": "mean over the images of the label AP of each image by itself, as published",
    "image-wise label AP50": "the same at an IoU of 0.50 only",
    "image-wise AJI": "mean over the images of the AJI of each image by itself, as published",
    "overlap": "for these scores objects that overlap are made a label map first: the better scored one keeps the "
    "pixels; regions of many objects (crowd) are left out, and so is what was found and lies in one by half or more",
}
"""What each score means, for reports."""


class LabelMapScore(Tallies):
    """Objects matched, true and found, by class, added up over images and processes.

    Pixels that no segment covers, and those of the background class, are no object.

    Attributes:
        images: (14, C) int64 each: the objects matched at each of the ten thresholds; those true, those found; the
            pixels of the intersections and of the unions of the AJI.
    """

    MAIN_SCORE: ClassVar[str] = "label AP"
    DEFINITIONS: ClassVar[Mapping[str, str]] = DEFINITIONS
    COUNTS = len(THRESHOLDS) + 4
    IMAGE_WISE = ("label AP", "label AP50", "AJI")

    def per_class(self) -> list[Row]:
        """One row a class: "class" and the scores, nan for one without objects."""
        return rows_of("class", self.classes.names, summarize(self._total().T[..., None]))

    def _count(self, found: Segmentation, truth: Segmentation) -> Counts:
        return _count(found, truth, len(self.classes))

    def _summarize(self, counts: NDArray[Any]) -> dict[str, Values]:
        return summarize(counts)


def summarize(counts: NDArray[Any]) -> dict[str, Values]:
    """(…, 14, C) counts → the scores over all classes, (…) each; nan where there is no object."""
    matched = counts[..., : len(THRESHOLDS), :].astype(np.float64)
    true, found, both, union = np.moveaxis(counts[..., len(THRESHOLDS) :, :].astype(np.float64), -2, 0)
    ratios = divide(matched, (true + found)[..., None, :] - matched)
    steps = mean(ratios)
    return {
        "label AP": mean(steps),
        "label AP50": steps[..., 0],
        "label AP75": steps[..., 5],
        "AJI": mean(divide(both, union)),
    }


def _count(found: Segmentation, truth: Segmentation, classes: int) -> Counts:
    """(14, C): one image."""
    one, other = len(found) + 1, len(truth) + 1
    pairs = found.panoptic_map().cpu().numpy().astype(np.int64) * other + truth.panoptic_map().cpu().numpy()
    table = np.bincount(pairs.ravel(), minlength=one * other).reshape(one, other)
    areas, true_areas = table.sum(1)[1:], table.sum(0)[1:]
    both = table[1:, 1:]
    labels, true_labels = found.labels.cpu().numpy(), truth.labels.cpu().numpy()
    crowd = truth.crowd.cpu().numpy()
    spared = 2 * both[:, crowd].sum(1) >= np.maximum(areas, 1)
    counts: Counts = np.zeros((len(THRESHOLDS) + 4, classes), np.int64)
    for k in np.union1d(labels, true_labels):
        if k == truth.classes.background:
            continue
        n = np.flatnonzero((labels == k) & (areas > 0) & ~spared)
        m = np.flatnonzero((true_labels == k) & (true_areas > 0) & ~crowd)
        counts[:, k] = _count_class(both[np.ix_(n, m)], areas[n], true_areas[m])
    return counts


def _count_class(both: Counts, areas: Counts, true_areas: Counts) -> list[int]:
    """The counts of one class, from the (D, G) intersections and the areas of its objects."""
    union = areas[:, None] + true_areas - both
    iou = divide(both, union)
    if not both.size:
        return [0] * len(THRESHOLDS) + [len(true_areas), len(areas), 0, int(areas.sum() + true_areas.sum())]
    # Above 0.5 no object has two partners; at 0.5 its two halves may be objects, and one of them is matched.
    matched = [
        int((maximum_bipartite_matching(csr_matrix(iou >= threshold), perm_type="column") >= 0).sum())
        for threshold in THRESHOLDS
    ]
    best = iou.argmax(0)
    met = np.flatnonzero(both.any(0))
    alone = np.ones(len(areas), bool)
    alone[best[met]] = False
    missed = np.ones(len(true_areas), bool)
    missed[met] = False
    united = union[best[met], met].sum() + true_areas[missed].sum() + areas[alone].sum()
    return [*matched, len(true_areas), len(areas), int(both[best[met], met].sum()), int(united)]

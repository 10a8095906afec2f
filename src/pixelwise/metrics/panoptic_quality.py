"""Panoptic quality: how many segments of things and stuff were recognised, and how exactly they were segmented.

Kirillov et al., "Panoptic Segmentation", 2019, section 4, and its reference code, the panoptic API; all numbers are
equal to those of that code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..segmentation import Segmentation
from .class_counts import ClassCounts, Counts
from .metric import Row, rows_of
from .ratios import Values, divide, mean

Integers = NDArray[np.int64]

LOOSE = "IoU per segment"
"""The name of the loose form."""

DEFINITIONS: Mapping[str, str] = {
    "PQ": "Panoptic quality of a class: the sum of the IoU of its matched segments, divided by the mean of its number "
    "of ground-truth segments and its number of predicted segments, Σ IoU / (TP + ½ FP + ½ FN), over the whole data "
    "set. The mean is taken over the classes that occur in the ground truth or in a prediction. A predicted segment "
    "matches a ground-truth segment of its class if their IoU is above 0.5.",
    "SQ": "Segmentation quality of a class: the mean IoU of its matched segments, 0 if none is matched; the mean is "
    "taken as for PQ. PQ = SQ · RQ holds for each class, but not for the means.",
    "RQ": "Recognition quality of a class: TP / (TP + ½ FP + ½ FN), the F1 score of its segments; the mean is taken as "
    "for PQ.",
    "PQ things": "The mean over the things only.",
    "SQ things": "The mean over the things only.",
    "RQ things": "The mean over the things only.",
    "PQ stuff": "The mean over the stuff only.",
    "SQ stuff": "The mean over the stuff only.",
    "RQ stuff": "The mean over the stuff only.",
    LOOSE: "Of a class: the sum of the IoU of its matched segments, divided by the number of its segments, where a "
    "matched pair counts as one, Σ IoU / (TP + FP + FN); the mean is taken as for PQ. It is not the PQ of the "
    "literature, although PQ is sometimes explained this way: for each class it equals PQ / (2 - RQ), so it is never "
    "above PQ, and equal to it if all segments or none are matched.",
    "matched": "Pairs of a ground-truth and a predicted segment that match (TP). Ground-truth segments without a match "
    "are false negatives (FN), predicted segments without a match are false positives (FP).",
    "void in PQ": "Pixels that are void in the ground truth are left out of every union. A predicted segment without a "
    "match is no false positive if more than half of it lies in void or in a crowd of its class (if there are several "
    "crowds, in the last one).",
    "crowd in PQ": "A crowd, a region of many objects, is never matched, and need not be predicted.",
    "empty in PQ": "A ground-truth segment without pixels counts as missed; a predicted one is ignored.",
}
"""What each score means, for reports."""

STRIPE = 1 << 19
"""The number of pixels that are compared at once, so that they stay in the processor's cache. A multiple of eight."""

MAX_TABLE = 1 << 22
"""The largest table of all pairs of segments; with more pairs, those that occur are sorted instead."""


class PanopticQuality(ClassCounts):
    """Count matched, missed and wrongly predicted segments by class, over images and processes.

    Where segments are overlapping `masks`, the one with the highest confidence score keeps the pixels. Pixels that no
    mask covers are one segment of the background if the classes have one, else void.

    Attributes:
        images: (4, C) float64 each: the sum of the IoU of the matched segments, their number (TP), the number of
            predicted segments without a match (FP), and of ground-truth segments without a match (FN).
    """

    MAIN_SCORE: ClassVar[str] = "PQ"
    DEFINITIONS: ClassVar[Mapping[str, str]] = DEFINITIONS
    COUNTS = 4

    def per_class(self) -> list[Row]:
        """Return a row for each class: "class", "PQ", "SQ", "RQ", the loose form (nan for a class without segments),
        and the numbers of segments "matched", "ground truth" and "predicted"."""
        counts = self._total()
        _, matched, unmatched, missed = counts.astype(np.int64)
        numbers = {"matched": matched, "ground truth": matched + missed, "predicted": matched + unmatched}
        return rows_of("class", self.classes.names, qualities(counts) | numbers)

    def _count(self, prediction: Segmentation, truth: Segmentation) -> Values:
        return _count(prediction, truth, len(self.classes))

    def _summarize(self, counts: NDArray[Any]) -> dict[str, Values]:
        return summarize(counts, np.array(self.classes.things))

    def _settings(self) -> dict[str, object]:
        return super()._settings() | {"ones as things": self.classes.things}


def qualities(counts: NDArray[Any]) -> dict[str, Values]:
    """Compute PQ, SQ, RQ and the loose form of each class, (…, C) each, from (…, 4, C) counts.

    They are nan where a class has no segment.
    """
    iou, matched, unmatched, missed = np.moveaxis(counts.astype(np.float64), -2, 0)
    number = matched + unmatched / 2 + missed / 2
    return {
        "PQ": divide(iou, number),
        "SQ": np.where(number > 0, np.nan_to_num(divide(iou, matched)), np.nan),
        "RQ": divide(matched, number),
        LOOSE: divide(iou, matched + unmatched + missed),
    }


def summarize(counts: NDArray[Any], things: NDArray[np.bool_]) -> dict[str, Values]:
    """Compute the means over the classes, over the things and over the stuff, (…) each.

    Args:
        counts: (…, 4, C).
        things: (C,), whether a class is a thing.
    """
    of_classes = qualities(counts)
    loose = of_classes.pop(LOOSE)
    means = {name: mean(values) for name, values in of_classes.items()}
    for group, members in (("things", things), ("stuff", ~things)):
        for name, values in of_classes.items():
            means[f"{name} {group}"] = mean(values[..., members])
    means[LOOSE] = mean(loose)
    return means


class Pairs(NamedTuple):
    """P pairs of segments that share pixels.

    Attributes:
        true: (P,) the number of the ground-truth segment.
        predicted: (P,) the number of the predicted segment.
        pixels: (P,) how many pixels they share, one or more.
    """

    true: Integers
    predicted: Integers
    pixels: Integers


def count_pairs(true: NDArray[np.int32], predicted: NDArray[np.int32], limits: tuple[int, int]) -> Pairs:
    """Count the pixels that each pair of segments shares, from runs of pixels in which neither map changes.

    Args:
        true, predicted: (H, W) segment numbers, 0 or more.
        limits: the numbers that those of each map lie below.
    """
    codes_of_runs, lengths = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    true, predicted = true.ravel(), predicted.ravel()
    narrow = np.min_scalar_type(max(limits))  # narrow integers compare faster
    change = np.ones(min(STRIPE, len(true) + -len(true) % 8), bool)  # from the pixel before; the first always changes
    blocks = change.view(np.uint64)
    for start in range(0, len(true), STRIPE):
        t = true[start : start + STRIPE].astype(narrow)
        p = predicted[start : start + STRIPE].astype(narrow)
        np.not_equal(t[1:], t[:-1], out=change[1 : len(t)])
        change[1 : len(t)] |= p[1:] != p[:-1]
        change[len(t) :] = False
        # Most blocks of eight pixels hold no change: only the others are searched pixel by pixel.
        changing = np.flatnonzero(blocks != 0)
        places = np.flatnonzero(blocks[changing].view(bool))
        begins = places + 8 * (changing - np.arange(len(changing))).take(places >> 3)
        codes_of_runs.append(t.take(begins) * np.int64(limits[1]) + p.take(begins))
        lengths.append(np.diff(begins, append=len(t)))
    codes, table_size = np.concatenate(codes_of_runs), limits[0] * limits[1]
    if table_size > MAX_TABLE:
        present, codes = np.unique(codes, return_inverse=True)
        pixels = np.bincount(codes, np.concatenate(lengths))
    else:
        pixels = np.bincount(codes, np.concatenate(lengths), table_size)
        present = np.flatnonzero(pixels)
        pixels = pixels[present]
    return Pairs(*np.divmod(present, limits[1]), pixels.astype(np.int64))


def _count(prediction: Segmentation, truth: Segmentation, classes: int) -> Values:
    """Count one image, (4, C).

    Arrays over segments begin with number 0, the pixels that no segment covers.
    """
    ids, labels = _labelled(prediction)
    true_ids, true_labels = _labelled(truth)
    true, predicted, pixels = count_pairs(true_ids, ids, (len(true_labels), len(labels)))
    areas, true_areas = _sums(predicted, pixels, len(labels)), _sums(true, pixels, len(true_labels))
    crowd = np.append(False, truth.crowd.cpu().numpy())
    crowd_of_class = np.full(classes, -1)
    # If a class has several crowds, the last one counts, as in the reference.
    crowd_of_class[true_labels[crowd]] = np.flatnonzero(crowd)

    is_void = true_labels[true] < 0
    void = _sums(predicted[is_void], pixels[is_void], len(labels))
    excused = void + _sums(predicted, pixels * (true == crowd_of_class[labels[predicted]]), len(labels))

    same = (true_labels[true] == labels[predicted]) & ~is_void & ~crowd[true]
    true, predicted, pixels = true[same], predicted[same], pixels[same]
    iou = pixels / (true_areas[true] + areas[predicted] - pixels - void[predicted])
    matches = iou > 0.5
    true, predicted, iou = true[matches], predicted[matches], iou[matches]

    missed = (true_labels >= 0) & ~crowd
    missed[0] &= true_areas[0] > 0
    missed[true] = False
    unmatched = (labels >= 0) & (areas > 0) & (2 * excused <= areas)
    unmatched[predicted] = False
    matched_labels = labels[predicted]
    return np.stack(
        [
            np.bincount(matched_labels, iou, classes),
            np.bincount(matched_labels, minlength=classes),
            np.bincount(labels[unmatched], minlength=classes),
            np.bincount(true_labels[missed], minlength=classes),
        ]
    )


def _labelled(segmentation: Segmentation) -> tuple[NDArray[np.int32], Integers]:
    """Return the (H, W) segment numbers, and the class of each number, -1 for void."""
    uncovered = segmentation.classes.background if segmentation.masks is not None else None
    labels = np.append(-1 if uncovered is None else uncovered, segmentation.labels.cpu().numpy())
    return segmentation.panoptic_map().cpu().numpy(), labels


def _sums(places: Integers, pixels: Counts, number: int) -> Counts:
    return np.bincount(places, pixels, number).astype(np.int64)

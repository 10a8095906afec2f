"""Panoptic quality: how many segments of things and stuff were found, and how exactly they were outlined.

Kirillov et al., "Panoptic Segmentation", 2019, section 4, and its reference code, the panoptic API, to which all
numbers are equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..segmentation import Segmentation
from .confusion import Counts, Tallies, Values, divide, mean
from .per_image import Row, rows_of

Integers = NDArray[np.int64]

LOOSE = "IoU per segment"
"""The name of the loose form."""

DEFINITIONS: Mapping[str, str] = {
    "PQ": "panoptic quality of a class: sum of the IoU of its matched segments over the mean of the number of its true "
    "and of its found ones, Σ IoU / (TP + ½ FP + ½ FN) over the whole data set; the mean over the classes that are "
    "true or found. A found segment matches a true one of its class where their IoU is above 0.5",
    "SQ": "segmentation quality of a class: mean IoU of its matched segments, 0 where none is matched; mean as for PQ. "
    "PQ = SQ · RQ holds for each class, not for the means",
    "RQ": "recognition quality of a class: TP / (TP + ½ FP + ½ FN), the F1 of its segments; mean as for PQ",
    "PQ things": "the mean over the countable classes only",
    "SQ things": "the mean over the countable classes only",
    "RQ things": "the mean over the countable classes only",
    "PQ stuff": "the mean over the other classes only",
    "SQ stuff": "the mean over the other classes only",
    "RQ stuff": "the mean over the other classes only",
    LOOSE: "of a class: sum of the IoU of its matched segments over the number of its segments, a matched pair being "
    "one, Σ IoU / (TP + FP + FN); mean as for PQ. Not the PQ of the literature, as which it is sometimes explained: of "
    "each class it is PQ / (2 - RQ), so never above PQ, and equal to it where all segments or none are matched",
    "matched": "pairs of a true and a found segment (TP); those true but not matched are FN, those found but not are "
    "FP",
    "void in PQ": "pixels whose ground truth is void are left out of every union, and a found segment that is not "
    "matched is no FP if more than half of it lies in void or in a crowd of its class (of several crowds, in the "
    "last)",
    "crowd in PQ": "a region of many objects is never matched, and need not be found",
    "empty in PQ": "a true segment without a pixel counts as missed; a found one is ignored",
}
"""What each score means, for reports."""

STRIPE = 1 << 19
"""So many pixels are compared at once: they stay in the processor's cache. A multiple of eight."""

FEW = 1 << 22
"""The largest table of all pairs of segments; those of more segments are sorted instead."""


class PanopticQuality(Tallies):
    """Segments matched, missed and found in vain, by class, added up over images, and over processes by `reduce`.

    Where segments are `masks` that overlap, the better scored one keeps the pixels; pixels that no mask covers are one
    segment of the background if the classes have one, and void otherwise.

    Attributes:
        images: (4, C) float64 each: the sum of the IoU of the matched segments, their number (TP), the segments that
            were found in vain (FP), and those that were missed (FN).
    """

    MAIN_SCORE: ClassVar[str] = "PQ"
    DEFINITIONS: ClassVar[Mapping[str, str]] = DEFINITIONS
    COUNTS = 4

    def per_class(self) -> list[Row]:
        """One row a class: "class", "PQ", "SQ", "RQ", the loose form (nan for one without segments), and the segments
        "matched", "true" and "found"."""
        counts = self._total()
        _, matched, vain, missed = counts.astype(np.int64)
        columns = qualities(counts) | {"matched": matched, "true": matched + missed, "found": matched + vain}
        return rows_of("class", self.classes.names, columns)

    def _count(self, found: Segmentation, truth: Segmentation) -> Values:
        return _count(found, truth, len(self.classes))

    def _summarize(self, counts: NDArray[Any]) -> dict[str, Values]:
        return summarize(counts, np.array(self.classes.things))

    def _terms(self) -> dict[str, object]:
        return super()._terms() | {"ones as things": self.classes.things}


def qualities(counts: NDArray[Any]) -> dict[str, Values]:
    """(…, 4, C) counts → PQ, SQ, RQ and the loose form of each class, (…, C) each; nan where there is no segment."""
    iou, matched, vain, missed = np.moveaxis(counts.astype(np.float64), -2, 0)
    number = matched + vain / 2 + missed / 2
    return {
        "PQ": divide(iou, number),
        "SQ": np.where(number > 0, np.nan_to_num(divide(iou, matched)), np.nan),
        "RQ": divide(matched, number),
        LOOSE: divide(iou, matched + vain + missed),
    }


def summarize(counts: NDArray[Any], things: NDArray[np.bool_]) -> dict[str, Values]:
    """(…, 4, C) counts → the means over the classes, over the things (C,) and over the others, (…) each."""
    each = qualities(counts)
    loose = each.pop(LOOSE)
    means = {name: mean(values) for name, values in each.items()}
    for group, chosen in (("things", things), ("stuff", ~things)):
        means |= {f"{name} {group}": mean(values[..., chosen]) for name, values in each.items()}
    return means | {LOOSE: mean(loose)}


class Pairs(NamedTuple):
    """(P,) each: the pixels, one or more, that lie in the n-th true and the m-th found segment of an image."""

    true: Integers
    found: Integers
    pixels: Integers


def count_pairs(true: NDArray[np.int32], found: NDArray[np.int32], numbers: tuple[int, int]) -> Pairs:
    """Which segments share how many pixels, from runs of pixels in which neither map changes.

    Args:
        true, found: (H, W) identifiers, 0 or more; of no pixel at all there is no pair.
        numbers: what the identifiers of either lie below.
    """
    pairs, lengths = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    true, found = true.ravel(), found.ravel()
    narrow = np.min_scalar_type(max(numbers))
    change = np.ones(min(STRIPE, len(true) + -len(true) % 8), bool)  # from the pixel before; the first always changes
    blocks = change.view(np.uint64)
    for start in range(0, len(true), STRIPE):
        t, f = (ids[start : start + STRIPE].astype(narrow) for ids in (true, found))
        np.not_equal(t[1:], t[:-1], out=change[1 : len(t)])
        change[1 : len(t)] |= f[1:] != f[:-1]
        change[len(t) :] = False
        # Of eight pixels at a time most do not change: the others are looked at one by one.
        some = np.flatnonzero(blocks != 0)
        places = np.flatnonzero(blocks[some].view(bool))
        begins = places + 8 * (some - np.arange(len(some))).take(places >> 3)
        pairs.append(t.take(begins) * np.int64(numbers[1]) + f.take(begins))
        lengths.append(np.diff(begins, append=len(t)))
    codes, size = np.concatenate(pairs), numbers[0] * numbers[1]
    if size > FEW:
        present, codes = np.unique(codes, return_inverse=True)
        pixels = np.bincount(codes, np.concatenate(lengths))
    else:
        pixels = np.bincount(codes, np.concatenate(lengths), size)
        present = np.flatnonzero(pixels)
        pixels = pixels[present]
    return Pairs(*np.divmod(present, numbers[1]), pixels.astype(np.int64))


def _count(found: Segmentation, truth: Segmentation, classes: int) -> Values:
    """(4, C): one image."""
    (ids, labels), (true_ids, true_labels) = _labelled(found), _labelled(truth)
    true, mine, pixels = count_pairs(true_ids, ids, (len(true_labels), len(labels)))
    areas, true_areas = _sums(mine, pixels, len(labels)), _sums(true, pixels, len(true_labels))
    crowd = np.append(False, truth.crowd.cpu().numpy())
    of_class = np.full(classes, -1)
    of_class[true_labels[crowd]] = np.flatnonzero(crowd)  # of several in a class the last one, as in the reference

    unknown = true_labels[true] < 0
    void = _sums(mine[unknown], pixels[unknown], len(labels))
    spared = void + _sums(mine, pixels * (true == of_class[labels[mine]]), len(labels))

    same = (true_labels[true] == labels[mine]) & ~unknown & ~crowd[true]
    true, mine, pixels = true[same], mine[same], pixels[same]
    iou = pixels / (true_areas[true] + areas[mine] - pixels - void[mine])
    true, mine, iou = true[iou > 0.5], mine[iou > 0.5], iou[iou > 0.5]

    missed = (true_labels >= 0) & ~crowd
    missed[0] &= true_areas[0] > 0
    missed[true] = False
    vain = (labels >= 0) & (areas > 0) & (2 * spared <= areas)
    vain[mine] = False
    matched = labels[mine]
    numbers = (np.bincount(one, minlength=classes) for one in (matched, labels[vain], true_labels[missed]))
    return np.stack([np.bincount(matched, iou, classes), *numbers])


def _labelled(segmentation: Segmentation) -> tuple[NDArray[np.int32], Integers]:
    """The (H, W) identifiers and the class of each, -1 for void."""
    rest = segmentation.classes.background if segmentation.masks is not None else None
    labels = np.append(-1 if rest is None else rest, segmentation.labels.cpu().numpy())
    return segmentation.panoptic_map().cpu().numpy(), labels


def _sums(places: Integers, pixels: Counts, number: int) -> Counts:
    return np.bincount(places, pixels, number).astype(np.int64)

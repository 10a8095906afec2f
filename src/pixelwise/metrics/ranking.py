"""Precision and recall as COCO defines them: predictions are matched by descending score, then ranked.

Lin et al., "Microsoft COCO: Common Objects in Context", 2014, and its reference code `cocoeval`. All images are matched
at once: first the prediction with the highest score of each image and class, then the second of each, and so on.

Axes are named A for sizes of objects, T for IoU thresholds, D for predictions, G for ground-truth objects, K for
classes, R for recalls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .overlaps import MAX_PREDICTIONS, Floats, Integers, Pairs, ranks

Flags = NDArray[np.bool_]

THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
"""The IoU thresholds from which a prediction matches."""

RECALLS: Floats = np.linspace(0, 1, 101)
"""The recalls at which precision is read."""

SIZES = {"all": (0, 1e5**2), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e5**2)}
"""The smallest and the largest area of each size, both included, in pixels of the original image."""

NUMBERS = (1, 10, MAX_PREDICTIONS)
"""The numbers of predictions of a class that count in an image, for COCO's recalls; its precision uses the last."""

MAX_PAIRS_AT_ONCE = 1 << 18
"""The number of pairs that are matched at once, over all sizes and thresholds, so that memory stays small."""


class Results(NamedTuple):
    """D predictions of many images, sorted by image, then by class, then by descending score.

    Attributes:
        images: (D,) index of the image.
        labels: (D,) index of the class.
        scores: (D,).
        areas: (D,) pixels.
    """

    images: Integers
    labels: Integers
    scores: Floats
    areas: Floats


class Truths(NamedTuple):
    """G ground-truth objects of the same images.

    Attributes:
        images: (G,) index of the image.
        labels: (G,) index of the class.
        areas: (G,) pixels.
        crowd: (G,) whether it is a crowd.
    """

    images: Integers
    labels: Integers
    areas: Floats
    crowd: Flags


class Matches(NamedTuple):
    """The outcome for each prediction; one that is neither right nor wrong is left out.

    Attributes:
        right: (A, T, D) whether it was matched with a ground-truth object that counts.
        wrong: (A, T, D) whether it was matched with none, and counts.
        counted: (A, G) whether a ground-truth object counts.
    """

    right: Flags
    wrong: Flags
    counted: Flags


def match(results: Results, truths: Truths, pairs: Pairs) -> Matches:
    """Match predictions with ground-truth objects.

    Each prediction, by descending score, takes the free object with which it has the highest IoU: one that counts, if
    there is one. Crowds, and objects of another size, do not count: a prediction matched with them is neither right
    nor wrong, and so is a prediction of another size without a match. A crowd takes any number of predictions.

    Args:
        results, truths: those of all images.
        pairs: indices into both.
    """
    ignored = _outside(truths.areas) | truths.crowd
    matched = np.zeros((len(SIZES), len(THRESHOLDS), len(results.labels)), bool)
    left_out = np.zeros_like(matched)
    free = np.ones((len(SIZES), len(THRESHOLDS), len(truths.labels)), bool)
    # The reference accepts an IoU of 1 at every threshold, also after rounding.
    thresholds = np.minimum(THRESHOLDS, 1 - 1e-10)[:, None, None]
    sizes = np.arange(len(SIZES))[:, None, None]
    for chosen, begin, number in _turns(results, pairs):
        # A row for each prediction of this turn, a column for each of its pairs; rows of fewer pairs are filled up.
        columns = np.arange(number.max())
        places = np.minimum(begin[:, None] + columns, len(pairs.true) - 1)  # (n, c)
        true = pairs.true[places]
        iou = np.where(columns < number[:, None], pairs.iou[places], -1)
        candidates = (free[:, :, true] | truths.crowd[true]) & (iou >= thresholds)  # (A, T, n, c)
        counting = candidates & ~ignored[:, true][:, None]
        candidates = np.where(counting.any(-1, keepdims=True), counting, candidates)
        # Of equal overlaps the last one wins, as in the reference.
        best = len(columns) - 1 - np.where(candidates, iou, -1)[..., ::-1].argmax(-1)  # (A, T, n)
        partner, has_partner = true[np.arange(len(true)), best], candidates.any(-1)
        matched[:, :, chosen] = has_partner
        left_out[:, :, chosen] = has_partner & ignored[sizes, partner]
        a, t, n = np.nonzero(has_partner)
        free[a, t, partner[a, t, n]] = False
    left_out |= ~matched & _outside(results.areas)[:, None]
    return Matches(matched & ~left_out, ~matched & ~left_out, ~ignored)


def _turns(results: Results, pairs: Pairs) -> list[tuple[Integers, Integers, Integers]]:
    """Split the predictions that have pairs into turns that can be matched at the same time.

    No two of one turn belong to the same image and class, and those with a higher score have an earlier turn.

    Returns:
        For each turn the predictions, the first pair of each, and how many pairs each has.
    """
    rows, begin, number = np.unique(pairs.predicted, return_index=True, return_counts=True)
    if not len(rows):
        return []
    turn = ranks(_groups(results.images[rows], results.labels[rows]))
    order = np.argsort(turn, kind="stable")
    turns = []
    for members in np.split(order, np.flatnonzero(np.diff(turn[order])) + 1):
        step = max(1, MAX_PAIRS_AT_ONCE // int(number[members].max()) // (len(SIZES) * len(THRESHOLDS)))
        turns += [members[k : k + step] for k in range(0, len(members), step)]
    return [(rows[members], begin[members], number[members]) for members in turns]


def _groups(images: Integers, labels: Integers) -> Integers:
    """Number the groups of the same image and class, (N,) for sorted images and labels."""
    new = (np.diff(images, prepend=-1) != 0) | (np.diff(labels, prepend=-1) != 0)
    groups: Integers = np.cumsum(new)
    return groups


def _outside(areas: Floats) -> Flags:
    """Tell which of (N,) areas are not of each size, (A, N)."""
    return np.stack([(areas < low) | (areas > high) for low, high in SIZES.values()])


class Curves(NamedTuple):
    """Precision and recall of K classes; nan for a class without ground-truth objects.

    Attributes:
        precision: (A, T, K, R) the highest precision that is reached at each recall or a higher one.
        recall: (A, T, K, M) by the number M of predictions that count.
    """

    precision: Floats
    recall: Floats


def rank(
    results: Results,
    truths: Truths,
    matches: Matches,
    classes: int,
    times: Integers | None = None,
    numbers: Sequence[int] = NUMBERS,
) -> Curves:
    """Compute precision and recall of each class over all images.

    Args:
        results, truths, matches: as given to and returned by `match`; `matches` may be cut down to the first sizes.
        classes: K.
        times: (images,) how often each image counts; once by default.
        numbers: the numbers of predictions of a class that count in an image, for recall; precision uses the last.
    """
    sizes, thresholds = matches.right.shape[:2]
    precision = np.full((sizes, thresholds, classes, len(RECALLS)), np.nan)
    recall = np.full((sizes, thresholds, classes, len(numbers)), np.nan)
    weights = np.ones(len(truths.labels)) if times is None else times[truths.images].astype(np.float64)
    place = ranks(_groups(results.images, results.labels))
    order = np.lexsort((-results.scores, results.labels))
    # Predictions beyond the last number were matched after those that count, so that leaving them out changes no match.
    order = order[place[order] < numbers[-1]]
    bounds = np.searchsorted(results.labels[order], np.arange(classes + 1))
    for k in np.unique(truths.labels):
        counted = matches.counted[:, truths.labels == k] @ weights[truths.labels == k]  # (A,)
        present = counted > 0
        if not present.any():  # crowds alone
            continue
        rows = order[bounds[k] : bounds[k + 1]]
        right: NDArray[Any] = matches.right[:, :, rows]
        wrong: NDArray[Any] = matches.wrong[:, :, rows]
        if times is not None:
            right, wrong = right * times[results.images[rows]], wrong * times[results.images[rows]]
        hits = [right[present][..., place[rows] < number].sum(-1) for number in numbers]
        recall[present, :, k] = np.stack(hits, -1) / counted[present, None, None]
        precision[present, :, k] = _precision(right[present], wrong[present], counted[present])
    return Curves(precision, recall)


def _precision(right: NDArray[Any], wrong: NDArray[Any], counted: Floats) -> Floats:
    """Read the precision at each recall, (A, T, R).

    Args:
        right, wrong: (A, T, n), sorted by descending score; how often each prediction is right or wrong.
        counted: (A,) the number of ground-truth objects, 1 or more.
    """
    sizes, thresholds, number = right.shape
    hits = np.cumsum(right, -1, dtype=np.float64)
    best = np.zeros((sizes, thresholds, number + 1))  # 0 beyond the last
    best[..., :-1] = hits / (hits + np.cumsum(wrong, -1, dtype=np.float64) + np.spacing(1))
    best = np.maximum.accumulate(best[..., ::-1], -1)[..., ::-1]
    # All rows are searched at once: each is lifted above the one before. The number of hits that a recall takes is
    # found by division, as in the reference, so that rounding is the same.
    lift = (counted.max() + 1) * np.arange(sizes * thresholds).reshape(sizes, thresholds, 1)
    needed = np.stack([np.searchsorted(np.arange(n + 1) / n, RECALLS) for n in counted])[:, None]
    places = np.searchsorted((hits + lift).ravel(), needed + lift)
    places -= number * np.arange(sizes * thresholds).reshape(sizes, thresholds, 1)
    return np.take_along_axis(best, places, -1)

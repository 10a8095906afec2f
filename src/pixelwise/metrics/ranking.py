"""From overlaps to precision and recall as COCO defines them: results matched best first, then ranked.

Lin et al., "Microsoft COCO: Common Objects in Context", 2014, and its reference code `cocoeval`. All images are
matched at once: first the best result of each image and class, then the second of each, and so on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .overlaps import Floats, Integers, Pairs, ranks

Flags = NDArray[np.bool_]

THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
"""Overlaps from which on a result is right."""

RECALLS: Floats = np.linspace(0, 1, 101)
"""Where precision is read."""

SIZES = {"all": (0, 1e5**2), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e5**2)}
"""Areas in pixels of the original image, from and to, both included."""

NUMBERS = (1, 10, 100)
"""So many results of a class count in an image, for recall; precision takes the last."""

_STEP = 1 << 18
"""So many pairs are matched at once: memory stays small."""


class Results(NamedTuple):
    """D results of many images, in the order of the images, then of the classes, then of the scores, best first.

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
    """G true objects of the same images: (G,) each, as `Results`, and whether they are crowds."""

    images: Integers
    labels: Integers
    areas: Floats
    crowd: Flags


class Matches(NamedTuple):
    """What became of the results: A sizes, T thresholds.

    Attributes:
        right: (A, T, D) whether it was matched with a true object that counts.
        wrong: (A, T, D) whether it was matched with none and counts; neither: it is left out.
        counted: (A, G) which true objects count.
    """

    right: Flags
    wrong: Flags
    counted: Flags


def match(results: Results, truths: Truths, pairs: Pairs) -> Matches:
    """Each result, best first, takes the free true object that it overlaps most: one that counts, if there is one.

    Crowds, and objects of another size, do not count: a result matched with them is neither right nor wrong, and so is
    one of another size that is matched with nothing. A crowd takes any number of results.

    Args:
        results, truths: of all images.
        pairs: indices into both.
    """
    ignored = _outside(truths.areas) | truths.crowd
    hit = np.zeros((len(SIZES), len(THRESHOLDS), len(results.labels)), bool)
    spared = np.zeros_like(hit)
    free = np.ones((len(SIZES), len(THRESHOLDS), len(truths.labels)), bool)
    least = np.minimum(THRESHOLDS, 1 - 1e-10)[:, None, None]
    sizes = np.arange(len(SIZES))[:, None, None]
    for chosen, begin, number in _turns(results, pairs):
        columns = np.arange(number.max())
        places = np.minimum(begin[:, None] + columns, len(pairs.true) - 1)  # (n, c)
        true = pairs.true[places]
        iou = np.where(columns < number[:, None], pairs.iou[places], -1)
        open_ = (free[:, :, true] | truths.crowd[true]) & (iou >= least)  # (A, T, n, c)
        counting = open_ & ~ignored[:, true][:, None]
        open_ = np.where(counting.any(-1, keepdims=True), counting, open_)
        # Of equal overlaps the last one wins, as in the reference.
        best = len(columns) - 1 - np.where(open_, iou, -1)[..., ::-1].argmax(-1)  # (A, T, n)
        taken, some = true[np.arange(len(true)), best], open_.any(-1)
        hit[:, :, chosen] = some
        spared[:, :, chosen] = some & ignored[sizes, taken]
        a, t, n = np.nonzero(some)
        free[a, t, taken[a, t, n]] = False
    spared |= ~hit & _outside(results.areas)[:, None]
    return Matches(hit & ~spared, ~hit & ~spared, ~ignored)


def _turns(results: Results, pairs: Pairs) -> list[tuple[Integers, Integers, Integers]]:
    """Results that may be matched at the same time, with the first of their pairs and how many they have.

    No two of one turn are of the same image and class, and better ones have their turn before.
    """
    rows, begin, number = np.unique(pairs.found, return_index=True, return_counts=True)
    if not len(rows):
        return []
    turn = ranks(_groups(results.images[rows], results.labels[rows]))
    order = np.argsort(turn, kind="stable")
    turns = []
    for some in np.split(order, np.flatnonzero(np.diff(turn[order])) + 1):
        step = max(1, _STEP // int(number[some].max()) // (len(SIZES) * len(THRESHOLDS)))
        turns += [some[k : k + step] for k in range(0, len(some), step)]
    return [(rows[some], begin[some], number[some]) for some in turns]


def _groups(images: Integers, labels: Integers) -> Integers:
    """(N,) in order → the number of the image and class that each is of."""
    new = (np.diff(images, prepend=-1) != 0) | (np.diff(labels, prepend=-1) != 0)
    groups: Integers = np.cumsum(new)
    return groups


def _outside(areas: Floats) -> Flags:
    """(N,) areas → (A, N): which are not of the size."""
    return np.stack([(areas < low) | (areas > high) for low, high in SIZES.values()])


class Curves(NamedTuple):
    """K classes, nan for one that is nowhere true.

    Attributes:
        precision: (A, T, K, R) at the recalls R, the best that is reached at this recall or a higher one.
        recall: (A, T, K, M) by the number M of results that count.
    """

    precision: Floats
    recall: Floats


def rank(results: Results, truths: Truths, matches: Matches, classes: int, often: Integers | None = None) -> Curves:
    """Precision and recall of each class over all images.

    Args:
        results, ground truths, matches: belong together; `matches` may be cut down to the first sizes.
        classes: K.
        often: how often each image counts; once when not given.
    """
    sizes, thresholds = matches.right.shape[:2]
    precision = np.full((sizes, thresholds, classes, len(RECALLS)), np.nan)
    recall = np.full((sizes, thresholds, classes, len(NUMBERS)), np.nan)
    times = None if often is None else often[results.images]
    weights = np.ones(len(truths.labels)) if often is None else often[truths.images].astype(np.float64)
    place = ranks(_groups(results.images, results.labels))
    order = np.lexsort((-results.scores, results.labels))
    bounds = np.searchsorted(results.labels[order], np.arange(classes + 1))
    for k in np.unique(truths.labels):
        counted = matches.counted[:, truths.labels == k] @ weights[truths.labels == k]  # (A,)
        some = counted > 0
        if not some.any():  # crowds alone
            continue
        rows = order[bounds[k] : bounds[k + 1]]
        right, wrong = (
            flags[:, :, rows] if times is None else flags[:, :, rows] * times[rows]
            for flags in (matches.right, matches.wrong)
        )
        found = [right[some][..., place[rows] < number].sum(-1) for number in NUMBERS]
        recall[some, :, k] = np.stack(found, -1) / counted[some, None, None]
        precision[some, :, k] = _precision(right[some], wrong[some], counted[some])
    return Curves(precision, recall)


def _precision(right: NDArray[np.generic], wrong: NDArray[np.generic], counted: Floats) -> Floats:
    """(A, T, n) each, best scored first, and (A,) true objects, 1 or more → (A, T, R)."""
    sizes, thresholds, number = right.shape
    hits = np.cumsum(right, -1, dtype=np.float64)
    best = np.zeros((sizes, thresholds, number + 1))  # 0 beyond the last
    best[..., :-1] = hits / (hits + np.cumsum(wrong, -1, dtype=np.float64) + np.spacing(1))
    best = np.maximum.accumulate(best[..., ::-1], -1)[..., ::-1]
    # All rows in one search: each is lifted above the one before. How many hits a recall takes is found by division, as
    # the reference does it.
    lift = (counted.max() + 1) * np.arange(sizes * thresholds).reshape(sizes, thresholds, 1)
    needed = np.stack([np.searchsorted(np.arange(n + 1) / n, RECALLS) for n in counted])[:, None]
    places = np.searchsorted((hits + lift).ravel(), needed + lift)
    places -= number * np.arange(sizes * thresholds).reshape(sizes, thresholds, 1)
    return np.take_along_axis(best, places, -1)

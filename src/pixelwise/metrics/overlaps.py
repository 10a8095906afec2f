"""The objects of one image as run lengths, and how far those found overlap those that are true."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from faster_coco_eval import mask as coco
from numpy.typing import NDArray

from ..ops.rle import masks_to_texts
from ..segmentation import Segmentation

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Runs = dict[str, Any]
"""COCO's compressed run lengths: {"size": [height, width], "counts": bytes}."""

LEAST = 0.5
"""Smaller overlaps match at no threshold: they are not kept."""

MOST = 100
"""So many results of a class count in an image, the best scored."""


class Objects(NamedTuple):
    """N objects of one image, found or true; segments of the background class are none.

    Attributes:
        labels: (N,) index of the class.
        scores: (N,) float64.
        crowd: (N,) bool.
        areas: (N,) pixels.
        boxes: (N, 4) x, y, width and height of the box around each mask, pixels; zeros around an empty one.
        runs: N run lengths.
    """

    labels: Integers
    scores: Floats
    crowd: NDArray[np.bool_]
    areas: Floats
    boxes: Floats
    runs: Sequence[Runs]

    def take(self, index: Integers) -> Objects:
        """Those at these places, in this order."""
        labels, scores, crowd, areas, boxes, runs = self
        each = [runs[n] for n in index.tolist()]
        return Objects(labels[index], scores[index], crowd[index], areas[index], boxes[index], each)


class Pairs(NamedTuple):
    """(P,) each: the n-th result and the m-th true object of the same class overlap by `iou`, `LEAST` or more.

    They are in the order of the results, then of the true objects.
    """

    found: Integers
    true: Integers
    iou: Floats


class Touch(NamedTuple):
    """The boxes of D results and of G true objects of one image, x, y, width and height, and what they share.

    Attributes:
        found: (D, 4) pixels; zeros around an empty mask.
        true: (G, 4).
        both: (D, G) pixels of the intersections.
    """

    found: Floats
    true: Floats
    both: Floats

    @classmethod
    def of(cls, found: Objects, true: Objects) -> Touch:
        """Of the boxes around the masks."""
        one, other = found.boxes, true.boxes
        start = np.maximum(one[:, None, :2], other[:, :2])
        end = np.minimum(one[:, None, :2] + one[:, None, 2:], other[:, :2] + other[:, 2:])
        both: Floats = np.maximum(end - start, 0).prod(-1)
        return cls(one, other, both)


def objects_of(segmentation: Segmentation) -> Objects:
    """The objects of a segmentation with either carrier, by class, the best scored first."""
    labels = segmentation.labels.cpu().numpy()
    scores = segmentation.scores.cpu().numpy().astype(np.float64)
    order: Integers = np.lexsort((-scores, labels))
    order = order[labels[order] != segmentation.classes.background]
    masks = segmentation.as_masks()
    crowd, areas, boxes = (table.cpu().numpy() for table in (segmentation.crowd, masks.areas(), masks.boxes()))
    boxes[:, 2:] -= boxes[:, :2]
    runs = [{"size": list(masks.size), "counts": text} for text in masks_to_texts(masks)]
    return Objects(labels, scores, crowd, areas.astype(np.float64), boxes.astype(np.float64), runs).take(order)


def best_of(objects: Objects) -> Objects:
    """The best `MOST` of each class."""
    return objects.take(np.flatnonzero(ranks(objects.labels) < MOST))


def ranks(keys: NDArray[Any]) -> Integers:
    """(N,) sorted keys → the place of each among those equal to it, from 0."""
    first = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
    places: Integers = np.arange(len(keys)) - np.repeat(first, np.diff(first, append=len(keys)))
    return places


def mask_pairs(found: Objects, true: Objects, touch: Touch) -> Pairs:
    """By the intersection over the union of the masks; with a crowd: over the area of what was found."""
    return _pairs(found, true, touch, lambda n, m: _mask_iou(found.runs, true.runs, n, m, true.crowd))


def box_pairs(found: Objects, true: Objects, touch: Touch) -> Pairs:
    """By the boxes around the masks."""
    one, other, both = touch
    area, areas = (one[:, 2] * one[:, 3])[:, None], other[:, 2] * other[:, 3]
    union = np.where(true.crowd, area, area + areas - both)
    overlap = np.divide(both, union, out=np.zeros_like(both), where=both > 0)
    n, m = np.nonzero((overlap >= LEAST) & (found.labels[:, None] == true.labels))
    return Pairs(n, m, overlap[n, m])


def boundary_pairs(found: Objects, true: Objects, touch: Touch, width: float) -> Pairs:
    """By the smaller of two intersections over unions: of the masks, and of what lies near their own boundaries.

    Cheng et al., "Boundary IoU", 2021. A crowd keeps that of its mask.

    Args:
        found, true, touch: of one image.
        width: how near, in pixels, or below 1 as a share of the diagonal of the image, then at least a pixel.
    """
    size = next((runs["size"] for objects in (found, true) for runs in objects.runs), (1, 1))
    ratio = width if width < 1 else width / math.hypot(*size)
    edges = [[coco.rleToBoundary(runs, ratio) for runs in objects.runs] for objects in (found, true)]

    def smaller(n: Integers, m: Integers) -> Floats:
        whole = _mask_iou(found.runs, true.runs, n, m, true.crowd)
        edge = _mask_iou(edges[0], edges[1], n, m, true.crowd)
        return np.where(true.crowd[m], whole, np.minimum(whole, edge))

    return _pairs(found, true, touch, smaller)


def _pairs(found: Objects, true: Objects, touch: Touch, iou: Callable[[Integers, Integers], Floats]) -> Pairs:
    """`iou(n, m)` gives the (len(n), len(m)) overlaps of the results n with the true objects m."""
    near = (touch.both > 0) & (found.labels[:, None] == true.labels)
    kept = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for label in np.unique(found.labels[near.any(1)]):
        n, m = np.flatnonzero(found.labels == label), np.flatnonzero(true.labels == label)
        overlap = iou(n, m)
        rows, columns = np.nonzero(overlap >= LEAST)
        kept.append((n[rows], m[columns], overlap[rows, columns]))
    return Pairs(*(np.concatenate(part) for part in zip(*kept, strict=True)))


def _mask_iou(
    found: Sequence[Runs], true: Sequence[Runs], n: Integers, m: Integers, crowd: NDArray[np.bool_]
) -> Floats:
    overlap = coco.iou([found[k] for k in n], [true[k] for k in m], crowd[m].astype(int).tolist())
    return np.asarray(overlap, np.float64).reshape(len(n), len(m))

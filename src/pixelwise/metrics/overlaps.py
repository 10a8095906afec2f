"""The objects of an image as run lengths, and the overlaps of predicted objects with those of the ground truth."""

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

MIN_OVERLAP = 0.5
"""Pairs of a smaller IoU match at no threshold, and are not kept."""

MAX_PREDICTIONS = 100
"""The number of predictions of a class that count in an image in COCO's scores: those with the highest scores."""


class Objects(NamedTuple):
    """N objects of one image, predictions or ground truth; segments of the background class are no objects.

    Attributes:
        labels: (N,) index of the class.
        scores: (N,) float64.
        crowd: (N,) bool.
        areas: (N,) pixels.
        boxes: (N, 4) x, y, width and height of the bounding box of each mask, pixels; zeros for an empty mask.
        runs: N run lengths.
    """

    labels: Integers
    scores: Floats
    crowd: NDArray[np.bool_]
    areas: Floats
    boxes: Floats
    runs: Sequence[Runs]

    def take(self, index: Integers) -> Objects:
        """Select objects by their indices, in the order of these."""
        labels, scores, crowd, areas, boxes, runs = self
        selected_runs = [runs[n] for n in index.tolist()]
        return Objects(labels[index], scores[index], crowd[index], areas[index], boxes[index], selected_runs)


class Pairs(NamedTuple):
    """P pairs of a prediction and a ground-truth object of its class that overlap by `MIN_OVERLAP` or more.

    They are sorted by the prediction, then by the ground-truth object.

    Attributes:
        predicted: (P,) index of the prediction.
        true: (P,) index of the ground-truth object.
        iou: (P,) their IoU; with a crowd, the intersection over the area of the prediction.
    """

    predicted: Integers
    true: Integers
    iou: Floats


class BoxOverlaps(NamedTuple):
    """The bounding boxes of D predictions and G ground-truth objects of one image, and their intersections.

    Attributes:
        predicted: (D, 4) x, y, width and height, pixels; zeros for an empty mask.
        true: (G, 4), the same.
        intersections: (D, G) pixels.
    """

    predicted: Floats
    true: Floats
    intersections: Floats

    @classmethod
    def of(cls, predictions: Objects, truths: Objects) -> BoxOverlaps:
        """Intersect the bounding boxes of all pairs."""
        one, other = predictions.boxes, truths.boxes
        start = np.maximum(one[:, None, :2], other[:, :2])
        end = np.minimum(one[:, None, :2] + one[:, None, 2:], other[:, :2] + other[:, 2:])
        intersections: Floats = np.maximum(end - start, 0).prod(-1)
        return cls(one, other, intersections)


def objects_of(segmentation: Segmentation) -> Objects:
    """Return the objects of a segmentation (masks or segment map), sorted by class, then by descending score."""
    labels = segmentation.labels.cpu().numpy()
    scores = segmentation.scores.cpu().numpy().astype(np.float64)
    order: Integers = np.lexsort((-scores, labels))
    order = order[labels[order] != segmentation.classes.background]
    masks = segmentation.as_masks()
    crowd = segmentation.crowd.cpu().numpy()
    areas = masks.areas().cpu().numpy().astype(np.float64)
    boxes = masks.boxes().cpu().numpy().astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    runs = [{"size": list(masks.size), "counts": text} for text in masks_to_texts(masks)]
    return Objects(labels, scores, crowd, areas, boxes, runs).take(order)


def highest_scored(objects: Objects, number: int = MAX_PREDICTIONS) -> Objects:
    """Select the `number` objects of each class with the highest scores; `objects` are sorted by them."""
    return objects.take(np.flatnonzero(ranks(objects.labels) < number))


def ranks(keys: NDArray[Any]) -> Integers:
    """Return the rank of each of (N,) sorted keys among those equal to it, from 0."""
    first = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
    places: Integers = np.arange(len(keys)) - np.repeat(first, np.diff(first, append=len(keys)))
    return places


def mask_pairs(predictions: Objects, truths: Objects, boxes: BoxOverlaps) -> Pairs:
    """Pair objects by the IoU of their masks; with a crowd, by the intersection over the area of the prediction."""

    def iou(n: Integers, m: Integers) -> Floats:
        return _mask_iou(predictions.runs, truths.runs, n, m, truths.crowd)

    return _pairs(predictions, truths, boxes, iou)


def box_pairs(predictions: Objects, truths: Objects, boxes: BoxOverlaps) -> Pairs:
    """Pair objects by the IoU of the bounding boxes of their masks."""
    areas = (boxes.predicted[:, 2] * boxes.predicted[:, 3])[:, None]
    true_areas = boxes.true[:, 2] * boxes.true[:, 3]
    intersections = boxes.intersections
    unions = np.where(truths.crowd, areas, areas + true_areas - intersections)
    iou = np.divide(intersections, unions, out=np.zeros_like(intersections), where=intersections > 0)
    n, m = np.nonzero((iou >= MIN_OVERLAP) & (predictions.labels[:, None] == truths.labels))
    return Pairs(n, m, iou[n, m])


def boundary_pairs(predictions: Objects, truths: Objects, boxes: BoxOverlaps, width: float) -> Pairs:
    """Pair objects by the smaller of two IoUs: that of the masks, and that of their parts near their own boundaries.

    Cheng et al., "Boundary IoU", 2021. For a crowd, only the masks count.

    Args:
        predictions, truths, boxes: those of one image.
        width: the width of the boundary parts in pixels, or below 1 as a share of the diagonal of the image, then at
            least a pixel.
    """
    size = next((runs["size"] for runs in (*predictions.runs, *truths.runs)), (1, 1))
    ratio = width if width < 1 else width / math.hypot(*size)
    predicted_edges = [coco.rleToBoundary(runs, ratio) for runs in predictions.runs]
    true_edges = [coco.rleToBoundary(runs, ratio) for runs in truths.runs]

    def smaller_iou(n: Integers, m: Integers) -> Floats:
        whole = _mask_iou(predictions.runs, truths.runs, n, m, truths.crowd)
        edge = _mask_iou(predicted_edges, true_edges, n, m, truths.crowd)
        return np.where(truths.crowd[m], whole, np.minimum(whole, edge))

    return _pairs(predictions, truths, boxes, smaller_iou)


def _pairs(
    predictions: Objects, truths: Objects, boxes: BoxOverlaps, iou: Callable[[Integers, Integers], Floats]
) -> Pairs:
    """Pair objects class by class; only of classes in which bounding boxes overlap the masks are compared.

    Args:
        predictions, truths, boxes: those of one image.
        iou: a function from predictions n and ground-truth objects m to their (len(n), len(m)) IoUs.
    """
    near = (boxes.intersections > 0) & (predictions.labels[:, None] == truths.labels)
    predicted, true, overlaps = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for label in np.unique(predictions.labels[near.any(1)]):
        n, m = np.flatnonzero(predictions.labels == label), np.flatnonzero(truths.labels == label)
        overlap = iou(n, m)
        rows, columns = np.nonzero(overlap >= MIN_OVERLAP)
        predicted.append(n[rows])
        true.append(m[columns])
        overlaps.append(overlap[rows, columns])
    return Pairs(np.concatenate(predicted), np.concatenate(true), np.concatenate(overlaps))


def _mask_iou(
    predicted: Sequence[Runs], true: Sequence[Runs], n: Integers, m: Integers, crowd: NDArray[np.bool_]
) -> Floats:
    """Return the (len(n), len(m)) IoUs of the masks n of `predicted` with the masks m of `true`."""
    chosen = [predicted[k] for k in n]
    chosen_truths = [true[k] for k in m]
    overlap = coco.iou(chosen, chosen_truths, crowd[m].astype(int).tolist())
    return np.asarray(overlap, np.float64).reshape(len(n), len(m))

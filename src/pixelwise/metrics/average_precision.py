"""Average precision of objects, as COCO defines it: of masks, of bounding boxes and, if asked for, of boundaries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..classes import Classes
from ..segmentation import Segmentation
from .bootstrap import Intervals, bootstrap
from .metric import Row, rows_of
from .overlaps import (
    MAX_PREDICTIONS,
    BoxOverlaps,
    Floats,
    Integers,
    Objects,
    Pairs,
    boundary_pairs,
    box_pairs,
    highest_scored,
    mask_pairs,
    objects_of,
)
from .per_image import PerImage
from .ranking import NUMBERS, SIZES, Curves, Flags, Matches, Results, Truths, match, rank
from .ratios import mean

DEFINITIONS: Mapping[str, str] = {
    "mask AP": "Average precision as defined by COCO: the precision at 101 recalls, averaged over the recalls, over "
    "matches at the IoU thresholds 0.50, 0.55 … 0.95, and over the classes that have a ground-truth object. At most "
    "100 predictions of a class count in an image, those with the highest confidence scores.",
    "mask AP50": "The same, matched at an IoU threshold of 0.50 only.",
    "mask AP75": "The same, matched at an IoU threshold of 0.75 only.",
    "mask AP small": "Average precision of the objects of at most 32² pixels; objects of other sizes neither count nor "
    "harm.",
    "mask AP medium": "Average precision of the objects of 32² to 96² pixels.",
    "mask AP large": "Average precision of the objects of at least 96² pixels.",
    "mask AR1": "Average recall with one prediction of each class in each image: the share of the ground-truth objects "
    "that are matched, averaged over the same IoU thresholds and classes.",
    "mask AR10": "The same with 10 predictions.",
    "mask AR100": "The same with 100 predictions.",
    "mask AR small": "Average recall of the objects of at most 32² pixels, with 100 predictions.",
    "mask AR medium": "Average recall of the objects of 32² to 96² pixels, with 100 predictions.",
    "mask AR large": "Average recall of the objects of at least 96² pixels, with 100 predictions.",
    "mask AP (N detections)": "Average precision where as many predictions of a class count in an image as the model "
    "gives at most, N, instead of 100: objects beyond the hundredth of an image count here too.",
    "mask AR (N detections)": "Average recall with N predictions of each class in each image.",
    "box": "The same scores with the IoU of the bounding boxes of the masks. The size of a ground-truth object is "
    "still the area of its mask, that of a prediction the area of its box.",
    "boundary": "The same scores with the smaller of two IoUs: that of the masks, and that of the parts of the masks "
    "near their own boundaries (Boundary IoU).",
    "crowd": "A region of many objects: it need not be predicted, and predictions that lie in it (intersection over "
    "their own area) are neither right nor wrong.",
    "size": "Everything is computed at the size of the original image; areas are pixels of the mask.",
}
"""What each score means, for reports."""

HEADLINES = {"AP": slice(None), "AP50": slice(0, 1), "AP75": slice(5, 6)}
"""The scores over objects of all sizes, and the thresholds that each averages over."""


class ImageRecord(NamedTuple):
    """The record of one image: neither masks nor run lengths, only their labels, scores, areas and overlaps.

    Attributes:
        labels, scores: (D,) those of the predictions, sorted by class, then by descending score.
        areas: by kind ("mask", "box", "boundary"), (D,) those of the predictions.
        true_labels, true_areas, true_crowd: (G,) those of the ground-truth objects.
        pairs: by kind, the pairs that overlap.
    """

    labels: Integers
    scores: Floats
    areas: dict[str, Floats]
    true_labels: Integers
    true_areas: Floats
    true_crowd: Flags
    pairs: dict[str, Pairs]


class AveragePrecision(PerImage[ImageRecord]):
    """Collect predicted and ground-truth objects over images, and over processes by `reduce`.

    Overlaps are computed when an image is added, from run lengths by faster-coco-eval; an image then takes some 100
    bytes an object. Equal scores rank in the order in which the images were added.

    Args:
        classes: the classes; the background is no object.
        boundary: the width of a boundary for the boundary scores, in pixels or below 1 as a share of the image's
            diagonal (0.02 in COCO and LVIS, 0.005 in Cityscapes); without it these scores are left out.
        max_detections: the largest number of predictions of an image; above 100, the scores of so many predictions
            stand beside those of COCO, which counts 100 of each class.
    """

    MAIN_SCORE: ClassVar[str] = "mask AP"
    DEFINITIONS: ClassVar[Mapping[str, str]] = DEFINITIONS

    def __init__(self, classes: Classes, boundary: float | None = None, max_detections: int = MAX_PREDICTIONS) -> None:
        if boundary is not None and not 0 < boundary < math.inf:
            raise ValueError(
                f"the width of a boundary is {boundary}: it is a share of the diagonal, such as 0.02, or in pixels"
            )
        super().__init__(classes)
        self.boundary = boundary
        self.max_detections = max(MAX_PREDICTIONS, max_detections)
        self._ranked: dict[str, tuple[int, Curves]] = {}  # by kind: the number of images ranked, and their curves

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of overlap that are scored: "mask", "box" and, if asked for, "boundary"."""
        return ("mask", "box") if self.boundary is None else ("mask", "box", "boundary")

    def add(self, predictions: Objects, truths: Objects, name: str = "") -> None:
        """Count an image whose objects are run lengths already, sorted as by `objects_of`."""
        self.images.append(self._record(predictions, truths))
        self.names.append(name)

    def scores(self) -> dict[str, float]:
        """Return the twelve scores of each kind, 0 to 1, as defined in `DEFINITIONS`; nan where one is undefined.

        Two more of each kind count more than 100 predictions, where `max_detections` allows them.
        """
        scores: dict[str, float] = {}
        for kind in self.kinds:
            scores |= _summary(self._curves(kind), kind)
            if self.max_detections > MAX_PREDICTIONS:
                scores |= self._uncut_scores(kind)
        return scores

    def _uncut_scores(self, kind: str) -> dict[str, float]:
        """Return average precision and recall where all predictions of an image count."""
        number = self.max_detections
        results, truths, matches = _match_images(self.images, kind)
        all_sizes = Matches(matches.right[:1], matches.wrong[:1], matches.counted[:1])
        curves = rank(results, truths, all_sizes, len(self.classes), numbers=(number,))
        return {
            f"{kind} AP ({number} detections)": _mean(curves.precision[0]),
            f"{kind} AR ({number} detections)": _mean(curves.recall[0, ..., -1]),
        }

    def per_class(self) -> list[Row]:
        """Return a row for each class: "class", AP, AP50, AP75 and AR100 of each kind, and the numbers of objects in
        the "ground truth" (without crowds) and "predicted" (at most `max_detections` in an image).

        Scores of a class without ground-truth objects are nan.
        """
        columns: dict[str, NDArray[Any]] = {}
        for kind in self.kinds:
            curves = self._curves(kind)
            for name, thresholds in HEADLINES.items():
                columns[f"{kind} {name}"] = curves.precision[0, thresholds].mean((0, 2))
            columns[f"{kind} AR100"] = curves.recall[0, ..., -1].mean(0)
        number = len(self.classes)
        true_labels = _joined([image.true_labels[~image.true_crowd] for image in self.images], np.int64)
        labels = _joined([image.labels for image in self.images], np.int64)
        columns["ground truth"] = np.bincount(true_labels, minlength=number)
        columns["predicted"] = np.bincount(labels, minlength=number)
        return rows_of("class", self.classes.names, columns)

    def per_image(self) -> list[Row]:
        """Return a row for each image: "name", and AP, AP50 and AP75 of the masks of this image alone.

        They are nan where there is no ground-truth object.
        """
        rows: list[Row] = []
        for name, image in zip(self.names, self.images, strict=True):
            curves = rank(*_match_images([image], "mask"), len(self.classes))
            rows.append({"name": name, **_headlines(curves, "mask")})
        return rows

    def intervals(self, rng: np.random.Generator, draws: int = 200, level: float = 0.95) -> Intervals:
        """Return the bootstrap intervals of the AP, AP50 and AP75 of the masks.

        The data sets drawn have as many images as there are, drawn with replacement; `level` of `draws` lie inside.
        """
        results, truths, matches = _match_images(self.images, "mask")
        all_sizes = Matches(matches.right[:1], matches.wrong[:1], matches.counted[:1])

        def scores(times: Integers) -> dict[str, float]:
            return _headlines(rank(results, truths, all_sizes, len(self.classes), times), "mask")

        return bootstrap(scores, len(self.images), rng, draws, level)

    def _count(self, prediction: Segmentation, truth: Segmentation) -> ImageRecord:
        return self._record(objects_of(prediction), objects_of(truth))

    def _record(self, predictions: Objects, truths: Objects) -> ImageRecord:
        predictions = highest_scored(predictions, self.max_detections)
        boxes = BoxOverlaps.of(predictions, truths)
        pairs = {"mask": mask_pairs(predictions, truths, boxes), "box": box_pairs(predictions, truths, boxes)}
        areas = {"mask": predictions.areas, "box": boxes.predicted[:, 2] * boxes.predicted[:, 3]}
        if self.boundary is not None:
            pairs["boundary"] = boundary_pairs(predictions, truths, boxes, self.boundary)
            areas["boundary"] = areas["mask"]
        return ImageRecord(
            predictions.labels, predictions.scores, areas, truths.labels, truths.areas, truths.crowd, pairs
        )

    def _settings(self) -> dict[str, object]:
        return super()._settings() | {"boundary width": self.boundary, "maximum of detections": self.max_detections}

    def _curves(self, kind: str) -> Curves:
        """Return the curves of all images, computed anew only when images were added."""
        number = len(self.images)
        if kind not in self._ranked or self._ranked[kind][0] != number:
            self._ranked[kind] = number, rank(*_match_images(self.images, kind), len(self.classes))
        return self._ranked[kind][1]


def _match_images(images: Sequence[ImageRecord], kind: str) -> tuple[Results, Truths, Matches]:
    """Put the objects of all images into one table each, and match them."""
    results, truths = _all_results(images, kind), _all_truths(images)
    return results, truths, match(results, truths, _all_pairs(images, kind))


def _all_results(images: Sequence[ImageRecord], kind: str) -> Results:
    numbers = [len(image.labels) for image in images]
    labels = _joined([image.labels for image in images], np.int64)
    scores = _joined([image.scores for image in images], np.float64)
    areas = _joined([image.areas[kind] for image in images], np.float64)
    return Results(np.repeat(np.arange(len(images)), numbers), labels, scores, areas)


def _all_truths(images: Sequence[ImageRecord]) -> Truths:
    numbers = [len(image.true_labels) for image in images]
    labels = _joined([image.true_labels for image in images], np.int64)
    areas = _joined([image.true_areas for image in images], np.float64)
    crowd = _joined([image.true_crowd for image in images], bool)
    return Truths(np.repeat(np.arange(len(images)), numbers), labels, areas, crowd)


def _all_pairs(images: Sequence[ImageRecord], kind: str) -> Pairs:
    """Shift the indices of all pairs from places within their image to places in the tables of all images."""
    predicted, true, overlaps = [], [], []
    first_result = first_truth = 0
    for image in images:
        pairs = image.pairs[kind]
        predicted.append(pairs.predicted + first_result)
        true.append(pairs.true + first_truth)
        overlaps.append(pairs.iou)
        first_result += len(image.labels)
        first_truth += len(image.true_labels)
    return Pairs(_joined(predicted, np.int64), _joined(true, np.int64), _joined(overlaps, np.float64))


def _joined(arrays: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    """Concatenate arrays, of which there may be none."""
    return np.concatenate([*arrays, np.zeros(0, dtype)])


def _headlines(curves: Curves, kind: str) -> dict[str, float]:
    """Return AP, AP50 and AP75 over objects of all sizes."""
    scores = {}
    for name, thresholds in HEADLINES.items():
        scores[f"{kind} {name}"] = _mean(curves.precision[0, thresholds])
    return scores


def _summary(curves: Curves, kind: str) -> dict[str, float]:
    """Return the twelve scores of COCO, in its order."""
    sizes = list(enumerate(SIZES))[1:]
    scores = _headlines(curves, kind)
    for a, size in sizes:
        scores[f"{kind} AP {size}"] = _mean(curves.precision[a])
    for m, number in enumerate(NUMBERS):
        scores[f"{kind} AR{number}"] = _mean(curves.recall[0, ..., m])
    for a, size in sizes:
        scores[f"{kind} AR {size}"] = _mean(curves.recall[a, ..., -1])
    return scores


def _mean(values: Floats) -> float:
    return float(mean(values.ravel()))

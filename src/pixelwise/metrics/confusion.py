"""Scores of class maps over a data set, from the confusion matrix: mIoU, Dice, pixel accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..classes import VOID, Classes
from ..segmentation import Segmentation
from .class_counts import ClassCounts, Counts
from .joint_histogram import joint_histogram
from .metric import Row, rows_of
from .per_image import check_sizes, gather_lists
from .ratios import Values, divide, mean

DEFINITIONS: Mapping[str, str] = {
    "IoU": "Intersection over union of a class: the pixels that have the class in the ground truth and in the "
    "prediction, divided by the pixels that have it in at least one of the two. Both are summed over the whole data "
    "set.",
    "mIoU": "Mean of the IoU over the classes that occur in the ground truth or in a prediction. A class that is "
    "predicted but does not occur in the ground truth counts as 0; a class that occurs in neither is left out.",
    "Dice": "Dice coefficient (F1 score) of a class: twice the pixels that have the class in both, divided by the sum "
    "of its pixels in the ground truth and in the prediction, over the whole data set; the mean is taken as for mIoU.",
    "pixel accuracy": "Share of all pixels whose class is predicted correctly. For a class: the share of its "
    "ground-truth pixels that are predicted correctly (recall).",
    "mean pixel accuracy": "Mean of the pixel accuracy over the classes that occur in the ground truth.",
    "frequency-weighted IoU": "Mean of the IoU over the classes, weighted by their shares of the ground-truth pixels.",
    "image-wise mIoU": "Mean over the images of the mIoU of each image alone. This is not the mIoU of the literature, "
    "and may be higher or lower.",
    "image-wise Dice": "Mean over the images of the mean Dice of each image alone.",
    "void": "Pixels that are void (255) in the ground truth are not counted. A pixel with a class in the ground truth "
    "and void in the prediction counts as missed: it is wrong for its class, and a prediction of no class.",
}
"""What each score means, for reports."""


class ConfusionMatrix(ClassCounts):
    """Count pixels by their class in the ground truth and in the prediction, over images and processes.

    Attributes:
        matrix: (C, C + 1) int64; [i, j] counts the pixels of class i that are predicted as j; the last column counts
            those predicted as void.
        images: (3, C) int64 each: for each class the correct pixels, its pixels in the ground truth, and those in the
            prediction. All scores follow from these, so an image takes 24 C bytes.
    """

    MAIN_SCORE: ClassVar[str] = "mIoU"
    DEFINITIONS: ClassVar[Mapping[str, str]] = DEFINITIONS
    COUNTS = 3
    IMAGE_WISE = ("mIoU", "Dice")

    def __init__(self, classes: Classes) -> None:
        super().__init__(classes)
        self.matrix: Counts = np.zeros((len(classes), len(classes) + 1), np.int64)

    def update(self, prediction: Segmentation, truth: Segmentation, name: str = "") -> None:
        """Count one image; `name` is its name in reports.

        Raises:
            ValueError: if the two differ in size, or hold a class that the metric does not have.
        """
        matrix = self.count(prediction.class_map(), truth.class_map())
        self.matrix += matrix
        self.names.append(name)
        self.images.append(tally(matrix))

    def count(self, prediction: Tensor | NDArray[Any], truth: Tensor | NDArray[Any]) -> Counts:
        """Compute the confusion matrix of one image without adding it to this one.

        Args:
            prediction, truth: (H, W) class maps of integers; 255 is void. uint8 is fastest.

        Returns:
            (C, C + 1) int64.

        Raises:
            ValueError: if the maps differ in size, or hold a class outside 0 to C - 1 that is not void.
        """
        number = len(self.classes)
        predicted_bytes = _class_map_bytes("prediction", prediction)
        truth_bytes = _class_map_bytes("ground truth", truth)
        check_sizes(predicted_bytes.shape, truth_bytes.shape)
        table = joint_histogram(truth_bytes, predicted_bytes)
        # A wrong class in a prediction matters only where the ground truth is not void: void is not counted.
        for role, rows in (("ground truth", table), ("prediction", table[:number].T)):
            outside = number + np.flatnonzero(rows[number:VOID].any(1))
            if len(outside):
                raise ValueError(
                    f"the {role} holds class {outside[0]}, but the {number} classes are numbered 0 to {number - 1}; "
                    "255 is void"
                )
        return np.hstack([table[:number, :number], table[:number, VOID:]])

    def merge(self, other: Self) -> None:
        super().merge(other)
        self.matrix += other.matrix

    def reduce(self) -> None:
        super().reduce()
        self.matrix = np.sum(gather_lists([self.matrix])[0], 0)

    def per_class(self) -> list[Row]:
        """Return a row for each class: "class", "IoU", "Dice", "pixel accuracy" (nan if undefined), and the numbers of
        its pixels in the "ground truth" and "predicted"."""
        correct, true, predicted = self._total()
        iou, dice, accuracy = _class_scores(correct, true, predicted)
        columns = {"IoU": iou, "Dice": dice, "pixel accuracy": accuracy, "ground truth": true, "predicted": predicted}
        return rows_of("class", self.classes.names, columns)

    def _summarize(self, counts: NDArray[Any]) -> dict[str, Values]:
        return summarize(counts)

    def _total(self) -> Counts:
        return tally(self.matrix)


def tally(matrix: Counts) -> Counts:
    """Count for each class its correct pixels, its ground-truth pixels and its predicted pixels.

    Args:
        matrix: (C, C + 1) confusion matrix.

    Returns:
        (3, C).
    """
    number = len(matrix)
    return np.stack([matrix.diagonal(), matrix.sum(1), matrix[:, :number].sum(0)])


def summarize(tallies: NDArray[Any]) -> dict[str, Values]:
    """Compute the scores over all classes, (…) each, from (…, 3, C) tallies; nan where nothing was counted."""
    correct, true, predicted = np.moveaxis(tallies.astype(np.float64), -2, 0)
    iou, dice, accuracy = _class_scores(correct, true, predicted)
    total = true.sum(-1)
    return {
        "mIoU": mean(iou),
        "pixel accuracy": divide(correct.sum(-1), total),
        "mean pixel accuracy": mean(accuracy),
        "Dice": mean(dice),
        "frequency-weighted IoU": divide((true * np.nan_to_num(iou)).sum(-1), total),
    }


def _class_map_bytes(role: str, class_map: Tensor | NDArray[Any]) -> NDArray[np.uint8]:
    array: NDArray[Any] = class_map.cpu().numpy() if isinstance(class_map, Tensor) else np.asarray(class_map)
    if array.ndim != 2 or array.dtype.kind not in "ui":
        raise ValueError(f"the {role} must be a class map (H, W) of integers, not {array.shape} of {array.dtype}")
    if array.dtype != np.uint8 and array.size and not 0 <= array.min() <= array.max() <= VOID:
        raise ValueError(f"the {role} holds {array.min()} to {array.max()}: a class map holds 0 to {VOID}")
    return array.astype(np.uint8, copy=False)


def _class_scores(correct: NDArray[Any], true: NDArray[Any], predicted: NDArray[Any]) -> tuple[Values, Values, Values]:
    """Compute the IoU, the Dice coefficient and the pixel accuracy of each class."""
    iou = divide(correct, true + predicted - correct)
    dice = divide(2 * correct, true + predicted)
    return iou, dice, divide(correct, true)

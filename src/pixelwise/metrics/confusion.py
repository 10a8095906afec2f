"""Scores of class maps over a whole data set, from the confusion matrix; what each means stands in `DEFINITIONS`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..classes import VOID, Classes
from ..segmentation import Segmentation
from .per_image import PerImage, Row, check_sizes, draw_intervals, of_all_processes, rows_of

Counts = NDArray[np.int64]
Values = NDArray[np.float64]

DEFINITIONS: Mapping[str, str] = {
    "IoU": "of a class: pixels that are it and were found as it, over pixels that are it or were found as it, "
    "summed over the whole data set",
    "mIoU": "mean of the IoU over the classes that occur in the ground truth or in the predictions; a class that is "
    "predicted but nowhere true counts with 0, one that is neither is left out",
    "Dice": "of a class: 2 · both / (true + found) pixels over the whole data set (the F1 of its pixels); "
    "the mean over the classes as for mIoU",
    "pixel accuracy": "share of the pixels that were found right; of a class: share of its true pixels (its recall)",
    "mean pixel accuracy": "mean of the pixel accuracy over the classes that occur in the ground truth",
    "frequency-weighted IoU": "mean of the IoU over the classes, each weighted by its share of the true pixels",
    "image-wise mIoU": "mean over the images of the mIoU of each image by itself: not the mIoU of the literature, "
    "and higher or lower than it",
    "image-wise Dice": "mean over the images of the mean Dice of each image by itself",
    "void": "pixels whose ground truth is void (255) are not counted at all; where the ground truth is a class and the "
    "prediction is void, the pixel is missed: wrong for its class and found as none",
}
"""What each score means, for reports."""

IMAGE_WISE = ("mIoU", "Dice")
"""The scores whose mean over the images is given too."""

STRIPE = 1 << 24
"""So many pixels are counted at once: float32, in which OpenCV hands out its counts, is exact up to here."""


class Tallies(PerImage[NDArray[Any]]):
    """A metric that keeps K counts of each class of every image; all scores follow from their sums.

    Attributes:
        images: (K, C) each.
    """

    COUNTS: ClassVar[int]
    """K."""

    IMAGE_WISE: ClassVar[Sequence[str]] = ()
    """The scores whose mean over the images is given too."""

    def scores(self) -> dict[str, float]:
        """The scores of the data set, 0 to 1, as `DEFINITIONS` has them; nan where nothing of the kind was counted."""
        alone = self._summarize(self._stacked())
        image_wise = means_over_images(alone, np.ones(len(self.images), np.int64), self.IMAGE_WISE)
        return {name: float(value) for name, value in (self._summarize(self._total()) | image_wise).items()}

    def per_image(self) -> list[Row]:
        """One row an image: "name" and the scores of this image by itself, nan where it has nothing of the kind."""
        return rows_of("name", self.names, self._summarize(self._stacked()))

    def intervals(
        self, rng: np.random.Generator, draws: int = 1000, level: float = 0.95
    ) -> dict[str, tuple[float, float]]:
        """For each score the interval in which it lies for `level` of the data sets drawn from these images.

        The bootstrap over images: as many images as there are, drawn with replacement, `draws` times.
        """
        stacked = self._stacked()
        return bootstrap(stacked, rng, draws, level, summarize=self._summarize, image_wise=self.IMAGE_WISE)

    def _summarize(self, counts: NDArray[Any]) -> dict[str, Values]:
        """(…, K, C) counts → the scores over all classes, (…) each."""
        raise NotImplementedError

    def _stacked(self) -> NDArray[Any]:
        """(images, K, C)."""
        return np.array(self.images).reshape(-1, self.COUNTS, len(self.classes))

    def _total(self) -> NDArray[Any]:
        """(K, C)."""
        return np.asarray(self._stacked().sum(0))


class ConfusionMatrix(Tallies):
    """Pixels by true and by found class, added up over images, and over processes by `reduce`.

    Attributes:
        matrix: (C, C + 1) int64; [i, j] counts the pixels of class i found as j; the last column those found as void.
        images: (3, C) int64 each: for each class the pixels found right, those true, those found. All scores follow
            from these, so an image costs 24 C bytes.
    """

    MAIN_SCORE: ClassVar[str] = "mIoU"
    DEFINITIONS: ClassVar[Mapping[str, str]] = DEFINITIONS
    COUNTS = 3
    IMAGE_WISE = IMAGE_WISE

    def __init__(self, classes: Classes) -> None:
        super().__init__(classes)
        self.matrix: Counts = np.zeros((len(classes), len(classes) + 1), np.int64)

    def update(self, found: Segmentation, truth: Segmentation, name: str = "") -> None:
        """Counts one image; `name` is what reports call it.

        Raises:
            ValueError: for results of another size, or of classes that there are not.
        """
        matrix = self.count(found.class_map(), truth.class_map())
        self.matrix += matrix
        self.names.append(name)
        self.images.append(tally(matrix))

    def count(self, found: Tensor | NDArray[Any], truth: Tensor | NDArray[Any]) -> Counts:
        """(C, C + 1) int64: the confusion matrix of one image, which is not added to this one.

        Args:
            found, truth: (H, W) class maps of integers; 255 is void. Fastest as uint8.

        Raises:
            ValueError: for maps of two sizes, for a class outside 0 to C - 1 that is not void.
        """
        number = len(self.classes)
        found, truth = _bytes("result", found), _bytes("ground truth", truth)
        check_sizes(found.shape, truth.shape)
        table = joint_histogram(truth, found)
        for what, rows in (("ground truth", table), ("result", table[:number].T)):
            outside = number + np.flatnonzero(rows[number:VOID].any(1))
            if len(outside):
                raise ValueError(
                    f"the {what} holds class {outside[0]}, but the {number} classes are numbered 0 to {number - 1}; "
                    "255 is void"
                )
        return np.hstack([table[:number, :number], table[:number, VOID:]])

    def merge(self, other: Self) -> None:
        super().merge(other)
        self.matrix += other.matrix

    def reduce(self) -> None:
        super().reduce()
        self.matrix = np.sum(of_all_processes([self.matrix])[0], 0)

    def per_class(self) -> list[Row]:
        """One row a class: "class", "IoU", "Dice", "pixel accuracy" (nan if undefined), pixels "true" and "found"."""
        both, true, found = self._total()
        iou, dice, accuracy = _ratios(both, true, found)
        columns = {"IoU": iou, "Dice": dice, "pixel accuracy": accuracy, "true": true, "found": found}
        return rows_of("class", self.classes.names, columns)

    def _summarize(self, counts: NDArray[Any]) -> dict[str, Values]:
        return summarize(counts)

    def _total(self) -> Counts:
        return tally(self.matrix)


def tally(matrix: Counts) -> Counts:
    """(C, C + 1) confusion matrix → (3, C): for each class the pixels found right, those true, those found."""
    number = len(matrix)
    return np.stack([matrix.diagonal(), matrix.sum(1), matrix[:, :number].sum(0)])


def summarize(tallies: NDArray[Any]) -> dict[str, Values]:
    """(…, 3, C) tallies → the scores over all classes, (…) each; nan where nothing was counted."""
    both, true, found = np.moveaxis(tallies.astype(np.float64), -2, 0)
    iou, dice, accuracy = _ratios(both, true, found)
    total = true.sum(-1)
    return {
        "mIoU": mean(iou),
        "pixel accuracy": divide(both.sum(-1), total),
        "mean pixel accuracy": mean(accuracy),
        "Dice": mean(dice),
        "frequency-weighted IoU": divide((true * np.nan_to_num(iou)).sum(-1), total),
    }


def bootstrap(
    tallies: NDArray[Any],
    rng: np.random.Generator,
    draws: int = 1000,
    level: float = 0.95,
    *,
    summarize: Callable[[NDArray[Any]], dict[str, Values]] = summarize,
    image_wise: Sequence[str] = IMAGE_WISE,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of all scores, image-wise ones included, over images drawn with replacement.

    Args:
        tallies: (images, K, C), counts that add up over images.
        rng, draws, level: as of `draw_intervals`.
        summarize: (…, K, C) → the scores, (…) each.
        image_wise: the scores whose mean over the images is wanted too.
    """
    flat = tallies.reshape(-1, math.prod(tallies.shape[1:])).astype(np.float64)
    alone = summarize(tallies)

    def scores(often: Counts) -> dict[str, Values]:
        return summarize((often @ flat).reshape(tallies.shape[1:])) | means_over_images(alone, often, image_wise)

    return draw_intervals(scores, len(tallies), rng, draws, level)


def joint_histogram(truth: NDArray[np.uint8], found: NDArray[np.uint8]) -> Counts:
    """(256, 256) int64: how many pixels hold each pair of values; exact for images of any size."""
    counts: Counts = np.zeros((256, 256), np.int64)
    truth, found = truth.ravel(), found.ravel()
    for start in range(0, len(truth), STRIPE):
        counts += _count_blocks(truth[start : start + STRIPE], found[start : start + STRIPE])
    return counts


def _count_blocks(truth: NDArray[np.uint8], found: NDArray[np.uint8]) -> Counts:
    """The pairs of one stripe, (N,) each: eight pixels at once wherever neither map changes, as they seldom do."""
    whole = len(truth) - len(truth) % 8
    if not whole:
        return _count_pixels(truth, found)
    change = np.ones(whole, bool)  # from a pixel to the next; the last block always counts as changing
    np.not_equal(truth[1:whole], truth[: whole - 1], out=change[:-1])
    change[:-1] |= found[1:whole] != found[: whole - 1]
    blocks = np.flatnonzero(change.view(np.uint64) != 0)
    if len(blocks) * 16 > whole:
        return _count_pixels(truth, found)
    t, f = (values[:whole].view(np.uint64)[blocks].view(np.uint8) for values in (truth, found))
    # All blocks between two that change are like the first pixel of the second.
    calm = 8 * (np.diff(blocks, prepend=-1) - 1)
    counts = np.bincount(t[::8].astype(np.intp) * 256 + f[::8], calm, 256 * 256).reshape(256, 256).astype(np.int64)
    return counts + _count_pixels(t, f) + _count_pixels(truth[whole:], found[whole:])


def _count_pixels(truth: NDArray[np.uint8], found: NDArray[np.uint8]) -> Counts:
    """The pairs of (N,) pixels each, N at most `STRIPE`, which may be none."""
    import cv2

    if not len(truth):
        return np.zeros((256, 256), np.int64)
    table: NDArray[Any] = cv2.calcHist([truth, found], [0, 1], None, [256, 256], [0, 256, 0, 256])
    return table.astype(np.int64)


def _bytes(what: str, class_map: Tensor | NDArray[Any]) -> NDArray[np.uint8]:
    array: NDArray[Any] = class_map.cpu().numpy() if isinstance(class_map, Tensor) else np.asarray(class_map)
    if array.ndim != 2 or array.dtype.kind not in "ui":
        raise ValueError(f"the {what} must be a class map (H, W) of integers, not {array.shape} of {array.dtype}")
    if array.dtype != np.uint8 and array.size and not 0 <= array.min() <= array.max() <= VOID:
        raise ValueError(f"the {what} holds {array.min()} to {array.max()}: a class map holds 0 to {VOID}")
    return array.astype(np.uint8, copy=False)


def _ratios(both: NDArray[Any], true: NDArray[Any], found: NDArray[Any]) -> tuple[Values, Values, Values]:
    """IoU, Dice and pixel accuracy of each class."""
    return divide(both, true + found - both), divide(2 * both, true + found), divide(both, true)


def divide(numerator: NDArray[Any], denominator: NDArray[Any]) -> Values:
    """The quotient, nan where the denominator is 0."""
    result: Values = np.full(np.shape(denominator), np.nan)
    np.divide(numerator, denominator, out=result, where=np.asarray(denominator) > 0)
    return result


def mean(values: Values) -> Values:
    """Mean over the last axis of what is not nan; nan where all is."""
    return divide(np.nansum(values, -1), np.isfinite(values).sum(-1))


def means_over_images(alone: Mapping[str, Values], often: Counts, names: Sequence[str]) -> dict[str, Values]:
    """Means over the images of what each scores alone, as often as it was drawn; those that are all void left out."""
    means = {}
    for name in names:
        weights = often * np.isfinite(alone[name])
        means[f"image-wise {name}"] = divide((weights * np.nan_to_num(alone[name])).sum(), weights.sum())
    return means

"""Bootstrap intervals: how much scores vary over data sets drawn with replacement from the images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .ratios import Values, divide

Intervals = dict[str, tuple[float, float]]

MIN_IMAGES = 2
"""The smallest number of images that has a spread."""

ROUGH_BELOW = 20
"""Intervals over fewer images are rough: too few different data sets can be drawn from them."""


def bootstrap(
    scores: Callable[[NDArray[np.int64]], Mapping[str, Any]],
    images: int,
    rng: np.random.Generator,
    draws: int,
    level: float,
) -> Intervals:
    """Compute the percentile interval of each score over data sets drawn, with replacement, from the images.

    Args:
        scores: a function from the number of times that each image was drawn, (images,), to the scores of that data
            set.
        images: the number of images, and of images in each drawn data set.
        rng: the random numbers.
        draws: the number of data sets drawn.
        level: the share of them whose score lies in the interval.

    Returns:
        The lower and the upper end for each score; a score that is undefined in every drawn data set is left out.
        Nothing for fewer than `MIN_IMAGES` images: one image says nothing of the spread over images.
    """
    if images < MIN_IMAGES:
        return {}
    drawn: dict[str, list[float]] = {}
    for _ in range(draws):
        times = np.bincount(rng.integers(images, size=images), minlength=images)
        for name, value in scores(times).items():
            drawn.setdefault(name, []).append(float(value))
    quantiles = (0.5 - level / 2, 0.5 + level / 2)
    intervals: Intervals = {}
    for name, values in drawn.items():
        if np.isfinite(values).any():
            low, high = np.nanquantile(values, quantiles).tolist()
            intervals[name] = (low, high)
    return intervals


def bootstrap_counts(
    counts: NDArray[Any],
    rng: np.random.Generator,
    draws: int,
    level: float,
    *,
    summarize: Callable[[NDArray[Any]], dict[str, Values]],
    image_wise: Sequence[str],
) -> Intervals:
    """Compute the intervals of scores that follow from counts, including the means over images.

    Args:
        counts: (images, K, C), counts that add up over images.
        rng, draws, level: as in `bootstrap`.
        summarize: a function from (…, K, C) counts to the scores, (…) each.
        image_wise: the scores whose mean over the images gets an interval too.
    """
    # As a matrix, so that the counts of a drawn data set are one product.
    flat = counts.reshape(-1, math.prod(counts.shape[1:])).astype(np.float64)
    alone = summarize(counts)

    def scores(times: NDArray[np.int64]) -> dict[str, Values]:
        total = (times @ flat).reshape(counts.shape[1:])
        return summarize(total) | means_over_images(alone, times, image_wise)

    return bootstrap(scores, len(counts), rng, draws, level)


def means_over_images(alone: Mapping[str, Values], times: NDArray[np.int64], names: Sequence[str]) -> dict[str, Values]:
    """Average scores of single images; images for which a score is undefined (all void) are left out.

    Args:
        alone: the scores of each image alone, (images,) each.
        times: how often each image counts, (images,).
        names: the scores to average.
    """
    means = {}
    for name in names:
        weights = times * np.isfinite(alone[name])
        means[f"image-wise {name}"] = divide((weights * np.nan_to_num(alone[name])).sum(), weights.sum())
    return means

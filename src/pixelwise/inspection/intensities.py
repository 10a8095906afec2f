"""Intensities of images of more than 8 bits: how much of the data set's range each image uses, and their histogram."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from torch import Tensor

from ..data.dataset import Dataset
from ..images.header import read_header
from ..types import Array

MIN_SHARE = 0.1
"""An image that uses a smaller share of the range is hardly more than grey to the network."""

OUTLIERS = 0.005
"""Share of the pixels at each end that does not count."""

LEVELS = 256


def level_counts(data: Dataset, i: int, image: Tensor) -> Array | None:
    """Count the values of an image after its conversion to 8 bits.

    Args:
        data: the data set, whose range the image was converted by.
        i: number of the image in it.
        image: (3, H, W) uint8.

    Returns:
        (3, 256) int64, pixels of each channel and value; None for an image of 8 bits, or without a range.
    """
    if data.intensity is None or data.images is not None or not read_header(data.records[i].image).is_deep:
        return None
    channels = [np.bincount(channel.numpy().ravel(), minlength=LEVELS) for channel in image]
    return np.stack(channels)


def share_of_range(counts: Array) -> float:
    """The share of the range, 0 to 1, in which the values of an image lie, but for the outliers at both ends.

    Args:
        counts: as `level_counts` gives them.
    """
    below = counts.sum(0).cumsum() / counts.sum()
    low, high = np.searchsorted(below, [OUTLIERS, 1 - OUTLIERS])
    return float(high - low) / (LEVELS - 1)


def total_counts(counts: Iterable[Array | None]) -> Array | None:
    """(3, 256) int64: the sum over all images of more than 8 bits; None where there are none."""
    present: Sequence[Array] = [one for one in counts if one is not None]
    return np.sum(present, axis=0) if present else None

"""The joint histogram of two maps of bytes, counted eight pixels at a time where nothing changes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Counts = NDArray[np.int64]

STRIPE = 1 << 24
"""The number of pixels that are counted at once. OpenCV counts in float32, which is exact up to this number."""


def joint_histogram(truth: Bytes, prediction: Bytes) -> Counts:
    """Count how many pixels hold each pair of values, exactly for images of any size.

    Args:
        truth, prediction: arrays of one shape.

    Returns:
        (256, 256) int64; [i, j] counts the pixels with the values i in `truth` and j in `prediction`.
    """
    counts: Counts = np.zeros((256, 256), np.int64)
    truth, prediction = truth.ravel(), prediction.ravel()
    for start in range(0, len(truth), STRIPE):
        counts += _count_blocks(truth[start : start + STRIPE], prediction[start : start + STRIPE])
    return counts


def _count_blocks(truth: Bytes, prediction: Bytes) -> Counts:
    """Count the pairs of one stripe, (N,) each.

    Class maps seldom change from a pixel to the next. Blocks of eight pixels without a change are counted by their
    number, and only the pixels of the other blocks one by one.
    """
    whole = len(truth) - len(truth) % 8
    if not whole:
        return _count_pixels(truth, prediction)
    change = np.ones(whole, bool)  # from a pixel to the next; the last block always counts as changing
    np.not_equal(truth[1:whole], truth[: whole - 1], out=change[:-1])
    change[:-1] |= prediction[1:whole] != prediction[: whole - 1]
    changing = np.flatnonzero(change.view(np.uint64) != 0)
    if len(changing) * 16 > whole:  # more than half of the blocks: counting all pixels is faster
        return _count_pixels(truth, prediction)
    truth_pixels = truth[:whole].view(np.uint64)[changing].view(np.uint8)
    predicted_pixels = prediction[:whole].view(np.uint64)[changing].view(np.uint8)
    # The blocks between two changing ones have no change, so they hold the first value of the second of the two.
    calm_pixels = 8 * (np.diff(changing, prepend=-1) - 1)
    codes = truth_pixels[::8].astype(np.intp) * 256 + predicted_pixels[::8]
    calm = np.bincount(codes, calm_pixels, 256 * 256).reshape(256, 256).astype(np.int64)
    rest = _count_pixels(truth[whole:], prediction[whole:])
    return calm + _count_pixels(truth_pixels, predicted_pixels) + rest


def _count_pixels(truth: Bytes, prediction: Bytes) -> Counts:
    """Count the pairs of (N,) pixels one by one, N from 0 to `STRIPE`."""
    import cv2

    if not len(truth):
        return np.zeros((256, 256), np.int64)
    table: NDArray[Any] = cv2.calcHist([truth, prediction], [0, 1], None, [256, 256], [0, 256, 0, 256])
    return table.astype(np.int64)

"""Soft edges: grey levels that occur only along the borders between two values of a mask."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import cv2
import numpy as np

from ....images.reading import read_mask

_CHECKED = 20
"""At most so many masks are read."""

_MIN_REACH, _MAX_REACH = 2, 4
"""An edge pixel has both values at most that far away, in pixels: a pixel for each level within these limits."""

_MIN_SHARE = 0.98
"""The share of the grey pixels that must lie along borders."""


def are_soft_edges(masks: Sequence[Path], levels: Collection[int], low: int, high: int) -> bool:
    """Tell whether pixels of these levels lie between `low` and `high`, close to both, in nearly all places.

    Args:
        masks: files of masks of 8 bits in one channel.
        levels: the grey levels that may be edges.
        low: the darker value of the two, for example 0.
        high: the brighter value, for example 255.
    """
    reach = min(max(_MIN_REACH, len(levels)), _MAX_REACH)
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    grey = between = 0
    for path in masks[:: max(1, len(masks) // _CHECKED)]:
        pixels = read_mask(path)
        if pixels.ndim == 3:
            return False
        edge = np.isin(pixels, list(levels))
        near_low = cv2.dilate((pixels == low).astype(np.uint8), kernel)
        near_high = cv2.dilate((pixels == high).astype(np.uint8), kernel)
        grey += int(edge.sum())
        between += int((edge & (near_low > 0) & (near_high > 0)).sum())
        if between < grey / 2:
            return False
    return grey > 0 and between >= _MIN_SHARE * grey

"""Recognition of masks whose numbers probably count objects: 1, 2, … without a gap, to another end in each image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ....images.reading import read_mask

_CHECKED = 12
"""At most so many masks are read."""


def could_be_objects(masks: Sequence[Path]) -> bool:
    """Tell whether the numbers in each mask run from 1 without a gap, end differently, and each is one region."""
    ends = set()
    for path in masks[:: max(1, len(masks) // _CHECKED)]:
        pixels = read_mask(path)
        if pixels.ndim == 3:
            return False
        numbers = np.setdiff1d(np.unique(pixels), [0, 255])
        if not np.array_equal(numbers, np.arange(1, len(numbers) + 1)):
            return False
        for number in numbers[:50]:
            if cv2.connectedComponents((pixels == number).astype(np.uint8))[0] != 2:
                return False
        ends.add(len(numbers))
    return len(ends - {0}) > 1 and max(ends) > 2

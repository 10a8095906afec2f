"""Disks: round structuring elements for morphology."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def disk(radius: int) -> NDArray[np.uint8]:
    """Make a disk, (2r + 1, 2r + 1) of zeros and ones: 1 where x² + y² ≤ r²."""
    reach = np.arange(-radius, radius + 1)
    return (reach[:, None] ** 2 + reach**2 <= radius**2).astype(np.uint8)

"""Anchors of a pyramid: boxes of a few shapes over every cell of every level (SSD, Liu et al. 2016; YOLACT)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=32)
def anchor_grid(
    size: tuple[int, int],
    levels: tuple[tuple[int, int], ...],
    scales: tuple[int, ...],
    ratios: tuple[float, ...],
    square: bool = False,
) -> NDArray[np.float32]:
    """(A, 4), x1 y1 x2 y2 in pixels: level by level, rows first, then columns, then ratios; computed once a size.

    Args:
        size: height and width of the image, over which the cells of each level are spread evenly.
        levels: height and width of each.
        scales: of each level, the square root of an anchor's area, pixels.
        ratios: width to height of the anchors of a place.
        square: anchors are as high as they are wide, which is √ratio times their scale.
    """
    found = []
    for (height, width), scale in zip(levels, scales, strict=True):
        y, x = ((np.arange(n) + 0.5) / n * side for n, side in zip((height, width), size, strict=True))
        across = scale * np.sqrt(ratios)
        down = across if square else scale / np.sqrt(ratios)
        middle = np.stack(np.broadcast_arrays(x[:, None], y[:, None, None], np.zeros(len(ratios)))[:2], -1)
        half = np.broadcast_to(np.stack([across, down], -1) / 2, middle.shape)
        found.append(np.concatenate([middle - half, middle + half], -1).reshape(-1, 4))
    return np.concatenate(found).astype(np.float32)

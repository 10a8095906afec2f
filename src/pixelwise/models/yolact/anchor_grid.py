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
    """The anchors of all levels; they are cached by the size of images.

    Args:
        size: height and width of the image, over which the cells of each level are spread evenly.
        levels: height and width of each level.
        scales: square root of the area of each level's anchors, pixels.
        ratios: width over height of the anchors at a place.
        square: anchors are as high as they are wide, which is √ratio times their scale.

    Returns:
        (A, 4), x1 y1 x2 y2 in pixels: level by level, rows first, then columns, then ratios; they are shared, so they
        must not be written to.
    """
    anchors = []
    for (height, width), scale in zip(levels, scales, strict=True):
        y = (np.arange(height) + 0.5) / height * size[0]
        x = (np.arange(width) + 0.5) / width * size[1]
        across = scale * np.sqrt(ratios)
        down = across if square else scale / np.sqrt(ratios)
        middle = np.stack(np.broadcast_arrays(x[:, None], y[:, None, None], np.zeros(len(ratios)))[:2], -1)
        half = np.broadcast_to(np.stack([across, down], -1) / 2, middle.shape)
        anchors.append(np.concatenate([middle - half, middle + half], -1).reshape(-1, 4))
    return np.concatenate(anchors).astype(np.float32)

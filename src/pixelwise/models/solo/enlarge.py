"""Enlargement of soft masks to the size of the original image, without a dense map of that size for any of them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ...masks import Crop


def enlarge_masks(
    soft: Tensor, factor: int, inner: tuple[int, int], size: tuple[int, int], threshold: float = 0.5
) -> Iterator[Crop]:
    """Threshold soft masks after two bilinear resizings: to the padded image, and from that to the original one.

    Both resizings together are one linear map of the rows and one of the columns, and the result exceeds the threshold
    only near values that do. So the cost of a mask is that of its bounding box.

    Args:
        soft: (N, h, w) float, over the padded image.
        factor: pixels of the padded image to one value of `soft`.
        inner: height and width of the image without the padding, which is on the right and below.
        size: height and width of the original image.
        threshold: in (0, 1); pixels above it belong to the mask.

    Yields:
        For each mask a crop that holds all of it, (h, w) bool on the CPU, and the column and row of its first pixel.
    """
    soft = soft.float().cpu()
    rows = _weights(soft.shape[1], factor, inner[0], size[0])
    columns = _weights(soft.shape[2], factor, inner[1], size[1])
    above = soft > threshold
    for mask, down, across in zip(soft, above.any(2), above.any(1), strict=True):
        (y, bottom), (top, below) = _reach(down, rows)
        (x, right), (left, beyond) = _reach(across, columns)
        part = rows[y:bottom, top:below] @ mask[top:below, left:beyond] @ columns[x:right, left:beyond].T
        yield part > threshold, (x, y)


def _weights(length: int, factor: int, inner: int, size: int) -> Tensor:
    """Weight of each value in each pixel of the original image along one axis: (size, length)."""
    padded = F.interpolate(torch.eye(length)[None], length * factor, mode="linear", align_corners=False)
    return F.interpolate(padded[..., :inner], size, mode="linear", align_corners=False)[0].T.contiguous()


def _reach(above: Tensor, weights: Tensor) -> tuple[tuple[int, int], tuple[int, int]]:
    """The range of pixels that values above the threshold reach, and the range of values that these pixels take."""
    start, end = _ends(above)
    first, last = _ends(weights[:, start:end].any(1))
    return (first, last), _ends(weights[first:last].any(0))


def _ends(flags: Tensor) -> tuple[int, int]:
    """The first index that is True, and the one after the last; 0 and 0 if there is none."""
    places = flags.nonzero().flatten()
    if not len(places):
        return 0, 0
    return int(places[0]), int(places[-1]) + 1

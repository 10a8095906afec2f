"""Soft masks of the whole image, brought back to its size without any of them being there as numbers."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ...masks import Crop


def enlarge_masks(
    soft: Tensor, factor: int, inner: tuple[int, int], size: tuple[int, int], threshold: float = 0.5
) -> Iterator[Crop]:
    """Where soft masks exceed a threshold after two bilinear resizings: to the padded image, and to the original.

    Both are one linear map of the rows and one of the columns, and what they give lies above the threshold only near
    pixels that do; so a mask costs what its box costs.

    Args:
        soft: (N, h, w) float, over the padded image.
        factor: pixels of the padded image to one of theirs.
        inner: height and width of what is image there; right and below is padding.
        size: height and width of the original image.
        threshold: between 0 and 1.

    Yields:
        One mask each: the part where it may lie, (h, w) bool on the CPU, and the column and row where that begins.
    """
    soft = soft.float().cpu()
    rows, columns = (_weights(soft.shape[k + 1], factor, inner[k], size[k]) for k in range(2))
    above = soft > threshold
    for mask, down, across in zip(soft, above.any(2), above.any(1), strict=True):
        (y, bottom), (top, below) = _reach(down, rows)
        (x, right), (left, beyond) = _reach(across, columns)
        part = rows[y:bottom, top:below] @ mask[top:below, left:beyond] @ columns[x:right, left:beyond].T
        yield part > threshold, (x, y)


def _weights(length: int, factor: int, inner: int, size: int) -> Tensor:
    """(size, length): how much each pixel of the original takes from each value along one axis."""
    padded = F.interpolate(torch.eye(length)[None], length * factor, mode="linear", align_corners=False)
    return F.interpolate(padded[..., :inner], size, mode="linear", align_corners=False)[0].T.contiguous()


def _reach(above: Tensor, weights: Tensor) -> tuple[tuple[int, int], tuple[int, int]]:
    """The pixels of the original that values above the threshold reach, and all the values that those are made of."""
    start, end = _ends(above)
    first, last = _ends(weights[:, start:end].any(1))
    return (first, last), _ends(weights[first:last].any(0))


def _ends(flags: Tensor) -> tuple[int, int]:
    """The first place that is true and the one after the last; 0 and 0 where none is."""
    places = flags.nonzero().flatten()
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)

"""Masks as polygons: the exact outline along the edges of the pixels, and the pixels inside polygons."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ..types import Array
from .rle import runs_from_text

Ring = list[tuple[int, int]]
"""Corners (x, y) of a closed polygon."""


def trace(mask: Tensor) -> list[Ring]:
    """Trace the outline of a mask along the edges of its pixels.

    The even-odd rule makes the mask of all rings together: parts and holes are rings of their own. The edges of a ring
    are horizontal and vertical by turns. A point is a corner if an odd number of the four pixels around it are set, and
    twice a corner if only two opposite ones are; in each row and each column, corners are the ends of edges in pairs.

    Args:
        mask: (H, W) bool.

    Returns:
        Closed rings of corners (x, y), whole pixels from the top left corner of the image.
    """
    x, y = _corners(mask)
    number = len(y)
    by_row = np.arange(number)  # they come in this order
    along = _partners(by_row)
    across = _partners(np.lexsort((y, x)))
    corners = list(zip(x.tolist(), y.tolist(), strict=True))
    left = [True] * number
    rings: list[Ring] = []
    for first in range(number):
        ring: Ring = []
        at = first
        while left[at]:
            other = along[at]
            left[at] = left[other] = False
            ring += [corners[at], corners[other]]
            at = across[other]
        if ring:
            rings.append(ring)
    return rings


def join_rings(rings: list[Ring]) -> Ring:
    """Join several rings to one, which goes from the first corner of the first to each of the others and back.

    Both ways coincide, so the even-odd rule does not see them: where a format has room for one polygon only, this
    keeps parts and holes.
    """
    if len(rings) < 2:
        return [corner for ring in rings for corner in ring]
    whole = list(rings[0])
    for ring in rings[1:]:
        whole += [rings[0][0], *ring, ring[0]]
    return whole


def rasterise(polygons: Sequence[Sequence[float]], height: int, width: int) -> list[int]:
    """Rasterise polygons by COCO's own rule for pixels at the border.

    There are no holes: a polygon inside another adds nothing. An object with holes needs a run-length encoding.

    Args:
        polygons: each x1 y1 x2 y2 … in pixels, the origin at the top left corner of the first pixel.
        height, width: of the image.

    Returns:
        The run lengths of the polygons' union, as `Masks.from_lengths` takes them.

    Raises:
        ValueError: a polygon has fewer than three corners, an odd number of coordinates, or one that is not finite or
            lies further outside the image than the image is large.
    """
    from faster_coco_eval import mask as coco  # late: only COCO and YOLO data need it

    checked: list[list[float]] = []
    for polygon in polygons:
        _check(polygon, height, width)
        checked.append([float(value) for value in polygon])
    parts = coco.frPyObjects(checked, height, width)
    return runs_from_text(coco.merge(parts)["counts"].decode())


def _corners(mask: Tensor) -> tuple[Array, Array]:
    """x and y of the corners of a mask's outline, row by row."""
    inside = np.pad(mask.cpu().numpy().astype(np.int8), 1)
    a, b, c, d = inside[:-1, :-1], inside[:-1, 1:], inside[1:, :-1], inside[1:, 1:]
    odd = a ^ b ^ c ^ d
    y, x = np.nonzero(odd | ((a == d) & (b == c) & (a != b)))
    times = 1 + (odd == 0)[y, x]
    return np.repeat(x, times), np.repeat(y, times)


def _partners(order: Array) -> list[int]:
    """For each corner the one at the other end of its edge: corners are paired in this order."""
    partners = np.empty(len(order), np.int64)
    partners[order] = order.reshape(-1, 2)[:, ::-1].ravel()
    return partners.tolist()


def _check(polygon: Sequence[float], height: int, width: int) -> None:
    if not isinstance(polygon, Sequence) or not all(type(value) in (int, float) for value in polygon):
        raise ValueError(f"a polygon is a list of numbers, not {str(polygon)[:60]}")
    if len(polygon) < 6 or len(polygon) % 2:
        raise ValueError(f"a polygon has {len(polygon)} numbers: it takes x and y of three corners or more")
    for k, value in enumerate(polygon):
        extent = height if k % 2 else width
        if not math.isfinite(value) or not -extent - 1 <= value <= 2 * extent + 1:
            raise ValueError(f"a corner of a polygon lies at {value}, far outside the image of {width}x{height}")

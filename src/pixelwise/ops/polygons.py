"""Masks as polygons: the exact outline along the edges of the pixels."""

from __future__ import annotations

import numpy as np
from torch import Tensor

Ring = list[tuple[int, int]]


def trace(mask: Tensor) -> list[Ring]:
    """(H, W) bool → closed rings of corners (x, y) along the edges of the pixels, counted from the image's corner.

    The even-odd rule makes the mask of all rings together: parts and holes are rings of their own. Every other edge of
    a ring is horizontal and the others are vertical. Corners are where an odd number of the four pixels around a point
    are set, and twice where two opposite ones are; along each row and each column they are ends of edges in pairs.
    """
    inside = np.pad(mask.cpu().numpy().astype(np.int8), 1)
    a, b, c, d = inside[:-1, :-1], inside[:-1, 1:], inside[1:, :-1], inside[1:, 1:]
    y, x = np.nonzero((a ^ b ^ c ^ d) | ((a == d) & (b == c) & (a != b)))
    twice = 1 + (a ^ b ^ c ^ d == 0)[y, x]
    y, x = np.repeat(y, twice), np.repeat(x, twice)
    number = len(y)
    partners = []
    for order in (np.arange(number), np.lexsort((y, x))):  # rows first, which they already are; then columns
        pairs = np.empty(number, np.int64)
        pairs[order] = order.reshape(-1, 2)[:, ::-1].ravel()
        partners.append(pairs.tolist())
    along, across = partners
    corners = list(zip(x.tolist(), y.tolist(), strict=True))
    left, rings = [True] * number, []
    for first in range(number):
        ring, at = [], first
        while left[at]:
            other = along[at]
            left[at] = left[other] = False
            ring += [corners[at], corners[other]]
            at = across[other]
        if ring:
            rings.append(ring)
    return rings


def joined(rings: list[Ring]) -> Ring:
    """One ring of several: from the first corner of the first there and back to each of the others.

    Both ways lie upon each other, so the even-odd rule sees nothing of them: where a format has room for one polygon,
    this keeps parts and holes.
    """
    if len(rings) < 2:
        return [corner for ring in rings for corner in ring]
    whole = list(rings[0])
    for ring in rings[1:]:
        whole += [rings[0][0], *ring, ring[0]]
    return whole

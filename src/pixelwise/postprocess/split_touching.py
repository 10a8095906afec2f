"""Objects of a class map: its connected components, and touching objects parted by the watershed of their distances.

The watershed follows Vincent and Soille, "Watersheds in Digital Spaces", 1991, on the distance to the outside: each
pixel belongs to the peak that is reached from it by steepest ascent. Peaks that no narrow neck parts are one object.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ..segmentation import Segmentation

Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]

NECK = 0.75
"""Two parts are apart where the neck between them is narrower than this share of the smaller part's inner radius."""

MIN_DEPTH = 1.0
"""Two parts are one where the neck is narrower than the smaller part's inner radius by less, pixels: outlines of pixels
are as rough."""

NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


def connected(mask: Mask) -> Labels:
    """Number the connected components of a mask, (H, W) int32 from 1; pixels that touch at a corner are connected."""
    return np.asarray(cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[1], np.int32)


def watershed(mask: Mask) -> Labels:
    """Number the objects of a mask, (H, W) int32 from 1: connected components, parted at their necks.

    Two discs of equal size that overlap are parted if their centres are more than 1.3 radii apart.
    """
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    distances = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    basins = _basins(mask, distances)
    return _merge_without_neck(basins, distances)


SPLITS: dict[str, Callable[[Mask], Labels]] = {"components": connected, "watershed": watershed}
"""The ways to tell the objects of a class apart."""


def objects_of_classes(result: Segmentation, split: str) -> Segmentation:
    """Split the segments of a semantic result into objects, each with the class and the score of its segment.

    Args:
        result: segments that do not overlap (`ids`); those of the background are left whole.
        split: a key of `SPLITS`.

    Raises:
        ValueError: the segments are `masks`, which are objects already, or there is no such way to split.
    """
    if result.ids is None:
        raise ValueError("segments that may overlap are objects already: they are not split")
    if split not in SPLITS:
        raise ValueError(f"objects are split by {' or '.join(SPLITS)}, not by {split!r}")
    ids = result.ids.cpu().numpy()
    objects = np.zeros(ids.shape, np.int32)
    segments: list[int] = []
    for n, label in enumerate(result.labels.tolist()):
        mask = ids == n + 1
        # The background has no objects; connecting its parts would take long for nothing.
        parts = mask.astype(np.int32) if label == result.classes.background else SPLITS[split](mask)
        objects[mask] = parts[mask] + len(segments)
        segments += [n] * int(parts.max(initial=0))
    index = torch.tensor(segments, dtype=torch.int64)
    labels, scores = result.labels.cpu()[index], result.scores.cpu()[index]
    return Segmentation(result.classes, labels, scores, torch.from_numpy(objects))


def _basins(mask: Mask, distances: NDArray[np.float32]) -> Labels:
    """Number the peaks of the distances, each with the pixels from which steepest ascent leads to it."""
    height, width = mask.shape
    padded = np.pad(distances, 1)
    best = padded[1:-1, 1:-1].copy()
    target = np.arange(height * width).reshape(height, width)
    places = target.copy()
    for down, right in NEIGHBOURS:
        neighbour = padded[1 + down : 1 + down + height, 1 + right : 1 + right + width]
        higher = neighbour > best
        best[higher] = neighbour[higher]
        target[higher] = places[higher] + down * width + right
    ascent = target.ravel()
    # Each round doubles the number of steps that a pixel has climbed.
    while True:
        climbed = ascent[ascent]
        if np.array_equal(climbed, ascent):
            break
        ascent = climbed
    numbers = np.unique(ascent[mask.ravel()], return_inverse=True)[1]
    basins = np.zeros(mask.shape, np.int32)
    basins[mask] = numbers + 1
    return basins


def _merge_without_neck(basins: Labels, distances: NDArray[np.float32]) -> Labels:
    """Unite neighbouring basins with no neck between them, the widest border first."""
    number = int(basins.max())
    radius = np.zeros(number + 1)
    np.maximum.at(radius, basins.ravel(), distances.ravel())
    parent = np.arange(number + 1)
    for first, second, neck in _necks(basins, distances):
        one, other = _root(parent, first), _root(parent, second)
        smaller = min(radius[one], radius[other])
        if one != other and (neck >= NECK * smaller or smaller - neck < MIN_DEPTH):
            parent[other] = one
            radius[one] = max(radius[one], radius[other])
    roots = np.array([_root(parent, k) for k in range(number + 1)])
    numbers = np.unique(roots, return_inverse=True)[1]  # 0 is the outside, which is never united with a basin
    return np.asarray(numbers[basins], np.int32)


def _necks(basins: Labels, distances: NDArray[np.float32]) -> list[tuple[int, int, float]]:
    """List the pairs of neighbouring basins with the half-width of the widest passage between them, widest first."""
    height, width = basins.shape
    firsts, seconds, necks = [], [], []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        left = slice(max(0, -right), width - max(0, right))
        shifted = slice(max(0, right), width + min(0, right))
        one, other = basins[: height - down, left], basins[down:, shifted]
        border = (one != other) & (one > 0) & (other > 0)
        firsts.append(np.minimum(one[border], other[border]))
        seconds.append(np.maximum(one[border], other[border]))
        necks.append(np.minimum(distances[: height - down, left][border], distances[down:, shifted][border]))
    pairs = np.stack([np.concatenate(firsts), np.concatenate(seconds)], 1)
    unique, numbers = np.unique(pairs, axis=0, return_inverse=True)
    widest = np.zeros(len(unique))
    np.maximum.at(widest, numbers.ravel(), np.concatenate(necks))
    order = np.argsort(-widest, kind="stable")
    return [(int(unique[k, 0]), int(unique[k, 1]), float(widest[k])) for k in order]


def _root(parent: NDArray[np.int64], k: int) -> int:
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = int(parent[k])
    return k

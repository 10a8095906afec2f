"""Shapes of regions: opening, closing, holes and smooth boundaries, of class maps and of single masks.

Radii are in pixels; the structuring element is the disk x² + y² ≤ r², so that radius 1 is a pixel with its four
neighbours. What lies outside the image, or is void, neither adds to a region nor wears it away. In a class map every
pixel keeps having a class: what one region loses another gets. Void (255) stays void.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..classes import VOID
from ..ops.disk import disk

ClassMap = NDArray[np.uint8]  # (H, W), 255 is void
Mask = NDArray[np.bool_]  # (H, W)


def open_mask(mask: Mask, radius: int) -> Mask:
    """Without the parts into which a disk of this radius does not fit: hairs, bridges, specks."""
    return _morph(mask, cv2.MORPH_OPEN, radius)


def close_mask(mask: Mask, radius: int) -> Mask:
    """With the gaps and cracks filled into which a disk of this radius does not fit."""
    return _morph(mask, cv2.MORPH_CLOSE, radius)


def fill_mask(mask: Mask, area: int) -> Mask:
    """With the holes of at most `area` pixels filled.

    A hole is 4-connected (two that touch at a corner are two) and does not touch the border of the image.
    """
    labels, areas = _holes(mask)
    return (areas <= area)[labels]


def smooth_mask(mask: Mask, sigma: float) -> Mask:
    """With its boundary smoothed: what a Gaussian window of this standard deviation (pixels) sees mostly inside."""
    return _blurred(mask, sigma) > 0.5


def open_map(class_map: ClassMap, radius: int, background: int | None = None) -> ClassMap:
    """Each class but the background opened, as `open_mask` does; what it loses goes to the nearest other class."""
    void = class_map == VOID
    lost = np.zeros_like(void)
    for c in present(class_map):
        if c != background:
            mask = class_map == c
            lost |= mask & ~open_mask(mask | void, radius)
    return _given_away(class_map, lost)


def close_map(class_map: ClassMap, radius: int, background: int | None = None) -> ClassMap:
    """Each class but the background closed, as `close_mask` does.

    The gaps are filled from the background; where the classes have none, from those that have more pixels in the map,
    so that thin things lose nothing. What two classes claim goes to the one with fewer pixels.
    """
    areas = pixels_of(class_map)
    result = class_map.copy()
    for c in sorted(present(class_map), key=lambda c: -areas[c]):
        if c != background:
            room = areas > areas[c] if background is None else np.arange(VOID + 1) == background
            room[VOID] = False
            result[close_mask(class_map == c, radius) & room[class_map]] = c
    return result


def fill_map(class_map: ClassMap, area: int, background: int | None = None) -> ClassMap:
    """Each class but the background with its holes of at most `area` pixels filled, as `fill_mask` does.

    Only holes of nothing but background are filled; where the classes have none, whatever a single class encloses.
    """
    result = class_map.copy()
    for c in present(class_map):
        if c == background:
            continue
        labels, areas = _holes(result == c)
        small = areas <= area
        if background is not None:
            others = (result != background) & (result != VOID) & (result != c)
            small[labels[others]] = False
        small[0] = False
        result[small[labels] & (result != VOID)] = c
    return result


def smooth_map(class_map: ClassMap, sigma: float) -> ClassMap:
    """The class that a Gaussian window of this standard deviation (pixels) sees most of; the background too."""
    result = class_map.copy()
    most = np.zeros(class_map.shape, np.float32)
    for c in present(class_map):
        share = _blurred(class_map == c, sigma)
        result[share > most] = c
        np.maximum(most, share, out=most)
    result[class_map == VOID] = VOID
    return result


def present(class_map: ClassMap) -> list[int]:
    """The classes that occur, in their order, void left out."""
    found: list[int] = pixels_of(class_map)[:VOID].nonzero()[0].tolist()
    return found


def pixels_of(class_map: ClassMap) -> NDArray[np.float64]:
    """(256,): how many pixels hold each value."""
    counts: NDArray[np.float32] = cv2.calcHist([class_map], [0], None, [VOID + 1], [0, VOID + 1])
    return counts.ravel().astype(np.float64)


def _morph(mask: Mask, operation: int, radius: int) -> Mask:
    # OpenCV lets what lies outside count for neither side.
    done: ClassMap = cv2.morphologyEx(mask.view(np.uint8), operation, disk(radius))
    return done.view(np.bool_)


def _blurred(mask: Mask, sigma: float) -> NDArray[np.float32]:
    blurred: NDArray[np.float32] = cv2.GaussianBlur(
        mask.astype(np.float32), (0, 0), sigma, borderType=cv2.BORDER_REPLICATE
    )
    return blurred


def _holes(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The 4-connected parts around a mask, numbered from 1, and the area of each: 0 of the mask, ∞ at the border."""
    number, labels = cv2.connectedComponents((~mask).view(np.uint8), connectivity=4)
    areas = np.bincount(labels[~mask], minlength=number).astype(np.float64)
    areas[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = np.inf
    areas[0] = 0
    return labels, areas


def _given_away(class_map: ClassMap, lost: Mask) -> ClassMap:
    """Each lost pixel with the class of the nearest pixel that is not lost and of another class than it."""
    result = class_map.copy()
    kept = ~lost & (class_map != VOID)
    for c in np.unique(class_map[lost]):
        takers = kept & (class_map != c)
        if takers.any():
            _, nearest = cv2.distanceTransformWithLabels(
                (~takers).view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
            )
            mine = lost & (class_map == c)
            # Takers are numbered from 1, row by row.
            result[mine] = class_map[takers][nearest[mine] - 1]
    return result

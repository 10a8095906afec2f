"""Morphology: opening, closing, filling of holes and smoothing, of class maps and of single masks.

Radii are in pixels; the structuring element is the disk x² + y² ≤ r², so that radius 1 is a pixel with its four
neighbours. Pixels outside the image, and void, neither add to a region nor wear it away. In a class map every pixel
keeps having a class: what one region loses another gets. Void (255) stays void.
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
    """Remove the parts of a mask into which a disk of this radius does not fit: hairs, bridges, specks."""
    return _morph(mask, cv2.MORPH_OPEN, radius)


def close_mask(mask: Mask, radius: int) -> Mask:
    """Fill the gaps and cracks of a mask into which a disk of this radius does not fit."""
    return _morph(mask, cv2.MORPH_CLOSE, radius)


def fill_mask(mask: Mask, area: int) -> Mask:
    """Fill the holes of a mask of at most `area` pixels.

    A hole is 4-connected (two that touch at a corner are two) and does not touch the border of the image.
    """
    labels, areas = _holes(mask)
    return (areas <= area)[labels]


def smooth_mask(mask: Mask, sigma: float) -> Mask:
    """Smooth the boundary of a mask: keep the pixels whose Gaussian window (`sigma` in pixels) lies mostly inside."""
    return _blurred(mask, sigma) > 0.5


def open_map(class_map: ClassMap, radius: int, background: int | None = None) -> ClassMap:
    """Open each class but the background, as `open_mask` does; pixels that it loses go to the nearest other class."""
    void = class_map == VOID
    lost = np.zeros_like(void)
    for c in present(class_map):
        if c != background:
            mask = class_map == c
            lost |= mask & ~open_mask(mask | void, radius)
    return _give_away(class_map, lost)


def close_map(class_map: ClassMap, radius: int, background: int | None = None) -> ClassMap:
    """Close each class but the background, as `close_mask` does.

    Gaps are filled where there is background; if the classes have none, where there are classes with more pixels in the
    map, so that thin things lose nothing. Pixels that two classes claim go to the one with fewer pixels.
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
    """Fill the holes of at most `area` pixels of each class but the background, as `fill_mask` does.

    Only holes of background alone are filled; if the classes have none, all that a single class encloses.
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
    """Give each pixel the class with the largest share of its Gaussian window (`sigma` in pixels)."""
    result = class_map.copy()
    largest = np.zeros(class_map.shape, np.float32)
    for c in present(class_map):
        share = _blurred(class_map == c, sigma)
        result[share > largest] = c
        np.maximum(largest, share, out=largest)
    result[class_map == VOID] = VOID
    return result


def present(class_map: ClassMap) -> list[int]:
    """Return the classes that occur, in ascending order, without void."""
    classes: list[int] = pixels_of(class_map)[:VOID].nonzero()[0].tolist()
    return classes


def pixels_of(class_map: ClassMap) -> NDArray[np.float64]:
    """Count the pixels of each value, (256,)."""
    counts: NDArray[np.float32] = cv2.calcHist([class_map], [0], None, [VOID + 1], [0, VOID + 1])
    return counts.ravel().astype(np.float64)


def _morph(mask: Mask, operation: int, radius: int) -> Mask:
    # By default, OpenCV lets pixels outside the image count for neither side.
    result: ClassMap = cv2.morphologyEx(mask.view(np.uint8), operation, disk(radius))
    return result.view(np.bool_)


def _blurred(mask: Mask, sigma: float) -> NDArray[np.float32]:
    blurred: NDArray[np.float32] = cv2.GaussianBlur(
        mask.astype(np.float32), (0, 0), sigma, borderType=cv2.BORDER_REPLICATE
    )
    return blurred


def _holes(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Number the 4-connected parts around a mask from 1, and measure their areas: 0 for the mask, ∞ at the border."""
    number, labels = cv2.connectedComponents((~mask).view(np.uint8), connectivity=4)
    areas = np.bincount(labels[~mask], minlength=number).astype(np.float64)
    areas[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = np.inf
    areas[0] = 0
    return labels, areas


def _give_away(class_map: ClassMap, lost: Mask) -> ClassMap:
    """Give each lost pixel the class of the nearest pixel that is not lost and has another class than it."""
    result = class_map.copy()
    kept = ~lost & (class_map != VOID)
    for c in np.unique(class_map[lost]):
        receivers = kept & (class_map != c)
        if receivers.any():
            _, nearest = cv2.distanceTransformWithLabels(
                (~receivers).view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
            )
            mine = lost & (class_map == c)
            # Receivers are numbered from 1, row by row.
            result[mine] = class_map[receivers][nearest[mine] - 1]
    return result

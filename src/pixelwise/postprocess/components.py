"""Connected regions: dropping small ones, keeping the largest, merging small ones into a neighbour.

Regions are 8-connected: pixels that touch at a corner belong together. Areas are in pixels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ..classes import VOID
from ..masks import Crop, Masks
from .morphology import ClassMap, Mask, present


def drop_mask(mask: Mask, below: int) -> Mask:
    """Without its regions of fewer than `below` pixels."""
    labels, areas = _regions(mask)
    return (areas >= below)[labels]


def keep_mask(mask: Mask, number: int) -> Mask:
    """Its `number` largest regions; of equal ones those that begin further up."""
    labels, areas = _regions(mask)
    kept = np.zeros(len(areas), bool)
    kept[np.argsort(-areas, kind="stable")[:number]] = True
    kept[0] = False
    return kept[labels]


def drop_map(class_map: ClassMap, below: int, background: int | None = None) -> ClassMap:
    """Without the regions of fewer than `below` pixels: they become background, or void where the classes have none.

    The background keeps all of its own regions.
    """
    return _stripped(class_map, partial(drop_mask, below=below), background)


def keep_map(class_map: ClassMap, number: int, background: int | None = None) -> ClassMap:
    """The `number` largest regions of each class; others become background, or void where the classes have none."""
    return _stripped(class_map, partial(keep_mask, number=number), background)


def merge_map(class_map: ClassMap, below: int) -> ClassMap:
    """Regions of fewer than `below` pixels get the class of the neighbour that they share most border with.

    The smallest are merged first, and what has grown to `below` pixels stays. The border of two regions is counted in
    sides of pixels. The background takes part like every class. Regions without a neighbour, or with void alone
    around them, stay.
    """
    labels, classes, areas = _all_regions(class_map)
    if areas[1:].min(initial=below) >= below:
        return class_map.copy()
    borders = _borders(labels, areas < below)
    merged = _Merging(classes, areas, borders)
    for region in np.argsort(areas, kind="stable").tolist():
        merged.settle(region, below)
    table = np.array([classes[merged.root(region)] for region in range(len(classes))], np.uint8)
    return table[labels]


def merge_masks(masks: Masks, labels: Sequence[int], below: int) -> list[list[int]]:
    """Which masks to unite so that those of fewer than `below` pixels join a touching one of their class.

    Args:
        masks: N of one image.
        labels: the class of each.
        below: area, pixels.

    Returns:
        Groups of indices, each led by the mask that took in the others, in the order of the leaders. A small mask joins
        the one that covers most of the ring of pixels around it; without such a one it stays.
    """
    groups = {n: [n] for n in range(len(masks))}
    current = [masks.crop(n) for n in groups]
    for n in torch.argsort(masks.areas(), stable=True).tolist():
        crop, (x, y) = current[n]
        if not 0 < crop.sum() < below:
            continue
        mask = np.pad(crop.numpy(), 1).view(np.uint8)
        ring = torch.from_numpy((cv2.dilate(mask, np.ones((3, 3), np.uint8)) & ~mask).view(np.bool_))
        shared = {m: _shared((ring, (x - 1, y - 1)), current[m]) for m in groups if m != n and labels[m] == labels[n]}
        taker = max(shared, key=lambda m: shared[m], default=n)
        if taker != n and shared[taker]:
            groups[taker] += groups.pop(n)
            current[taker] = masks.united([groups[taker]]).crop(0)
    return [groups[leader] for leader in sorted(groups)]


def _shared(one: Crop, other: Crop) -> int:
    """The number of pixels that two crops share."""
    (a, (ax, ay)), (b, (bx, by)) = one, other
    x, y = max(ax, bx), max(ay, by)
    right, bottom = min(ax + a.shape[1], bx + b.shape[1]), min(ay + a.shape[0], by + b.shape[0])
    if x >= right or y >= bottom:
        return 0
    return int((a[y - ay : bottom - ay, x - ax : right - ax] & b[y - by : bottom - by, x - bx : right - bx]).sum())


class _Merging:
    """Regions as the nodes of a graph whose edges weigh the sides that they share."""

    def __init__(
        self, classes: NDArray[np.uint8], areas: NDArray[np.int64], borders: dict[int, dict[int, int]]
    ) -> None:
        self.classes, self.areas, self.borders = classes, areas.copy(), borders
        self.parents = list(range(len(classes)))

    def root(self, region: int) -> int:
        while self.parents[region] != region:
            self.parents[region] = region = self.parents[self.parents[region]]
        return region

    def settle(self, region: int, below: int) -> None:
        """Merges a region that is still by itself and too small, if it has a neighbour."""
        if self.root(region) == region and self.areas[region] < below and (around := self._around(region)):
            best = min(around, key=lambda other: (-around[other], other))
            of_its_class = [other for other in around if self.classes[other] == self.classes[best]]
            for other in (region, *of_its_class):  # through the region they now touch each other
                if other != best:
                    self._unite(best, other)

    def _around(self, region: int) -> dict[int, int]:
        """The neighbours as they are by now, with the sides shared."""
        around: dict[int, int] = defaultdict(int)
        for other, sides in self.borders.get(region, {}).items():
            if (found := self.root(other)) != region:
                around[found] += sides
        return around

    def _unite(self, taker: int, region: int) -> None:
        self.parents[region] = taker
        self.areas[taker] += self.areas[region]
        for other, sides in self.borders.pop(region, {}).items():
            self.borders[taker][other] = self.borders[taker].get(other, 0) + sides


def _regions(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The 8-connected regions of a mask numbered from 1, and the area of each; 0 of what lies around."""
    number, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    return labels, np.bincount(labels[mask], minlength=number)


def _all_regions(class_map: ClassMap) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int64]]:
    """The regions of all classes numbered from 1 (0 is void), the class and the area of each."""
    every = np.zeros(class_map.shape, np.int32)
    classes, areas = [np.array([VOID])], [np.array([0])]
    for c in present(class_map):
        labels, found = _regions(class_map == c)
        np.add(labels, sum(map(len, areas)) - 1, out=every, where=labels > 0)
        classes.append(np.full(len(found) - 1, c))
        areas.append(found[1:])
    return every, np.concatenate(classes).astype(np.uint8), np.concatenate(areas)


def _borders(labels: NDArray[np.int32], small: NDArray[np.bool_]) -> dict[int, dict[int, int]]:
    """The sides that each pair of regions shares, both ways, as far as one of the two is small; none with void."""
    pairs = []
    for a, b in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        here = (a != b) & (small[a] | small[b]) & (a > 0) & (b > 0)
        pairs.append(np.stack([a[here], b[here]]))
    found, sides = np.unique(np.sort(np.concatenate(pairs, 1), 0), axis=1, return_counts=True)
    borders: dict[int, dict[int, int]] = defaultdict(dict)
    for a, b, n in zip(*found.tolist(), sides.tolist(), strict=True):
        borders[a][b] = borders[b][a] = n
    return borders


def _stripped(class_map: ClassMap, keep: Callable[[Mask], Mask], background: int | None) -> ClassMap:
    """What `keep` leaves of each class but the background; the rest is background, or void."""
    result = class_map.copy()
    for c in present(class_map):
        if c != background:
            mask = class_map == c
            result[mask & ~keep(mask)] = VOID if background is None else background
    return result

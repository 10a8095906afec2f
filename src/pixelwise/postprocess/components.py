"""Connected components: dropping small regions, keeping the largest, merging small ones into a neighbour.

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
    """Remove the regions of fewer than `below` pixels from a mask."""
    labels, areas = _regions(mask)
    return (areas >= below)[labels]


def keep_mask(mask: Mask, number: int) -> Mask:
    """Keep the `number` largest regions of a mask; of equal ones those that begin further up."""
    labels, areas = _regions(mask)
    kept = np.zeros(len(areas), bool)
    kept[np.argsort(-areas, kind="stable")[:number]] = True
    kept[0] = False
    return kept[labels]


def drop_map(class_map: ClassMap, below: int, background: int | None = None) -> ClassMap:
    """Turn the regions of fewer than `below` pixels into background, or into void if the classes have none.

    The background keeps all of its regions.
    """
    return _keep_parts(class_map, partial(drop_mask, below=below), background)


def keep_map(class_map: ClassMap, number: int, background: int | None = None) -> ClassMap:
    """Keep the `number` largest regions of each class; others become background, or void if the classes have none."""
    return _keep_parts(class_map, partial(keep_mask, number=number), background)


def merge_map(class_map: ClassMap, below: int) -> ClassMap:
    """Give regions of fewer than `below` pixels the class of the neighbour with which they share the longest border.

    The smallest regions are merged first, and one that has grown to `below` pixels stays. The border of two regions is
    counted in sides of pixels. The background takes part like every class. Regions without a neighbour, or surrounded
    by void alone, stay.
    """
    labels, classes, areas = _all_regions(class_map)
    if areas[1:].min(initial=below) >= below:
        return class_map.copy()
    borders = _borders(labels, areas < below)
    graph = _RegionGraph(classes, areas, borders)
    for region in np.argsort(areas, kind="stable").tolist():
        graph.settle(region, below)
    table = np.array([classes[graph.root(region)] for region in range(len(classes))], np.uint8)
    return table[labels]


def merge_masks(masks: Masks, labels: Sequence[int], below: int) -> list[list[int]]:
    """Group masks so that those of fewer than `below` pixels join a touching mask of their class.

    Args:
        masks: the N masks of one image.
        labels: the class of each mask.
        below: the area, pixels.

    Returns:
        Groups of indices, each led by the mask that the others joined, in the order of the leaders. A small mask joins
        the one that covers most of the ring of pixels around it; if there is none, it stays.
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
        receiver = max(shared, key=lambda m: shared[m], default=n)
        if receiver != n and shared[receiver]:
            groups[receiver] += groups.pop(n)
            current[receiver] = masks.united([groups[receiver]]).crop(0)
    return [groups[leader] for leader in sorted(groups)]


def _shared(one: Crop, other: Crop) -> int:
    """Count the pixels that two crops share."""
    (a, (ax, ay)), (b, (bx, by)) = one, other
    x, y = max(ax, bx), max(ay, by)
    right, bottom = min(ax + a.shape[1], bx + b.shape[1]), min(ay + a.shape[0], by + b.shape[0])
    if x >= right or y >= bottom:
        return 0
    return int((a[y - ay : bottom - ay, x - ax : right - ax] & b[y - by : bottom - by, x - bx : right - bx]).sum())


class _RegionGraph:
    """A graph of regions, whose edges are weighted by the length of the border between two regions.

    Merged regions form trees, as in a union-find structure: the root stands for all of them.
    """

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
        """Merge a region that is not merged yet and too small, if it has a neighbour."""
        if self.root(region) != region or self.areas[region] >= below:
            return
        around = self._around(region)
        if not around:
            return
        best = min(around, key=lambda other: (-around[other], other))
        # The neighbours of the class of the best one touch each other through the region from now on: one region.
        of_its_class = [other for other in around if self.classes[other] == self.classes[best]]
        for other in (region, *of_its_class):
            if other != best:
                self._unite(best, other)

    def _around(self, region: int) -> dict[int, int]:
        """Return the current neighbours, with the length of the border to each."""
        around: dict[int, int] = defaultdict(int)
        for other, sides in self.borders.get(region, {}).items():
            root = self.root(other)
            if root != region:
                around[root] += sides
        return around

    def _unite(self, receiver: int, region: int) -> None:
        self.parents[region] = receiver
        self.areas[receiver] += self.areas[region]
        for other, sides in self.borders.pop(region, {}).items():
            self.borders[receiver][other] = self.borders[receiver].get(other, 0) + sides


def _regions(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number the 8-connected regions of a mask from 1, and measure the area of each; the area of number 0 is 0."""
    number, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    return labels, np.bincount(labels[mask], minlength=number)


def _all_regions(class_map: ClassMap) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int64]]:
    """Number the regions of all classes from 1 (0 is void); return the numbers, and the class and area of each."""
    numbers = np.zeros(class_map.shape, np.int32)
    classes, areas = [np.array([VOID])], [np.array([0])]
    for c in present(class_map):
        labels, class_areas = _regions(class_map == c)
        np.add(labels, sum(map(len, areas)) - 1, out=numbers, where=labels > 0)
        classes.append(np.full(len(class_areas) - 1, c))
        areas.append(class_areas[1:])
    return numbers, np.concatenate(classes).astype(np.uint8), np.concatenate(areas)


def _borders(labels: NDArray[np.int32], small: NDArray[np.bool_]) -> dict[int, dict[int, int]]:
    """Count the pixel sides that each pair of regions shares, in both directions.

    Only pairs with a small region are counted, and none with void.
    """
    pairs = []
    for a, b in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        here = (a != b) & (small[a] | small[b]) & (a > 0) & (b > 0)
        pairs.append(np.stack([a[here], b[here]]))
    touching, sides = np.unique(np.sort(np.concatenate(pairs, 1), 0), axis=1, return_counts=True)
    borders: dict[int, dict[int, int]] = defaultdict(dict)
    for a, b, n in zip(*touching.tolist(), sides.tolist(), strict=True):
        borders[a][b] = borders[b][a] = n
    return borders


def _keep_parts(class_map: ClassMap, keep: Callable[[Mask], Mask], background: int | None) -> ClassMap:
    """Apply `keep` to the mask of each class but the background; other pixels become background, or void."""
    result = class_map.copy()
    for c in present(class_map):
        if c != background:
            mask = class_map == c
            result[mask & ~keep(mask)] = VOID if background is None else background
    return result

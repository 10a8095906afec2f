"""Objects that were found in overlapping tiles, each tile by itself, made the objects of the whole image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..masks import Masks
from ..segmentation import Segmentation

Window = tuple[int, int, int, int]
"""The part of an image that a tile shows: x1 y1 x2 y2, pixels, the right and the lower edge outside."""

Array = NDArray[Any]

AGREE = 0.5
"""Two parts may be one object where they share this much of the smaller one, of what lies where both tiles see."""

NEAR = 64
"""An object that comes closer to the inner border of a tile than the tile's side through this may go on behind it."""


def unite_tiles(tiles: Sequence[tuple[Window, Segmentation]], size: tuple[int, int]) -> Segmentation:
    """The objects of an image from those of its tiles, each once.

    What two tiles found is compared where both see, or along the border where they only touch. Within two tiles each
    object has one counterpart at most: pairs of one class, which share `AGREE` of the smaller, are taken by their
    intersection over union, the largest first. Parts that are connected by such pairs are one object. It has the best
    score of them. Where a tile sees it whole, clear of the tile's inner borders, it looks as there, the best scored
    view first; elsewhere it is all that any tile saw of it, so that objects may be larger than tiles. A rest at the
    border of a tile, no further from it than half of the overlap, is left to the neighbour, which sees it with more
    around it: it is dropped.

    Args:
        tiles: where each lies, and its objects, as `masks` of the size of the tile.
        size: height and width of the image, pixels.

    Returns:
        The objects, the best scored first, as masks on the CPU; empty ones are left out.
    """
    found = [one.to("cpu").select(one.areas().cpu() > 0) for _, one in tiles]
    windows = np.array([window for window, _ in tiles])
    masks = Masks.joined([_placed(one, window, size) for one, (window, _) in zip(found, tiles, strict=True)])
    labels, scores = (torch.cat([getattr(one, name) for one in found]) for name in ("labels", "scores"))
    firsts = np.cumsum([0, *map(len, found)])
    tile = np.repeat(np.arange(len(tiles)), np.diff(firsts))
    cut = _cut(masks.boxes().numpy(), windows[tile], size)
    leaders, dropped = np.arange(len(masks)), np.zeros(len(masks), bool)
    parts = _Parts(masks, labels.numpy(), firsts, windows, cut)
    touching = (windows[:, None, :2] <= windows[:, 2:]).all(-1) & (windows[:, :2] <= windows[:, None, 2:]).all(-1)
    for i, j in np.argwhere(np.triu(touching, 1)).tolist():
        pairs, rests = parts.compared(i, j)
        dropped[rests] = True
        for n, m in pairs:
            leaders[leaders == leaders[m]] = leaders[n]
    order = np.argsort(-scores.numpy(), kind="stable")
    order = order[~dropped[order]]
    groups: dict[int, list[int]] = {}  # the best scored first, both the groups and in each
    for n in order.tolist():
        groups.setdefault(int(leaders[n]), []).append(n)
    hidden = np.zeros((len(masks), 4), np.int64)  # where each part has no say, as a better one sees the object whole
    for group in groups.values():
        whole = next((n for n in group if not cut[n]), None)
        for n in group:
            hidden[n] = hidden[n] if whole is None or n == whole else windows[tile[whole]]
    united = _without(masks, hidden).united(list(groups.values()))
    best = torch.tensor([group[0] for group in groups.values()], dtype=torch.int64)
    return Segmentation(found[0].classes, labels[best], scores[best], masks=united)


class _Parts:
    """All parts of all tiles, on the image.

    Args:
        masks: N of them, tile by tile.
        labels: (N,).
        firsts: (T + 1,) where those of each tile begin.
        windows: (T, 4).
        cut: (N,) whether it may go on behind a border of its tile.
    """

    def __init__(self, masks: Masks, labels: Array, firsts: Array, windows: Array, cut: Array) -> None:
        self.labels, self.firsts, self.windows, self.cut = labels, firsts, windows, cut
        self.stride = masks.size[0] + 2  # between columns, so that runs of two of them never touch
        self.size, self.boxes = np.array(masks.size[::-1]), masks.boxes().numpy()
        self.table = masks.runs.numpy().astype(np.int64)
        self.starts = np.searchsorted(self.table[:, 0], firsts)

    def compared(self, i: int, j: int) -> tuple[list[tuple[int, int]], list[int]]:
        """The pairs of parts of two tiles that are one object each, and the rests that one leaves to the other."""
        one, other = self.windows[i], self.windows[j]
        step = np.where(one[2:] == other[:2], 1, 0) - np.where(one[:2] == other[2:], 1, 0)  # tiles that only touch
        zone = np.concatenate([np.maximum(one[:2] + step, other[:2]), np.minimum(one[2:] + step, other[2:])])
        if step.all() or (zone[:2] >= zone[2:]).any():
            return [], []
        depth = max(int((zone[2:] - zone[:2]).min()) // 2, *_nearness(self.windows[[i, j]]).ravel().tolist())
        rests = self._at_border(i, other, depth) + self._at_border(j, one, depth)
        here, there = self._seen(i, zone, step), self._seen(j, zone, 0 * step)
        found = []
        for n, m in self._near(*(np.array([n for n in seen if len(seen[n][0])], np.int64) for seen in (here, there))):
            shared = _shared(here[n], there[m])
            areas = [int((ends - begins).sum()) for begins, ends in (here[n], there[m])]
            if shared >= AGREE * min(areas):
                found.append((shared / (sum(areas) - shared), n, m))
        pairs, taken = [], set(rests)
        for _, n, m in sorted(found, key=lambda pair: (-pair[0], *pair[1:])):
            if not {n, m} & taken:
                pairs.append((n, m))
                taken |= {n, m}
        return pairs, rests

    def _at_border(self, tile: int, other: Array, depth: int) -> list[int]:
        """The parts that a tile cuts and another one sees at least `depth` pixels clear of its own inner borders."""
        inner = np.where(other[:2] > 0, depth, 0), np.where(other[2:] < self.size, depth, 0)
        parts = slice(self.firsts[tile], self.firsts[tile + 1])
        boxes = self.boxes[parts]
        clear = (boxes[:, :2] >= other[:2] + inner[0]).all(1) & (boxes[:, 2:] <= other[2:] - inner[1]).all(1)
        return list((self.firsts[tile] + np.flatnonzero(clear & self.cut[parts])).tolist())

    def _seen(self, tile: int, zone: Array, step: Array) -> dict[int, tuple[Array, Array]]:
        """Where the runs of each part of a tile begin and end, column after column, in the zone after the step."""
        part, column, first, end = self.table[self.starts[tile] : self.starts[tile + 1]].T
        column = column + step[0]
        first, end = np.maximum(first + step[1], zone[1]), np.minimum(end + step[1], zone[3])
        kept = (column >= zone[0]) & (column < zone[2]) & (first < end)
        place = column[kept] * self.stride
        begins, ends = place + first[kept], place + end[kept]
        numbers = range(self.firsts[tile], self.firsts[tile + 1])
        bounds = np.searchsorted(part[kept], [*numbers, self.firsts[tile + 1]])
        spans = zip(numbers, bounds, bounds[1:], strict=False)
        return {n: (begins[low:high], ends[low:high]) for n, low, high in spans}

    def _near(self, here: Array, there: Array) -> Iterator[tuple[int, int]]:
        """Pairs of one class, of a part here and a part there, whose boxes overlap or touch."""
        one, other = self.boxes[here, None], self.boxes[None, there]
        near = self.labels[here, None] == self.labels[None, there]
        for k in range(2):
            near &= (one[..., k] <= other[..., k + 2]) & (other[..., k] <= one[..., k + 2])
        rows, columns = near.nonzero()
        return zip(here[rows].tolist(), there[columns].tolist(), strict=True)


def _placed(found: Segmentation, window: Window, size: tuple[int, int]) -> Masks:
    """The masks of a tile on the whole image."""
    masks = found.as_masks()
    x, y = window[:2]
    return Masks(size, len(masks), masks.runs + torch.tensor([0, x, y, y], dtype=torch.int32))


def _cut(boxes: Array, windows: Array, size: tuple[int, int]) -> Array:
    """(N,) whether a part comes near a border of its tile that is none of the image."""
    near = _nearness(windows)
    before = (windows[:, :2] > 0) & (boxes[:, :2] < windows[:, :2] + near)
    behind = (windows[:, 2:] < (size[1], size[0])) & (boxes[:, 2:] > windows[:, 2:] - near)
    return np.asarray((before | behind).any(1))


def _nearness(windows: Array) -> Array:
    """(N, 2): how near to an inner border of a tile an object may go on behind it, across and down."""
    return np.asarray(np.maximum((windows[:, 2:] - windows[:, :2]) // NEAR, 1))


def _shared(one: tuple[Array, Array], other: tuple[Array, Array]) -> int:
    """The length that two sets of intervals share, each of them ascending and apart, the other not empty."""
    begins, ends = other
    lengths = np.append(0, np.cumsum(ends - begins))

    def before(place: Array) -> Array:
        number = np.searchsorted(begins, place, side="right")
        beyond = np.where(number > 0, np.maximum(ends[number - 1] - place, 0), 0)
        return np.asarray(lengths[number] - beyond)

    return int((before(one[1]) - before(one[0])).sum())


def _without(masks: Masks, hidden: Array) -> Masks:
    """The masks without what of each lies in its window of `hidden`, (N, 4)."""
    table = masks.runs.numpy().astype(np.int64)
    left, top, right, bottom = hidden[table[:, 0]].T
    beside = (table[:, 1] < left) | (table[:, 1] >= right)
    above, below = table[~beside].copy(), table[~beside].copy()
    above[:, 3] = np.minimum(above[:, 3], top[~beside])
    below[:, 2] = np.maximum(below[:, 2], bottom[~beside])
    kept = np.concatenate([table[beside], above, below])
    kept = kept[kept[:, 2] < kept[:, 3]]
    kept = kept[np.lexsort((kept[:, 2], kept[:, 1], kept[:, 0]))]
    return Masks(masks.size, len(masks), torch.from_numpy(kept.astype(np.int32)))

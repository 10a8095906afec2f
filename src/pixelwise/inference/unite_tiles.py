"""Unites the objects that were predicted in overlapping tiles, each tile by itself, into those of the whole image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from ..masks import Masks
from ..segmentation import Segmentation
from ..types import Array

Window = tuple[int, int, int, int]
"""The part of an image that a tile shows: x1 y1 x2 y2, pixels, the right and the lower edge outside."""

MIN_SHARED = 0.5
"""Two parts may be one object where they share this much of the smaller one, of what lies where both tiles see."""

MARGIN_DIVISOR = 64
"""An object that comes closer to the inner border of a tile than the tile's side through this may go on behind it."""


def unite_tiles(tiles: Sequence[tuple[Window, Segmentation]], size: tuple[int, int]) -> Segmentation:
    """The objects of an image from those of its tiles, each once.

    The detections of two tiles are compared where both tiles see the image, or along the border where they only touch.
    Within two tiles each object has one counterpart at most: pairs of one class, which share `MIN_SHARED` of the
    smaller, are matched by their intersection over union, the largest first. Parts that are connected by such pairs are
    one object. It has the best score of them. Where a tile sees it whole, clear of the tile's inner borders, it has the
    pixels of that part, the best scored first; elsewhere it has all pixels of all its parts, so that objects may be
    larger than tiles. A fragment at the border of a tile, no further from it than half of the overlap, is dropped: the
    neighbour sees it with more around it.

    Args:
        tiles: where each lies, and its objects, as `masks` of the size of the tile.
        size: height and width of the image, pixels.

    Returns:
        The objects, the best scored first, as masks on the CPU; empty ones are left out.
    """
    detections = [one.to("cpu").select(one.areas().cpu() > 0) for _, one in tiles]
    windows = np.array([window for window, _ in tiles])
    masks = Masks.joined([_placed(one, window, size) for one, window in zip(detections, windows.tolist(), strict=True)])
    labels = torch.cat([one.labels for one in detections])
    scores = torch.cat([one.scores for one in detections])
    firsts = np.cumsum([0, *map(len, detections)])
    tile = np.repeat(np.arange(len(tiles)), np.diff(firsts))
    cut = _cut_by_tiles(masks.boxes().numpy(), windows[tile], size)

    parts = _Parts(masks, labels.numpy(), firsts, windows, cut)
    leaders, dropped = _connected(parts, len(masks))
    groups = _groups(leaders, dropped, scores.numpy())
    hidden = _hidden_windows(groups, cut, windows[tile])
    united = _without(masks, hidden).united(groups)
    best = torch.tensor([group[0] for group in groups], dtype=torch.int64)
    return Segmentation(detections[0].classes, labels[best], scores[best], masks=united)


def _connected(parts: _Parts, number: int) -> tuple[Array, Array]:
    """For each of the parts the part that stands for its object, and whether it is dropped; (N,) each."""
    leaders = np.arange(number)
    dropped = np.zeros(number, bool)
    for i, j in _touching(parts.windows):
        pairs, fragments = parts.compared(i, j)
        dropped[fragments] = True
        for n, m in pairs:
            leaders[leaders == leaders[m]] = leaders[n]
    return leaders, dropped


def _touching(windows: Array) -> list[tuple[int, int]]:
    """The pairs of tiles that overlap or touch."""
    ends_right_of_start = (windows[:, None, :2] <= windows[:, 2:]).all(-1)
    starts_left_of_end = (windows[:, :2] <= windows[:, None, 2:]).all(-1)
    pairs = np.argwhere(np.triu(ends_right_of_start & starts_left_of_end, 1))
    return [(i, j) for i, j in pairs.tolist()]


def _groups(leaders: Array, dropped: Array, scores: Array) -> list[list[int]]:
    """The parts of each object; the best scored first, both among the objects and among the parts of each."""
    groups: dict[int, list[int]] = {}
    for n in np.argsort(-scores, kind="stable").tolist():
        if not dropped[n]:
            groups.setdefault(int(leaders[n]), []).append(n)
    return list(groups.values())


def _hidden_windows(groups: Sequence[Sequence[int]], cut: Array, windows: Array) -> Array:
    """(N, 4): the window in which a part has no say, as a better part shows the object whole there; empty for most."""
    hidden = np.zeros((len(cut), 4), np.int64)
    for group in groups:
        whole = next((n for n in group if not cut[n]), None)
        if whole is None:
            continue
        for n in group:
            if n != whole:
                hidden[n] = windows[whole]
    return hidden


class _Runs(NamedTuple):
    """The runs of a mask as intervals on one line, column after column, ascending and disjoint."""

    begins: Array
    ends: Array

    @property
    def area(self) -> int:
        return int((self.ends - self.begins).sum())


class _Parts:
    """All detections of all tiles, on the image.

    Args:
        masks: N of them, tile by tile.
        labels: (N,).
        firsts: (T + 1,) where those of each tile begin.
        windows: (T, 4).
        cut: (N,) whether a part may go on behind a border of its tile.
    """

    def __init__(self, masks: Masks, labels: Array, firsts: Array, windows: Array, cut: Array) -> None:
        self.labels, self.firsts, self.windows, self.cut = labels, firsts, windows, cut
        # Two more than the height, so that runs of two columns never touch on the line of `_Runs`.
        self.stride = masks.size[0] + 2
        self.size = np.array(masks.size[::-1])
        self.boxes = masks.boxes().numpy()
        self.table = masks.runs.numpy().astype(np.int64)
        self.starts = np.searchsorted(self.table[:, 0], firsts)

    def compared(self, i: int, j: int) -> tuple[list[tuple[int, int]], list[int]]:
        """The pairs of parts of two tiles that are one object each, and the fragments that one leaves to the other."""
        one, other = self.windows[i], self.windows[j]
        # Tiles that only touch have no common pixels: the parts of one are moved by a pixel towards the other.
        step = (one[2:] == other[:2]).astype(np.int64) - (one[:2] == other[2:]).astype(np.int64)
        top_left = np.maximum(one[:2] + step, other[:2])
        bottom_right = np.minimum(one[2:] + step, other[2:])
        if step.all() or (top_left >= bottom_right).any():
            return [], []
        zone = np.concatenate([top_left, bottom_right])
        half_overlap = int((bottom_right - top_left).min()) // 2
        depth = max(half_overlap, int(_margins(self.windows[[i, j]]).max()))
        fragments = self._fragments(i, other, depth) + self._fragments(j, one, depth)
        pairs = self._matched(self._runs_in(i, zone, step), self._runs_in(j, zone, 0 * step), fragments)
        return pairs, fragments

    def _matched(self, here: dict[int, _Runs], there: dict[int, _Runs], taken: list[int]) -> list[tuple[int, int]]:
        """Pairs of a part here and a part there, by descending intersection over union, each part once."""
        candidates = []
        for n, m in self._near(_not_empty(here), _not_empty(there)):
            shared = _shared(here[n], there[m])
            areas = here[n].area, there[m].area
            if shared >= MIN_SHARED * min(areas):
                candidates.append((-shared / (sum(areas) - shared), n, m))
        pairs = []
        matched = set(taken)
        for _, n, m in sorted(candidates):
            if n not in matched and m not in matched:
                pairs.append((n, m))
                matched |= {n, m}
        return pairs

    def _fragments(self, tile: int, other: Array, depth: int) -> list[int]:
        """The parts that a tile cuts and another one sees at least `depth` pixels clear of its own inner borders."""
        top_left = other[:2] + np.where(other[:2] > 0, depth, 0)
        bottom_right = other[2:] - np.where(other[2:] < self.size, depth, 0)
        parts = slice(self.firsts[tile], self.firsts[tile + 1])
        boxes = self.boxes[parts]
        clear = (boxes[:, :2] >= top_left).all(1) & (boxes[:, 2:] <= bottom_right).all(1)
        numbers = self.firsts[tile] + np.flatnonzero(clear & self.cut[parts])
        return list(numbers.tolist())

    def _runs_in(self, tile: int, zone: Array, step: Array) -> dict[int, _Runs]:
        """The runs of each part of a tile, moved by `step`, as far as they lie in the zone."""
        part, column, first, end = self.table[self.starts[tile] : self.starts[tile + 1]].T
        column = column + step[0]
        first = np.maximum(first + step[1], zone[1])
        end = np.minimum(end + step[1], zone[3])
        kept = (column >= zone[0]) & (column < zone[2]) & (first < end)
        place = column[kept] * self.stride
        begins, ends = place + first[kept], place + end[kept]
        numbers = range(self.firsts[tile], self.firsts[tile + 1])
        bounds = np.searchsorted(part[kept], [*numbers, self.firsts[tile + 1]])
        runs = {}
        for n, low, high in zip(numbers, bounds, bounds[1:], strict=False):
            runs[n] = _Runs(begins[low:high], ends[low:high])
        return runs

    def _near(self, here: Array, there: Array) -> Iterator[tuple[int, int]]:
        """Pairs of one class, of a part here and a part there, whose boxes overlap or touch."""
        one, other = self.boxes[here, None], self.boxes[None, there]
        near = self.labels[here, None] == self.labels[None, there]
        for k in range(2):
            near &= (one[..., k] <= other[..., k + 2]) & (other[..., k] <= one[..., k + 2])
        rows, columns = near.nonzero()
        return zip(here[rows].tolist(), there[columns].tolist(), strict=True)


def _not_empty(runs: dict[int, _Runs]) -> Array:
    return np.array([n for n, one in runs.items() if len(one.begins)], np.int64)


def _placed(detections: Segmentation, window: Sequence[int], size: tuple[int, int]) -> Masks:
    """The masks of a tile on the whole image."""
    masks = detections.as_masks()
    x, y = window[:2]
    return Masks(size, len(masks), masks.runs + torch.tensor([0, x, y, y], dtype=torch.int32))


def _cut_by_tiles(boxes: Array, windows: Array, size: tuple[int, int]) -> Array:
    """(N,) whether a part comes near a border of its tile that is not a border of the image."""
    margins = _margins(windows)
    before = (windows[:, :2] > 0) & (boxes[:, :2] < windows[:, :2] + margins)
    behind = (windows[:, 2:] < (size[1], size[0])) & (boxes[:, 2:] > windows[:, 2:] - margins)
    return np.asarray((before | behind).any(1))


def _margins(windows: Array) -> Array:
    """(N, 2): how near to an inner border of a tile an object may go on behind it, across and down, pixels."""
    return np.asarray(np.maximum((windows[:, 2:] - windows[:, :2]) // MARGIN_DIVISOR, 1))


def _shared(one: _Runs, other: _Runs) -> int:
    """The number of pixels that two masks share; `other` is not empty."""
    # Pixels of `other` before each of its runs: the pixels before any place follow by one search.
    before_run = np.append(0, np.cumsum(other.ends - other.begins))

    def pixels_before(place: Array) -> Array:
        number = np.searchsorted(other.begins, place, side="right")
        beyond = np.where(number > 0, np.maximum(other.ends[number - 1] - place, 0), 0)
        return np.asarray(before_run[number] - beyond)

    return int((pixels_before(one.ends) - pixels_before(one.begins)).sum())


def _without(masks: Masks, hidden: Array) -> Masks:
    """The masks without the pixels of each that lie in its window of `hidden`, (N, 4)."""
    table = masks.runs.numpy().astype(np.int64)
    left, top, right, bottom = hidden[table[:, 0]].T
    beside = (table[:, 1] < left) | (table[:, 1] >= right)
    # A run in the columns of the window is cut in two: what lies above the window, and what lies below it.
    above, below = table[~beside].copy(), table[~beside].copy()
    above[:, 3] = np.minimum(above[:, 3], top[~beside])
    below[:, 2] = np.maximum(below[:, 2], bottom[~beside])
    kept = np.concatenate([table[beside], above, below])
    kept = kept[kept[:, 2] < kept[:, 3]]
    kept = kept[np.lexsort((kept[:, 2], kept[:, 1], kept[:, 0]))]
    return Masks(masks.size, len(masks), torch.from_numpy(kept.astype(np.int32)))

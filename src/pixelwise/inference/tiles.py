"""Large images in overlapping tiles, blended without seams, a band of rows at a time so that memory stays small."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..ops.resize import resize

PART = 256
"""Rows of the maps of an image of one tile that are finished at once."""

Bands = Iterator[Tensor]  # each (C, h, W): the rows of a map from top to bottom, in pieces


@dataclass(frozen=True)
class Tiling:
    """A grid of equal square tiles over an image.

    Attributes:
        side: of a tile, pixels.
        overlap: of neighbours, as a share of the side, 0 ≤ overlap < 1.
        multiple: tiles start and measure a multiple of this many pixels, so that a model's poolings fall on the same
            pixels as in the whole image.
    """

    side: int
    overlap: float
    multiple: int = 1

    def __post_init__(self) -> None:
        if self.side < 1:
            raise ValueError(f"tile is {self.side}: it is the side of a tile in pixels, 1 or more")
        if not 0 <= self.overlap < 1:
            raise ValueError(f"overlap is {self.overlap}: it is a share of the tile's side, from 0 to below 1")
        object.__setattr__(self, "side", math.ceil(self.side / self.multiple) * self.multiple)

    @property
    def step(self) -> int:
        """From one tile to the next, pixels."""
        return max(int(self.side * (1 - self.overlap)) // self.multiple, 1) * self.multiple

    def starts(self, length: int) -> list[int]:
        """Where tiles start along a side of this length, evenly; the last one ends where the image does, about."""
        last = max(0, math.ceil((length - self.side) / self.multiple))
        steps = math.ceil(last * self.multiple / self.step)
        return [last * n // max(steps, 1) * self.multiple for n in range(steps + 1)]

    def windows(self, height: int, width: int) -> list[tuple[int, int, int, int]]:
        """Of each tile over an image of this size, row by row: x1 y1 x2 y2, the right and the lower edge outside."""
        return [
            (x, y, min(x + self.side, width), min(y + self.side, height))
            for y in self.starts(height)
            for x in self.starts(width)
        ]

    def weights(self, length: int) -> list[Tensor]:
        """For each tile along a side of this length the weight of each of its pixels; at each place they sum to one.

        Along the 3/8 of an overlap next to a tile's edge, where the model sees least around it, a tile has no say at
        all; then its weight rises as half a cosine wave. Nothing of it at the borders of the image.
        """
        overlap, starts = self.side - self.step, self.starts(length)
        place = torch.arange(self.side, dtype=torch.float64) + 0.5
        ramp = 0.5 - 0.5 * ((place - 0.375 * overlap) / max(0.25 * overlap, 1)).clamp(0, 1).mul(math.pi).cos()
        ramp = ramp if overlap else torch.ones_like(ramp)
        total = torch.zeros(length, dtype=torch.float64)
        weights = []
        for start in starts:
            size = min(self.side, length - start)
            weight = torch.ones(size, dtype=torch.float64)
            if start > 0:
                weight *= ramp[:size]
            if start != starts[-1]:
                weight *= ramp.flip(0)
            total[start : start + size] += weight
            weights.append(weight)
        return [
            (weight / total[start : start + len(weight)]).float() for start, weight in zip(starts, weights, strict=True)
        ]


def blended(
    compute: Callable[[slice, slice], Tensor],
    size: tuple[int, int],
    tiling: Tiling,
    finish: Callable[[Tensor], Tensor] = lambda maps: maps,
) -> Bands:
    """The maps of a whole image from those of its tiles.

    Args:
        compute: (rows, columns) → (C, h, w) float32, the maps of that tile.
        size: height and width of the image, pixels.
        tiling: where the tiles lie.
        finish: (C, h, w) → (D, h, w), pixel by pixel: what is wanted of the maps. It is applied to each block as soon
            as no other tile adds to it, so that of all C maps only the rows where two tiles overlap are kept.

    Yields:
        (D, n, W): the next n rows, from top to bottom; n is no more than the side of a tile.
    """
    height, width = size
    tops, lefts = tiling.starts(height), tiling.starts(width)
    down, across = tiling.weights(height), tiling.weights(width)
    overlaps = [top + len(weight) - end for top, weight, end in zip(tops, down, [*tops[1:], height], strict=True)]
    kept: Tensor | None = None  # (C, h, W): its first `above` rows are those that this row of tiles adds to
    above = 0
    for top, below, vertical in zip(tops, overlaps, down, strict=True):
        rows = len(vertical) - below
        aside: Tensor | None = None  # (C, h, w): columns that the next tile adds to
        band: Tensor | None = None
        for left, stop, horizontal in zip(lefts, [*lefts[1:], width], across, strict=True):
            maps = compute(slice(top, top + len(vertical)), slice(left, left + len(horizontal)))
            if len(tops) == len(lefts) == 1:
                yield from (finish(part) for part in maps.split(PART, 1))
                return
            maps = maps * (vertical.to(maps.device)[:, None] * horizontal.to(maps.device))
            if aside is not None:
                maps[:, :, : aside.shape[2]] += aside
            aside, maps = maps[:, :, stop - left :].clone(), maps[:, :, : stop - left]
            if kept is None:
                kept = maps.new_empty(len(maps), max(overlaps), width)
            maps[:, :above] += kept[:, :above, left:stop]
            kept[:, :below, left:stop] = maps[:, rows:]
            done = finish(maps[:, :rows])
            if band is None:
                band = done.new_empty(len(done), rows, width)
            band[:, :, left:stop] = done
        above = below
        assert band is not None
        yield band


def resized(bands: Bands, size: tuple[int, int], target: tuple[int, int], rows: int) -> Bands:
    """Bands of (C, h, w) maps, resized bilinearly to `target`, as `ops.resize.resize` does with the whole.

    Yields:
        At most `rows` rows at a time.
    """
    if size == target:
        yield from bands
        return
    row = ((torch.arange(target[0], dtype=torch.float64) + 0.5) * (size[0] / target[0]) - 0.5).clamp(min=0)
    above = row.long().clamp(max=size[0] - 1)
    below = (above + 1).clamp(max=size[0] - 1)
    first, done, kept = 0, 0, None  # the first row that is kept, and how many rows of the target are done
    most = max(1, rows * size[0] // target[0])
    for part in (part for band in bands for part in band.split(most, 1)):
        wide = resize(part[None], (part.shape[1], target[1]))[0]
        kept = wide if kept is None else torch.cat([kept, wide], 1)
        end = int((below < first + kept.shape[1]).sum())
        for start in range(done, end, rows):
            part = slice(start, min(start + rows, end))
            upper, lower = ((index[part] - first).to(kept.device) for index in (above, below))
            yield torch.lerp(kept[:, upper], kept[:, lower], (row - above)[part, None].to(kept))
        unused = (int(above[end]) if end < target[0] else first + kept.shape[1]) - first
        first, done, kept = first + min(unused, kept.shape[1]), end, kept[:, unused:].clone()


def regrouped(bands: Bands, rows: int) -> Bands:
    """The same rows in bands of `rows` rows; the last may have fewer."""
    pieces: list[Tensor] = []
    wanted = rows
    for band in bands:
        while band.shape[1]:
            pieces.append(band[:, :wanted])
            band, wanted = band[:, wanted:], wanted - pieces[-1].shape[1]
            if not wanted:
                yield torch.cat(pieces, 1)
                pieces, wanted = [], rows
        del band
        pieces = [piece.clone() for piece in pieces]  # views would keep the whole band in memory
    if pieces:
        yield torch.cat(pieces, 1)

"""Cuts large images into overlapping tiles and blends their maps without seams, in bands of rows to save memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..ops.resize import resize

ROWS_OF_ONE_TILE = 256
"""Rows that are finished at once where a single tile covers the whole image."""

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
        """Distance from one tile to the next, pixels."""
        return max(int(self.side * (1 - self.overlap)) // self.multiple, 1) * self.multiple

    def starts(self, length: int) -> list[int]:
        """The first pixel of each tile along a side of this length, evenly spaced; the last tile ends at the border."""
        last = max(0, math.ceil((length - self.side) / self.multiple))
        steps = math.ceil(last * self.multiple / self.step)
        return [last * n // max(steps, 1) * self.multiple for n in range(steps + 1)]

    def windows(self, height: int, width: int) -> list[tuple[int, int, int, int]]:
        """The tiles over an image of this size, row by row: x1 y1 x2 y2, the right and the lower edge outside."""
        windows = []
        for top in self.starts(height):
            for left in self.starts(width):
                windows.append((left, top, min(left + self.side, width), min(top + self.side, height)))
        return windows

    def weights(self, length: int) -> list[Tensor]:
        """The weight of each pixel of each tile along a side of this length; at each place they sum to one.

        Along the 3/8 of an overlap next to a tile's edge, where the model sees least around it, a tile has the weight
        zero; then its weight rises as half a cosine wave. At the borders of the image the weight does not fall.
        """
        overlap, starts = self.side - self.step, self.starts(length)
        place = torch.arange(self.side, dtype=torch.float64) + 0.5
        if overlap:
            rise = ((place - 0.375 * overlap) / max(0.25 * overlap, 1)).clamp(0, 1)
            ramp = 0.5 - 0.5 * rise.mul(math.pi).cos()
        else:
            ramp = torch.ones_like(place)
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
        shares = []
        for start, weight in zip(starts, weights, strict=True):
            shares.append((weight / total[start : start + len(weight)]).float())
        return shares


class _Axis(NamedTuple):
    """The tiles along one side of an image.

    Attributes:
        starts: the first pixel of each tile.
        stops: where the next tile starts; for the last one, the end of the image.
        weights: of the pixels of each tile.
    """

    starts: list[int]
    stops: list[int]
    weights: list[Tensor]

    @classmethod
    def of(cls, tiling: Tiling, length: int) -> _Axis:
        starts = tiling.starts(length)
        return cls(starts, [*starts[1:], length], tiling.weights(length))


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
        tiling: the grid of tiles.
        finish: (C, h, w) → (D, h, w), pixel by pixel: what is wanted of the maps. It is applied to each block as soon
            as no other tile adds to it, so that of all C maps only the rows where two tiles overlap are kept.

    Yields:
        (D, n, W): the next n rows, from top to bottom; n is no more than the side of a tile.
    """
    height, width = size
    down, across = _Axis.of(tiling, height), _Axis.of(tiling, width)
    if len(down.starts) == len(across.starts) == 1:
        maps = compute(slice(0, height), slice(0, width))
        yield from (finish(rows) for rows in maps.split(ROWS_OF_ONE_TILE, 1))
        return
    most_below = max(start + len(weight) - stop for start, stop, weight in zip(*down, strict=True))
    kept: Tensor | None = None  # (C, most_below, W): rows to which the next row of tiles adds
    above = 0  # how many rows of `kept` the row of tiles before has filled
    for top, bottom, vertical in zip(*down, strict=True):
        rows = bottom - top
        below = len(vertical) - rows
        aside: Tensor | None = None  # (C, h, w): columns to which the next tile of this row adds
        band: Tensor | None = None
        for left, right, horizontal in zip(*across, strict=True):
            maps = compute(slice(top, top + len(vertical)), slice(left, left + len(horizontal)))
            maps = maps * (vertical.to(maps.device)[:, None] * horizontal.to(maps.device))
            if aside is not None:
                maps[:, :, : aside.shape[2]] += aside
            aside = maps[:, :, right - left :].clone()
            maps = maps[:, :, : right - left]
            if kept is None:
                kept = maps.new_empty(len(maps), most_below, width)
            maps[:, :above] += kept[:, :above, left:right]
            kept[:, :below, left:right] = maps[:, rows:]
            done = finish(maps[:, :rows])
            if band is None:
                band = done.new_empty(len(done), rows, width)
            band[:, :, left:right] = done
        above = below
        assert band is not None
        yield band


def resized(bands: Bands, size: tuple[int, int], target: tuple[int, int], rows: int) -> Bands:
    """Resizes (C, h, w) maps bilinearly to `target` band by band, as `ops.resize.resize` does with the whole.

    Yields:
        At most `rows` rows at a time.
    """
    if size == target:
        yield from bands
        return
    height, width = target
    # Row r of the target lies between the rows `above[r]` and `below[r]` of the maps.
    place = ((torch.arange(height, dtype=torch.float64) + 0.5) * (size[0] / height) - 0.5).clamp(min=0)
    above = place.long().clamp(max=size[0] - 1)
    below = (above + 1).clamp(max=size[0] - 1)
    kept: Tensor | None = None  # rows of the maps, at the width of the target, that are still needed
    first = 0  # the number of the first of them
    done = 0  # how many rows of the target are finished
    for part in _pieces(bands, max(1, rows * size[0] // height)):
        wide = resize(part[None], (part.shape[1], width))[0]
        kept = wide if kept is None else torch.cat([kept, wide], 1)
        end = int((below < first + kept.shape[1]).sum())
        for start in range(done, end, rows):
            target_rows = slice(start, min(start + rows, end))
            upper = kept[:, (above[target_rows] - first).to(kept.device)]
            lower = kept[:, (below[target_rows] - first).to(kept.device)]
            yield torch.lerp(upper, lower, (place - above)[target_rows, None].to(kept))
        done = end
        unused = kept.shape[1]
        if end < height:
            unused = min(int(above[end]) - first, unused)
        kept = kept[:, unused:].clone()
        first += unused


def _pieces(bands: Bands, rows: int) -> Bands:
    """Cuts bands into pieces of at most `rows` rows."""
    for band in bands:
        yield from band.split(rows, 1)


def regrouped(bands: Bands, rows: int) -> Bands:
    """Groups the same rows into bands of `rows` rows; the last one may have fewer."""
    pieces: list[Tensor] = []
    missing = rows
    for band in bands:
        while band.shape[1]:
            pieces.append(band[:, :missing])
            band, missing = band[:, missing:], missing - pieces[-1].shape[1]
            if not missing:
                yield torch.cat(pieces, 1)
                pieces, missing = [], rows
        del band
        pieces = [piece.clone() for piece in pieces]  # views would keep the whole band in memory
    if pieces:
        yield torch.cat(pieces, 1)

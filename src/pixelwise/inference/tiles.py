"""Large pictures in overlapping tiles, blended without seams, a band of rows at a time so that memory stays small."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..ops.resize import resize

Bands = Iterator[Tensor]  # each (C, h, W): the rows of a map from top to bottom, in pieces


@dataclass(frozen=True)
class Tiling:
    """A grid of equal square tiles over a picture.

    Attributes:
        side: of a tile, pixels.
        overlap: of neighbours, as a share of the side, 0 ≤ overlap < 1.
        multiple: tiles start and measure a multiple of this many pixels, so that a model's poolings fall on the same
            pixels as in the whole picture.
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
        """Where tiles start along a side of this length; the last one ends where the picture does, about."""
        last = max(0, math.ceil((length - self.side) / self.multiple) * self.multiple)
        return [*range(0, last, self.step), last]

    def weights(self, length: int) -> list[Tensor]:
        """For each tile along a side of this length the weight of each of its pixels; at each place they sum to one.

        Along the 3/8 of an overlap next to a tile's edge, where the model sees least around it, a tile has no say at
        all; then its weight rises as half a cosine wave. Nothing of it at the borders of the picture.
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


def blended(compute: Callable[[slice, slice], Tensor], size: tuple[int, int], tiling: Tiling) -> Bands:
    """The maps of a whole picture from those of its tiles.

    Args:
        compute: (rows, columns) → (C, h, w) float32, the maps of that tile.
        size: height and width of the picture, pixels.
        tiling: where the tiles lie.

    Yields:
        (C, n, W) float32: the next n rows, from top to bottom. No more than a row of tiles is kept.
    """
    height, width = size
    tops, lefts = tiling.starts(height), tiling.starts(width)
    down, across = tiling.weights(height), tiling.weights(width)
    if len(tops) == len(lefts) == 1:
        yield compute(slice(0, height), slice(0, width))
        return
    kept: Tensor | None = None  # (C, h, W): rows that the next row of tiles still adds to
    for top, end, vertical in zip(tops, [*tops[1:], height], down, strict=True):
        band: Tensor | None = None
        for left, horizontal in zip(lefts, across, strict=True):
            maps = compute(slice(top, top + len(vertical)), slice(left, left + len(horizontal)))
            if band is None:
                band = maps.new_zeros(len(maps), len(vertical), width)
            weights = vertical.to(maps.device)[:, None] * horizontal.to(maps.device)
            band[:, :, left : left + len(horizontal)].addcmul_(maps, weights)
            del maps
        assert band is not None
        if kept is not None:
            band[:, : kept.shape[1]] += kept
        yield band[:, : end - top]
        kept = band[:, end - top :].clone()  # a view would keep the whole band in memory


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
    for band in bands:
        wide = resize(band[None], (band.shape[1], target[1]))[0]
        del band
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

"""Masks of one image that may overlap, kept as runs of pixels: memory grows with outlines, not with areas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .runs import Array, Size, cancelled, edges_of, filled, from_lengths, outlined, span, stacked

Crop = tuple[Tensor, tuple[int, int]]
"""A part of an image, (h, w) bool, and the column and the row of its upper left pixel."""


@dataclass(frozen=True, eq=False)
class Masks:
    """N masks of one image: `masks[n]` is one of them at full size, `masks.crop(n)` no more than where it lies.

    Attributes:
        size: height and width of the image, pixels.
        number: N; any of the masks may be empty.
        runs: (R, 4) int32, the runs of pixels down the columns: mask, column, first row, and the row after the last;
            sorted, and each as long as can be. That is 16 bytes for each column of an object without holes.

    Raises:
        TypeError: for runs of another dtype.
        ValueError: for runs that are no such table, leave the image, touch each other or are not sorted.
    """

    size: Size
    number: int
    runs: Tensor

    def __post_init__(self) -> None:
        if self.runs.dtype != torch.int32 or self.runs.ndim != 2 or self.runs.shape[1] != 4:
            raise TypeError(f"runs are (R, 4) int32, not {tuple(self.runs.shape)} of {self.runs.dtype}")
        mask, column, first, end = self._table.T.astype(np.int64)
        height, width = self.size
        inside = (mask >= 0) & (mask < self.number) & (column >= 0) & (column < width) & (first >= 0) & (end <= height)
        place = (mask * width + column) * (height + 1)
        if not inside.all() or not (np.diff(np.stack([place + first, place + end], 1).ravel()) > 0).all():
            raise ValueError(
                f"the runs of {self.number} masks of {width}x{height} pixels must lie inside, be sorted by mask, "
                "column and row, and not touch each other"
            )

    @classmethod
    def from_dense(cls, masks: Tensor) -> Masks:
        """(N, H, W) bool → masks on the same device."""
        return cls.from_crops(((mask, (0, 0)) for mask in masks), (masks.shape[1], masks.shape[2]), masks.device)

    @classmethod
    def from_crops(cls, crops: Iterable[Crop], size: Size, device: torch.device | str = "cpu") -> Masks:
        """One mask for each part of the image that is given; there is nothing outside of it.

        Args:
            crops: each (h, w) bool, inside the image, and the column and the row of its upper left pixel.
            size: height and width of the image, pixels.
            device: where the masks are to be.
        """
        found = [outlined(crop.cpu().numpy(), x, y) for crop, (x, y) in crops]
        return cls(size, len(found), stacked(found).to(device))

    @classmethod
    def from_ids(cls, ids: Iterable[Tensor], number: int, size: Size) -> Masks:
        """Masks from one or several planes, each (H, W) int32 and n + 1 where mask n lies, as `planes` gives them."""
        tables, device = [np.empty((4, 0), np.int64)], torch.device("cpu")
        for plane in ids:
            device = plane.device
            row, column = edges_of(values := plane.cpu().numpy())
            value = values[np.minimum(row, len(values) - 1), column] * (row < len(values))
            begins = np.flatnonzero(value)
            tables.append(np.stack([value[begins] - 1, column[begins], row[begins], row[begins + 1]]))
        table = np.concatenate(tables, 1)
        table = table[:, np.argsort(table[0], kind="stable")]  # no mask lies in two planes
        return cls(size, number, torch.from_numpy(table.T.astype(np.int32)).to(device))

    @classmethod
    def from_lengths(cls, lengths: Iterable[Sequence[int]], size: Size) -> Masks:
        """Masks from run lengths as COCO has them: of zeros, ones, zeros, … down the columns of the whole image.

        Raises:
            ValueError: a length is no whole number or negative, or together they are not the pixels of the image.
        """
        found = [from_lengths(runs, *size) for runs in lengths]
        return cls(size, len(found), stacked(found))

    @classmethod
    def joined(cls, parts: Sequence[Masks]) -> Masks:
        """All masks of several, one after the other; they have one size and one device."""
        first, tables = 0, []
        for part in parts:
            tables.append(part.runs + part.runs.new_tensor([first, 0, 0, 0]))
            first += len(part)
        return cls(parts[0].size, first, torch.cat(tables))

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, n: int) -> Tensor:
        """(H, W) bool: mask n, at the full size of the image."""
        if not 0 <= n < self.number:
            raise IndexError(f"there is no mask {n}: there are {self.number}, counted from 0")
        mask = torch.zeros(self.size, dtype=torch.bool, device=self.runs.device)
        below, crop = self._below(n, mask)
        below.copy_(crop)
        return mask

    def __iter__(self) -> Iterator[Tensor]:
        return (self[n] for n in range(self.number))

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same pixels."""
        if not isinstance(other, Masks):
            return NotImplemented
        return (self.size, self.number) == (other.size, other.number) and torch.equal(self.runs, other.runs)

    __hash__ = None  # type: ignore[assignment]

    def crop(self, n: int, margin: int = 0) -> Crop:
        """(h, w) bool: mask n in its box and `margin` pixels around that, inside the image; and where that begins.

        Of an empty mask there is no pixel: (0, 0).
        """
        pixels, x, y = self._pixels(n, margin)
        return torch.from_numpy(pixels).to(self.runs.device), (x, y)

    def _pixels(self, n: int, margin: int = 0) -> tuple[Array, int, int]:
        """As `crop`: the pixels, and the column and the row of the first."""
        _, column, first, end = self._table[self._starts[n] : self._starts[n + 1]].T
        if not len(column):
            return np.zeros((0, 0), bool), 0, 0
        x, y = max(0, int(column[0]) - margin), max(0, int(first.min()) - margin)
        width = min(self.size[1], int(column[-1]) + 1 + margin) - x
        height = min(self.size[0], int(end.max()) + margin) - y
        place = (column.astype(np.int64) - x) * height - y
        return filled(place + first, place + end, np.ones(len(place), bool), (height, width)), x, y

    def dense(self) -> Tensor:
        """(N, H, W) bool: every mask at the full size of the image, a byte a pixel."""
        masks = torch.from_numpy(np.zeros((self.number, *self.size), bool)).to(self.runs.device)
        for n, mask in enumerate(masks):
            below, crop = self._below(n, mask)
            below.copy_(crop)
        return masks

    def painted(self, order: Iterable[int]) -> Tensor:
        """(H, W) int32: n + 1 where mask n lies, the masks of `order` painted over each other; 0 elsewhere."""
        ids = torch.zeros(self.size, dtype=torch.int32, device=self.runs.device)
        for n in order:
            below, crop = self._below(n, ids)
            below[crop] = n + 1
        return ids

    def planes(self) -> Iterator[Tensor]:
        """Planes (H, W) int32 as few as will do, n + 1 where mask n lies, so that none covers another.

        What maps pixels to pixels maps a plane at once instead of mask by mask.
        """
        order = np.argsort(self._places[:, 0], kind="stable")
        mask, (begins, ends) = self._table[order, 0], self._places[order].T
        meets = np.zeros(self.number, bool)
        meets[mask[:-1][ends[:-1] > begins[1:]]] = True
        meets[mask[1:][begins[1:] < np.maximum.accumulate(ends)[:-1]]] = True
        alone = ~meets[mask]
        ids, left = (
            filled(begins[alone], ends[alone], mask[alone] + 1, self.size),
            np.flatnonzero(meets).tolist(),
        )
        while left or ids.any():
            covered = []
            for n in left:
                pixels, x, y = self._pixels(n)
                below = ids[y : y + pixels.shape[0], x : x + pixels.shape[1]]
                if np.logical_and(below, pixels).any():
                    covered.append(n)
                else:
                    np.copyto(below, n + 1, where=pixels)
            yield torch.from_numpy(ids).to(self.runs.device)
            ids, left = np.zeros(self.size, np.int32), covered

    def lengths(self, n: int) -> list[int]:
        """The run lengths of mask n as COCO has them: of zeros, ones, zeros, … down the columns of the whole image."""
        edges = cancelled(self._places[self._starts[n] : self._starts[n + 1]].ravel())
        lengths: list[int] = np.diff(edges, prepend=0, append=self.size[0] * self.size[1]).tolist()
        return lengths if lengths[-1] or len(lengths) == 1 else lengths[:-1]

    def areas(self) -> Tensor:
        """(N,) int64: the number of pixels of each mask."""
        areas = torch.zeros(self.number, dtype=torch.int64, device=self.runs.device)
        return areas.index_add(0, self.runs[:, 0].long(), (self.runs[:, 3] - self.runs[:, 2]).long())

    def boxes(self) -> Tensor:
        """(N, 4) int64: x1 y1 x2 y2 in pixels, the last column and row included; zeros for an empty mask."""
        mask, column, first, end = self.runs.long().T
        boxes = torch.zeros(4, self.number, dtype=torch.int64, device=self.runs.device)
        for row, values, kind in ((0, column, "amin"), (1, first, "amin"), (2, column + 1, "amax"), (3, end, "amax")):
            boxes[row].scatter_reduce_(0, mask, values, kind, include_self=False)
        return boxes.T.contiguous()

    def select(self, index: Tensor) -> Masks:
        """The masks of `index`, (K,) int64 on any device, in that order."""
        starts = torch.from_numpy(self._starts)
        index = index.cpu()
        numbers = starts[index + 1] - starts[index]
        mask = torch.repeat_interleave(torch.arange(len(index)), numbers)
        rows = torch.arange(len(mask)) + (starts[index] - numbers.cumsum(0) + numbers)[mask]
        runs = self.runs[rows.to(self.runs.device)]
        runs[:, 0] = mask.to(runs)
        return Masks(self.size, len(index), runs)

    def sampled(self, rows: Array, columns: Array) -> Masks:
        """The masks on another image, each of whose pixels takes what lies at one row and one column of this one.

        Crops, flips and scaling to the nearest pixel are such maps. Here they cost what the runs cost, not the pixels.

        Args:
            rows: (H,) the row of this image that each row of the result takes, −1 for none; those taken stand one after
                the other, all ascending or all descending.
            columns: (W,) likewise.
        """
        (top, bottom, upside), (left, right, mirrored) = span(rows), span(columns)
        above = np.searchsorted(np.sort(rows[top:bottom]), np.arange(self.size[0] + 1))
        before = np.searchsorted(np.sort(columns[left:right]), np.arange(self.size[1] + 1))
        mask, column, first, end = self._table.T
        ends = np.stack([above[first], above[end], before[column], before[column + 1]])
        mask, ends = mask[some := (ends[0] < ends[1]) & (ends[2] < ends[3])], ends[:, some]
        first, end = bottom - ends[1::-1] if upside else top + ends[:2]
        start, stop = right - ends[:1:-1] if mirrored else left + ends[2:]
        times = stop - start
        every = np.repeat(np.arange(len(times)), times)
        column = np.arange(len(every)) + (start - np.cumsum(times) + times)[every]
        return self._merged(mask[every], column, first[every], end[every], (self.number, (len(rows), len(columns))))

    def united(self, groups: Sequence[Sequence[int]]) -> Masks:
        """One mask for each group of masks: all that one of them covers."""
        parts = self.select(torch.tensor([n for group in groups for n in group], dtype=torch.int64))
        group = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        mask, column, first, end = parts._table.T
        return self._merged(group[mask], column, first, end, (len(groups), self.size))

    def padded(self, height: int, width: int) -> Masks:
        """The same on a larger image, nothing right of it and below."""
        return replace(self, size=(height, width))

    def cropped(self, height: int, width: int) -> Masks:
        """What lies in the upper left corner of that size; masks of which nothing does are empty."""
        runs = self.runs[(self.runs[:, 1] < width) & (self.runs[:, 2] < height)]
        runs[:, 3].clamp_(max=height)
        return Masks((height, width), self.number, runs)

    def to(self, device: torch.device | str) -> Masks:
        """The same on another device."""
        return replace(self, runs=self.runs.to(device))

    def _merged(self, mask: Array, column: Array, first: Array, end: Array, kept: tuple[int, Size]) -> Masks:
        """Masks of these runs in any order; those of one mask may overlap and touch. `kept`: their number and size."""
        number, (height, width) = kept
        stride = height + 1  # so that a column's foot and the next one's head do not touch
        place = (mask.astype(np.int64) * width + column) * stride
        order = np.argsort(place + first, kind="stable")
        begins, ends = (place + first)[order], np.maximum.accumulate((place + end)[order])
        separate = begins[1:] > ends[:-1]
        begins, ends = (
            begins[np.append(True, separate)[: len(begins)]],
            ends[np.append(separate, True)[: len(ends)]],
        )
        column, first = np.divmod(begins, stride)
        table = np.stack([*np.divmod(column, max(width, 1)), first, first + ends - begins], 1)
        return Masks((height, width), number, torch.from_numpy(table.astype(np.int32)).to(self.runs.device))

    def _below(self, n: int, canvas: Tensor) -> tuple[Tensor, Tensor]:
        """The view of an (H, W) canvas that the box of mask n covers, and the mask there."""
        crop, (x, y) = self.crop(n)
        return canvas[y : y + crop.shape[0], x : x + crop.shape[1]], crop

    @cached_property
    def _table(self) -> Array:
        return self.runs.cpu().numpy()

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        """(R, 2): where each run begins and ends, in pixels down the columns of the whole image."""
        places: NDArray[np.int64] = self._table[:, 2:] + self._table[:, 1:2].astype(np.int64) * self.size[0]
        return places

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """(N + 1,): where the runs of each mask begin."""
        return np.searchsorted(self._table[:, 0], np.arange(self.number + 1)).astype(np.int64)

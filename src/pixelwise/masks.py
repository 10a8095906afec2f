"""Masks of one image, which may overlap, stored as runs of pixels: memory grows with outlines, not with areas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .runs import (
    drop_empty_runs,
    expand_intervals,
    fill_runs,
    resample_intervals,
    runs_from_lengths,
    runs_of_crop,
    stack_runs,
    vertical_edges,
)
from .types import Array, Size

Crop = tuple[Tensor, tuple[int, int]]
"""A part of an image, (h, w) bool, and the column and the row of its upper left pixel."""


@dataclass(frozen=True, eq=False)
class Masks:
    """N masks of one image.

    `masks[n]` is mask n at the full size of the image; `masks.crop(n)` is only the part in its bounding box.

    Attributes:
        size: height and width of the image, pixels.
        number: N; masks may be empty.
        runs: (R, 4) int32, the runs of pixels down the columns: mask, column, first row, and the row after the last;
            sorted, and each as long as possible. That is 16 bytes for each column of an object without holes.

    Raises:
        TypeError: the runs have another dtype or shape.
        ValueError: the runs leave the image, touch each other or are not sorted.
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
        # With a row of gap below each column, positions of sorted runs that do not touch strictly ascend.
        position = (mask * width + column) * (height + 1)
        edges = np.stack([position + first, position + end], 1).ravel()
        if not inside.all() or not (np.diff(edges) > 0).all():
            raise ValueError(
                f"the runs of {self.number} masks of {width}x{height} pixels must lie inside, be sorted by mask, "
                "column and row, and not touch each other"
            )

    @classmethod
    def from_dense(cls, masks: Tensor) -> Masks:
        """Masks from (N, H, W) bool, on the same device."""
        return cls.from_crops(((mask, (0, 0)) for mask in masks), (masks.shape[1], masks.shape[2]), masks.device)

    @classmethod
    def from_crops(cls, crops: Iterable[Crop], size: Size, device: torch.device | str = "cpu") -> Masks:
        """One mask for each given part of the image, outside of which the mask is empty.

        Args:
            crops: each (h, w) bool, inside the image, and the column and the row of its upper left pixel.
            size: height and width of the image, pixels.
            device: the device of the result.
        """
        runs = [runs_of_crop(crop.cpu().numpy(), x, y) for crop, (x, y) in crops]
        return cls(size, len(runs), stack_runs(runs).to(device))

    @classmethod
    def from_ids(cls, ids: Iterable[Tensor], number: int, size: Size) -> Masks:
        """Masks from one or several planes of ids, as `planes` gives them.

        Args:
            ids: each (H, W) int32, n + 1 where mask n is, 0 elsewhere; no mask is in two planes.
            number: N.
            size: height and width of the image, pixels.
        """
        tables, device = [np.empty((4, 0), np.int64)], torch.device("cpu")
        for plane in ids:
            device = plane.device
            values = plane.cpu().numpy()
            row, column = vertical_edges(values)
            # The id below each edge; 0 below the last row, which the minimum only keeps from leaving the array.
            value = values[np.minimum(row, len(values) - 1), column] * (row < len(values))
            # Every edge above an id begins a run, which the next edge of the same column ends.
            begins = np.flatnonzero(value)
            tables.append(np.stack([value[begins] - 1, column[begins], row[begins], row[begins + 1]]))
        table = np.concatenate(tables, 1)
        # Runs are in order within their plane, and so within their mask: a stable sort by mask orders all.
        table = table[:, np.argsort(table[0], kind="stable")]
        return cls(size, number, torch.from_numpy(table.T.astype(np.int32)).to(device))

    @classmethod
    def from_lengths(cls, lengths: Iterable[Sequence[int]], size: Size) -> Masks:
        """Masks from COCO's run lengths: of zeros, ones, zeros, … down the columns of the whole image.

        Raises:
            ValueError: a length is negative or not an int, or the sum is not the number of pixels of the image.
        """
        runs = [runs_from_lengths(mask, *size) for mask in lengths]
        return cls(size, len(runs), stack_runs(runs))

    @classmethod
    def joined(cls, parts: Sequence[Masks]) -> Masks:
        """Concatenate masks of one image, which must be on one device."""
        number, tables = 0, []
        for part in parts:
            tables.append(part.runs + part.runs.new_tensor([number, 0, 0, 0]))
            number += len(part)
        return cls(parts[0].size, number, torch.cat(tables))

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, n: int) -> Tensor:
        """(H, W) bool: mask n, at the full size of the image."""
        if not 0 <= n < self.number:
            raise IndexError(f"there is no mask {n}: there are {self.number}, counted from 0")
        mask = torch.zeros(self.size, dtype=torch.bool, device=self.runs.device)
        view, crop = self._view_of_box(n, mask)
        view.copy_(crop)
        return mask

    def __iter__(self) -> Iterator[Tensor]:
        return (self[n] for n in range(self.number))

    def __eq__(self, other: object) -> bool:
        """True if both have the same size and the same pixels in each mask."""
        if not isinstance(other, Masks):
            return NotImplemented
        return (self.size, self.number) == (other.size, other.number) and torch.equal(self.runs, other.runs)

    __hash__ = None  # type: ignore[assignment]

    def crop(self, n: int, margin: int = 0) -> Crop:
        """Mask n in its bounding box, enlarged by a margin as far as the image reaches.

        Args:
            n: number of the mask.
            margin: pixels around the bounding box.

        Returns:
            (h, w) bool, and the column and the row of its upper left pixel; (0, 0) bool for an empty mask.
        """
        pixels, x, y = self._crop_array(n, margin)
        return torch.from_numpy(pixels).to(self.runs.device), (x, y)

    def _crop_array(self, n: int, margin: int = 0) -> tuple[Array, int, int]:
        """The pixels of `crop` as a NumPy array, and the column and the row of the first."""
        _, column, first, end = self._table[self._starts[n] : self._starts[n + 1]].T
        if not len(column):
            return np.zeros((0, 0), bool), 0, 0
        x, y = max(0, int(column[0]) - margin), max(0, int(first.min()) - margin)
        width = min(self.size[1], int(column[-1]) + 1 + margin) - x
        height = min(self.size[0], int(end.max()) + margin) - y
        position = (column.astype(np.int64) - x) * height - y
        pixels = fill_runs(position + first, position + end, np.ones(len(position), bool), (height, width))
        return pixels, x, y

    def dense(self) -> Tensor:
        """(N, H, W) bool: every mask at the full size of the image, a byte per pixel."""
        masks = torch.from_numpy(np.zeros((self.number, *self.size), bool)).to(self.runs.device)
        for n, mask in enumerate(masks):
            view, crop = self._view_of_box(n, mask)
            view.copy_(crop)
        return masks

    def painted(self, order: Iterable[int]) -> Tensor:
        """Paint masks over each other.

        Args:
            order: numbers of the masks, the topmost last; others are left out.

        Returns:
            (H, W) int32: n + 1 where mask n is on top, 0 where there is none.
        """
        ids = torch.zeros(self.size, dtype=torch.int32, device=self.runs.device)
        for n in order:
            view, crop = self._view_of_box(n, ids)
            view[crop] = n + 1
        return ids

    def planes(self) -> Iterator[Tensor]:
        """Distribute the masks over a few planes, so that no mask covers another in its plane.

        An operation that maps pixels to pixels can then be applied to a plane at once instead of mask by mask.

        Yields:
            (H, W) int32, n + 1 where mask n is, 0 elsewhere; each mask is in one plane, if it is not empty.
        """
        # All masks that overlap no other go into the first plane together, without a look at their pixels. In the order
        # of their begins, a run overlaps a later one if it reaches into the next one, and an earlier one if any of
        # those reaches into it.
        order = np.argsort(self._positions[:, 0], kind="stable")
        mask = self._table[order, 0]
        begins, ends = self._positions[order].T
        overlaps = np.zeros(self.number, bool)
        overlaps[mask[:-1][ends[:-1] > begins[1:]]] = True
        overlaps[mask[1:][begins[1:] < np.maximum.accumulate(ends)[:-1]]] = True
        is_alone = ~overlaps[mask]
        ids = fill_runs(begins[is_alone], ends[is_alone], mask[is_alone] + 1, self.size)
        # The others go into the first plane where their place is free.
        remaining = np.flatnonzero(overlaps).tolist()
        while remaining or ids.any():
            postponed = []
            for n in remaining:
                pixels, x, y = self._crop_array(n)
                view = ids[y : y + pixels.shape[0], x : x + pixels.shape[1]]
                if np.logical_and(view, pixels).any():
                    postponed.append(n)
                else:
                    np.copyto(view, n + 1, where=pixels)
            yield torch.from_numpy(ids).to(self.runs.device)
            ids, remaining = np.zeros(self.size, np.int32), postponed

    def lengths(self, n: int) -> list[int]:
        """COCO's run lengths of mask n: of zeros, ones, zeros, … down the columns of the whole image."""
        edges = drop_empty_runs(self._positions[self._starts[n] : self._starts[n + 1]].ravel())
        lengths: list[int] = np.diff(edges, prepend=0, append=self.size[0] * self.size[1]).tolist()
        # COCO leaves out zeros of no length at the end, unless they are all there is.
        return lengths if lengths[-1] or len(lengths) == 1 else lengths[:-1]

    def areas(self) -> Tensor:
        """(N,) int64: the number of pixels of each mask."""
        areas = torch.zeros(self.number, dtype=torch.int64, device=self.runs.device)
        return areas.index_add(0, self.runs[:, 0].long(), (self.runs[:, 3] - self.runs[:, 2]).long())

    def boxes(self) -> Tensor:
        """(N, 4) int64: bounding boxes x1 y1 x2 y2, pixels, x2 and y2 outside the mask; zeros for an empty mask."""
        mask, column, first, end = self.runs.long().T
        boxes = torch.zeros(4, self.number, dtype=torch.int64, device=self.runs.device)
        for row, values, kind in ((0, column, "amin"), (1, first, "amin"), (2, column + 1, "amax"), (3, end, "amax")):
            boxes[row].scatter_reduce_(0, mask, values, kind, include_self=False)
        return boxes.T.contiguous()

    def select(self, index: Tensor) -> Masks:
        """Some of the masks, in the order of `index`: (K,) int64 on any device."""
        chosen = index.cpu().numpy()
        mask, rows = expand_intervals(self._starts[chosen], self._starts[chosen + 1])
        runs = self.runs[torch.from_numpy(rows).to(self.runs.device)]
        runs[:, 0] = torch.from_numpy(mask).to(runs)
        return Masks(self.size, len(chosen), runs)

    def sampled(self, rows: Array, columns: Array) -> Masks:
        """Resample by nearest neighbour: each pixel of the result is one of this image, at a given row and column.

        Crops, flips, padding and scaling are such maps. They cost time in proportion to the runs, not to the pixels.

        Args:
            rows: (H,) the row of this image that each row of the result takes, −1 for none. Rows that take one are
                contiguous, and those taken all ascend or all descend.
            columns: (W,) likewise.
        """
        mask, column, first, end = self._table.T
        top, bottom = resample_intervals(rows, self.size[0], first, end)
        left, right = resample_intervals(columns, self.size[1], column, column + 1)
        remains = (top < bottom) & (left < right)
        mask, top, bottom = mask[remains], top[remains], bottom[remains]
        # Where the image is enlarged, a column of it becomes several of the result.
        run, new_column = expand_intervals(left[remains], right[remains])
        shape = self.number, (len(rows), len(columns))
        return self._from_runs(mask[run], new_column, top[run], bottom[run], shape)

    def united(self, groups: Sequence[Sequence[int]]) -> Masks:
        """One mask for each group of masks: the union of their pixels."""
        parts = self.select(torch.tensor([n for group in groups for n in group], dtype=torch.int64))
        group = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        mask, column, first, end = parts._table.T
        return self._from_runs(group[mask], column, first, end, (len(groups), self.size))

    def padded(self, height: int, width: int) -> Masks:
        """The masks on a larger image, which is empty to the right and below."""
        return replace(self, size=(height, width))

    def cropped(self, height: int, width: int) -> Masks:
        """The masks in the upper left corner of the image, `height` × `width` pixels; the number of masks stays."""
        runs = self.runs[(self.runs[:, 1] < width) & (self.runs[:, 2] < height)]
        runs[:, 3].clamp_(max=height)
        return Masks((height, width), self.number, runs)

    def to(self, device: torch.device | str) -> Masks:
        """The masks on another device."""
        return replace(self, runs=self.runs.to(device))

    def _from_runs(self, mask: Array, column: Array, first: Array, end: Array, shape: tuple[int, Size]) -> Masks:
        """Masks from runs in any order; those of one mask may overlap and touch.

        Args:
            mask, column, first, end: (R,) each.
            shape: the number of masks, and the size of the image.
        """
        number, (height, width) = shape
        # A row of gap below each column keeps the last run of a column from touching the first of the next one.
        stride = height + 1
        position = (mask.astype(np.int64) * width + column) * stride
        order = np.argsort(position + first, kind="stable")
        # The farthest end so far: runs that begin beyond it start a new run, all others prolong the current one.
        begins, ends = (position + first)[order], np.maximum.accumulate((position + end)[order])
        starts_new = begins[1:] > ends[:-1]
        begins = begins[np.append(True, starts_new)[: len(begins)]]
        ends = ends[np.append(starts_new, True)[: len(ends)]]
        mask_and_column, first = np.divmod(begins, stride)
        table = np.stack([*np.divmod(mask_and_column, max(width, 1)), first, first + ends - begins], 1)
        return Masks((height, width), number, torch.from_numpy(table.astype(np.int32)).to(self.runs.device))

    def _view_of_box(self, n: int, canvas: Tensor) -> tuple[Tensor, Tensor]:
        """The view of an (H, W) canvas in the bounding box of mask n, and the mask there."""
        crop, (x, y) = self.crop(n)
        return canvas[y : y + crop.shape[0], x : x + crop.shape[1]], crop

    @cached_property
    def _table(self) -> Array:
        """`runs` as a NumPy array in the memory of the CPU."""
        return self.runs.cpu().numpy()

    @cached_property
    def _positions(self) -> NDArray[np.int64]:
        """(R, 2): begin and end of each run, counted in pixels down the columns of the whole image."""
        positions: NDArray[np.int64] = self._table[:, 2:] + self._table[:, 1:2].astype(np.int64) * self.size[0]
        return positions

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """(N + 1,): the row of `runs` where each mask begins; the runs of mask n are `_starts[n]:_starts[n + 1]`."""
        return np.searchsorted(self._table[:, 0], np.arange(self.number + 1)).astype(np.int64)

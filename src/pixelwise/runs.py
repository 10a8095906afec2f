"""Runs of pixels down the columns of an image, as arrays: what `Masks` is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]
Size = tuple[int, int]


def outlined(pixels: Array, x: int, y: int) -> tuple[Array, Array, Array]:
    """Column, first row and end of each run of a mask, of which (h, w) bool from column x and row y on is given."""
    columns = np.flatnonzero(pixels.any(0))
    left, right = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, 0)
    row, column = edges_of(pixels[:, left:right])
    return column[::2] + (x + left), row[::2] + y, row[1::2] + y


def edges_of(plane: Array) -> tuple[Array, Array]:
    """Rows and columns, column by column, of what differs from the value above; around the plane there is nothing."""
    height, width = plane.shape
    padded = np.zeros((height + 2, width), plane.dtype)
    padded[1:-1] = plane
    row, column = np.divmod((padded[1:] != padded[:-1]).ravel().nonzero()[0], max(width, 1))
    order = column.astype(np.uint16 if width < 1 << 16 else np.int64).argsort(kind="stable")  # 16 bits: a radix sort
    return row[order], column[order]


def filled(begins: Array, ends: Array, values: Array, size: Size) -> Array:
    """(H, W): a value in each run, 0 elsewhere; runs are sorted places, counted down the columns."""
    lengths = np.diff(np.stack([begins, ends], 1).ravel(), prepend=0, append=size[0] * size[1])
    every = np.zeros(len(lengths), values.dtype)
    every[1::2] = values
    return np.ascontiguousarray(np.repeat(every, lengths).reshape(size[1], size[0]).T)


def span(taken: Array) -> tuple[int, int, bool]:
    """Where the places that are none of −1 begin and end, and whether they descend."""
    some = np.flatnonzero(taken >= 0)
    if not len(some):
        return 0, 0, False
    begin, end = int(some[0]), int(some[-1]) + 1
    return begin, end, bool(taken[begin] > taken[end - 1])


def from_lengths(runs: Sequence[int], height: int, width: int) -> tuple[Array, Array, Array]:
    """Column, first row and end of each run of a mask."""
    if not all(type(run) is int for run in runs) or any(run < 0 for run in runs):
        raise ValueError(f"run lengths are whole numbers, 0 or more, not {list(runs)[:8]}")
    if sum(runs) != height * width:
        raise ValueError(f"the runs cover {sum(runs)} pixels, but a mask of {width}x{height} has {height * width}")
    edges = cancelled(np.cumsum(runs, dtype=np.int64)[: len(runs) // 2 * 2])
    begins, ends = edges[::2], edges[1::2]
    numbers = (ends - 1) // max(height, 1) - begins // max(height, 1) + 1
    run = np.repeat(np.arange(len(begins)), numbers)
    column = begins[run] // height + np.arange(len(run)) - (np.cumsum(numbers) - numbers)[run]
    return column, (begins[run] - column * height).clip(min=0), (ends[run] - column * height).clip(max=height)


def cancelled(edges: Array) -> Array:
    """Ascending places where runs of zeros and ones meet, without the pairs with no pixel between them."""
    places, times = np.unique(edges, return_counts=True)
    return np.asarray(places[times % 2 == 1])


def stacked(masks: Sequence[tuple[Array, Array, Array]]) -> Tensor:
    """Column, first row and end of the runs of each mask → (R, 4) int32."""
    table = np.empty((sum(len(column) for column, _, _ in masks), 4), np.int32)
    table[:, 0] = np.repeat(np.arange(len(masks)), [len(column) for column, _, _ in masks])
    for k in range(3):
        table[:, k + 1] = np.concatenate([parts[k] for parts in masks]) if masks else 0
    return torch.from_numpy(table)

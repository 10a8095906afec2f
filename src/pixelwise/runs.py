"""Operations on runs of pixels down the columns of an image, as arrays: what `Masks` is made of.

A run is a column, its first row and the row after its last. A *position* counts pixels down the columns of an image:
column × height + row, so that a run is an interval of positions, from its begin to its end, which does not belong to
it. Everything here is vectorised: an image may have hundreds of thousands of runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .types import Array, Size

RunArrays = tuple[Array, Array, Array]
"""The runs of one mask: column, first row and the row after the last, each (R,)."""


def runs_of_crop(pixels: Array, x: int, y: int) -> RunArrays:
    """The runs of a mask.

    Args:
        pixels: (h, w) bool, the part of the image outside of which the mask is empty.
        x, y: column and row of the upper left pixel of that part.
    """
    # Empty columns on both sides need not be searched for edges.
    columns = np.flatnonzero(pixels.any(0))
    left, right = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, 0)
    row, column = vertical_edges(pixels[:, left:right])
    # Going down a column of a mask, edges into it and out of it alternate.
    return column[::2] + (x + left), row[::2] + y, row[1::2] + y


def vertical_edges(plane: Array) -> tuple[Array, Array]:
    """Rows and columns, column by column, of the pixels that differ from the one above; outside the plane all is 0.

    Args:
        plane: (H, W) numbers or bool.

    Returns:
        Rows (H where the last pixel of a column is not 0) and columns of the edges.
    """
    height, width = plane.shape
    padded = np.zeros((height + 2, width), plane.dtype)
    padded[1:-1] = plane
    # NumPy finds edges fastest row by row, as memory has them; a stable sort by column then orders them.
    row, column = np.divmod((padded[1:] != padded[:-1]).ravel().nonzero()[0], max(width, 1))
    sort_key = column.astype(np.uint16 if width < 1 << 16 else np.int64)  # of 16 bits, NumPy's is a radix sort
    order = sort_key.argsort(kind="stable")
    return row[order], column[order]


def fill_runs(begins: Array, ends: Array, values: Array, size: Size) -> Array:
    """(H, W): a value in each run, 0 elsewhere.

    Args:
        begins, ends: (R,) positions, ascending; no runs overlap.
        values: (R,), of the type that the result has.
        size: height and width.
    """
    # Positions fall into a gap, a run, a gap, …, a gap: repeating a value as often as each is long fills the plane.
    lengths = np.diff(np.stack([begins, ends], 1).ravel(), prepend=0, append=size[0] * size[1])
    gaps_and_runs = np.zeros(len(lengths), values.dtype)
    gaps_and_runs[1::2] = values
    columns_first = np.repeat(gaps_and_runs, lengths).reshape(size[1], size[0])
    return np.ascontiguousarray(columns_first.T)


def expand_intervals(starts: Array, stops: Array) -> tuple[Array, Array]:
    """All integers of each interval, one interval after the other.

    Args:
        starts, stops: (N,) integers; the stop does not belong to its interval.

    Returns:
        The number of the interval and the integer, for each integer.
    """
    lengths = stops - starts
    interval = np.repeat(np.arange(len(lengths)), lengths)
    # Counting on through all intervals, the k-th one begins at the sum of the lengths before it, not at its start.
    counted_from = np.cumsum(lengths) - lengths
    return interval, np.arange(len(interval)) + (starts - counted_from)[interval]


def resample_intervals(source: Array, length: int, starts: Array, stops: Array) -> tuple[Array, Array]:
    """Map intervals of an axis to a resampled axis (cropped, flipped, scaled, padded).

    Args:
        source: (n,) the coordinate on the original axis of each of n coordinates of the resampled axis, −1 for none.
            Those that have one are contiguous, and their sources all ascend or all descend.
        length: of the original axis.
        starts, stops: (N,) intervals of the original axis, the stop outside.

    Returns:
        Starts and stops on the resampled axis; equal where nothing of an interval is left.
    """
    inside = np.flatnonzero(source >= 0)
    if not len(inside):
        return np.zeros_like(starts), np.zeros_like(stops)
    first, last = int(inside[0]), int(inside[-1])
    # smaller[k]: the number of resampled coordinates whose source is less than k. On an ascending axis these come
    # before the image of k; on a descending axis they come after it.
    smaller = np.searchsorted(np.sort(source[first : last + 1]), np.arange(length + 1))
    if source[first] > source[last]:
        return last + 1 - smaller[stops], last + 1 - smaller[starts]
    return first + smaller[starts], first + smaller[stops]


def runs_from_lengths(lengths: Sequence[int], height: int, width: int) -> RunArrays:
    """The runs of a mask from its run lengths as COCO has them: of zeros, ones, zeros, … down the columns.

    Raises:
        ValueError: a length is negative or not an int, or their sum is not height × width.
    """
    if not all(type(length) is int and length >= 0 for length in lengths):
        raise ValueError(f"run lengths are whole numbers, 0 or more, not {list(lengths)[:8]}")
    if sum(lengths) != height * width:
        raise ValueError(f"the runs cover {sum(lengths)} pixels, but a mask of {width}x{height} has {height * width}")
    # Positions where zeros and ones meet; the last one, if it ends a run of zeros, is the end of the image.
    edges = drop_empty_runs(np.cumsum(lengths, dtype=np.int64)[: len(lengths) // 2 * 2])
    begins, ends = edges[::2], edges[1::2]
    # A run of positions that goes on in the next column is cut into one run for each column.
    rows = max(height, 1)
    run, column = expand_intervals(begins // rows, (ends - 1) // rows + 1)
    top = column * height
    return column, (begins[run] - top).clip(min=0), (ends[run] - top).clip(max=height)


def drop_empty_runs(edges: Array) -> Array:
    """Ascending positions where runs of zeros and ones meet, without pairs of edges that have no pixel between them."""
    positions, counts = np.unique(edges, return_counts=True)
    # Two edges at one position cancel out, three are one.
    return np.asarray(positions[counts % 2 == 1])


def stack_runs(masks: Sequence[RunArrays]) -> Tensor:
    """The table of `Masks.runs`, (R, 4) int32, from the runs of each mask."""
    numbers = [len(column) for column, _, _ in masks]
    table = np.empty((sum(numbers), 4), np.int32)
    table[:, 0] = np.repeat(np.arange(len(masks)), numbers)
    for k in range(3):
        table[:, k + 1] = np.concatenate([runs[k] for runs in masks]) if masks else 0
    return torch.from_numpy(table)

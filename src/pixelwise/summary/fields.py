"""Receptive fields of the rows and columns of a feature map, as spans of rows and columns of the image.

A span is the first and the last pixel of the image, along one axis, that a row (or column) of a map depends on. The
functions below give the spans of the map that an operation makes, from those of the map that it takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FAR = 1 << 40
"""A coordinate beyond any image: a span from −FAR to FAR is the whole image, one from FAR to −FAR is empty."""

Spans = NDArray[np.int64]
"""(2, n): the first and the last pixel that each of n rows or columns depends on; n = 1 when all have the same."""

Dim = tuple[tuple[str, int], ...]
"""Axes that a dimension runs over, the slowest first, with their lengths: rows "y", columns "x", anything else ""."""

WHOLE: Spans = np.array([[-FAR], [FAR]])
"""The whole image, for every row or column."""


@dataclass(frozen=True)
class Fields:
    """Receptive fields of a tensor.

    Attributes:
        dims: for each dimension the axes of the map that it runs over.
        spans: "y" → the spans of the rows of the map, "x" → those of its columns.
    """

    dims: tuple[Dim, ...]
    spans: Mapping[str, Spans]

    def axes(self, *dims: int) -> str:
        """The axes of the map that these dimensions run over: "", "y", "x" or "yx"."""
        return "".join(axis for dim in dims for axis, _ in self.dims[dim])

    def along(self, axis: str, size: int) -> Spans:
        """(2, size): the span of each row, or column."""
        return np.broadcast_to(self.spans[axis], (2, size))

    def longest(self) -> int | None:
        """The longest side of the receptive field of a value, pixels; None for the whole image, 0 for none of it."""
        longest = 0
        for first, last in self.spans.values():
            longest = max(longest, int((last - first).max()) + 1)
        return None if longest > FAR else longest


def map_fields(shape: Sequence[int], spans: Mapping[str, Spans]) -> Fields:
    """Receptive fields of a tensor whose last two dimensions are rows and columns.

    Args:
        shape: of the tensor.
        spans: of its rows "y" and its columns "x".
    """
    axes = [""] * (len(shape) - 2) + ["y", "x"]
    dims = []
    for axis, size in zip(axes, shape, strict=True):
        dims.append(((axis if size > 1 else "", size),))
    return Fields(tuple(dims), spans)


def union(*spans: Spans) -> Spans:
    """The smallest spans that contain several, row by row; spans with n = 1 are repeated for every row."""
    first, last = spans[0]
    for more in spans[1:]:
        first, last = np.minimum(first, more[0]), np.maximum(last, more[1])
    return np.stack([first, last])


def empty(size: int) -> Spans:
    """(2, size): spans of rows that depend on nothing, such as those of a border of zeros."""
    return np.repeat(-WHOLE, size, axis=1)


def slide_window(spans: Spans, size: int, kernel: int, stride: int, padding: int, dilation: int) -> Spans:
    """Spans behind a convolution or pooling: each position depends on all that lies under its window.

    Args:
        spans: (2, n), before it.
        size: number of positions behind it.
        kernel, stride, padding, dilation: of the window; the padding depends on nothing.
    """
    last = (size - 1) * stride
    # Pooling that rounds up may reach beyond the padding.
    padded = empty(max(last + (kernel - 1) * dilation + 1, padding + spans.shape[1]))
    padded[:, padding : padding + spans.shape[1]] = spans
    taps = []
    for tap in range(kernel):
        start = tap * dilation
        taps.append(padded[:, start : start + last + 1 : stride])
    return union(*taps)


def slide_transposed_window(spans: Spans, size: int, kernel: int, stride: int, padding: int, dilation: int) -> Spans:
    """Spans behind a transposed convolution: each position depends on all positions that write to it.

    Args:
        spans: (2, n), before it.
        size: number of positions behind it.
        kernel, stride, padding, dilation: of the window.
    """
    result = empty(size)
    for tap in range(kernel):
        position = np.arange(spans.shape[1]) * stride - padding + tap * dilation
        inside = (position >= 0) & (position < size)
        result[:, position[inside]] = union(result[:, position[inside]], spans[:, inside])
    return result


def interpolate(spans: Spans, size: int, taps: int, align_corners: bool, scale: float | None) -> Spans:
    """Spans behind a resizing: each position depends on its neighbours, except those of weight zero.

    Args:
        spans: (2, n), before it.
        size: number of positions behind it.
        taps: neighbours that are mixed: 2 linear, 4 cubic, 1 nearest.
        align_corners: whether the first and the last positions of both maps coincide.
        scale: size / n as the caller gave it, if so.
    """
    n = spans.shape[1]
    ratio = 1 / scale if scale else n / size
    if align_corners:
        position = np.arange(size) * ((n - 1) / max(size - 1, 1))
    elif taps == 1:
        position = np.floor(np.arange(size) * ratio + 1e-6)
    else:
        position = (np.arange(size) + 0.5) * ratio - 0.5
    # A position on a neighbour, but for rounding, depends on that neighbour alone: low equals high.
    low, high = np.floor(position + 1e-6).astype(int), np.ceil(position - 1e-6).astype(int)
    further = (high > low) * (taps // 2 - 1)
    return union(spans[:, (low - further).clip(0, n - 1)], spans[:, (high + further).clip(0, n - 1)])

"""What the values of a map see of the image: the first and the last of its rows, and of its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FAR = 1 << 40
"""Further than an image reaches: what sees from −FAR to FAR sees all of it, from FAR to −FAR nothing."""

Span = NDArray[np.int64]  # (2, n): the first and the last pixel that each of n rows or columns sees; n = 1: all alike
Dim = tuple[tuple[str, int], ...]  # what a dimension runs over: so many rows "y", columns "x" or others ""


@dataclass(frozen=True)
class Sight:
    """How the dimensions of a tensor run over the rows and columns of a map, and what each of these sees."""

    dims: tuple[Dim, ...]
    spans: Mapping[str, Span]

    def axes(self, *dims: int) -> str:
        """The axes of the map that these dimensions run over: "", "y", "x" or "yx"."""
        return "".join(axis for dim in dims for axis, _ in self.dims[dim])

    def seen(self, axis: str, size: int) -> Span:
        """(2, size), what each row or column sees."""
        return np.broadcast_to(self.spans[axis], (2, size))

    def reach(self) -> int | None:
        """The longest side of what one value sees, pixels; None for the whole image."""
        longest = max(int((last - first).max()) + 1 for first, last in self.spans.values())
        return None if longest > FAR else max(0, longest)


def image_map(shape: Sequence[int], spans: Mapping[str, Span]) -> Sight:
    """Of a tensor whose last two dimensions are rows and columns."""
    names = [""] * (len(shape) - 2) + ["y", "x"]
    return Sight(tuple(((name if size > 1 else "", size),) for name, size in zip(names, shape, strict=True)), spans)


def hull(*spans: Span) -> Span:
    """The smallest span around several; one that is alike everywhere is widened to the others."""
    first, last = spans[0]
    for span in spans[1:]:
        first, last = np.minimum(first, span[0]), np.maximum(last, span[1])
    return np.stack([first, last])


def constant(first: int) -> Span:
    """From `first` to −`first`: everything or nothing."""
    return np.array([[first], [-first]])


def nothing(size: int) -> Span:
    """(2, size) of rows that see nothing, as those of a border of zeros."""
    return np.repeat(constant(FAR), size, axis=1)


def gathered(seen: Span, size: int, kernel: int, stride: int, padding: int, dilation: int) -> Span:
    """Each of `size` positions sees what those under its window see; the padding sees nothing."""
    last = (size - 1) * stride
    padded = nothing(max(last + (kernel - 1) * dilation + 1, padding + seen.shape[1]))
    padded[:, padding : padding + seen.shape[1]] = seen
    return hull(*(padded[:, t * dilation : t * dilation + last + 1 : stride] for t in range(kernel)))


def spread(seen: Span, size: int, kernel: int, stride: int, padding: int, dilation: int) -> Span:
    """Transposed: each of `size` positions sees what those see that write to it."""
    found = nothing(size)
    for t in range(kernel):
        position = np.arange(seen.shape[1]) * stride - padding + t * dilation
        inside = (position >= 0) & (position < size)
        found[:, position[inside]] = hull(found[:, position[inside]], seen[:, inside])
    return found


def interpolated(seen: Span, size: int, taps: int, align_corners: bool, scale: float | None) -> Span:
    """Each of `size` positions sees what its neighbours in the smaller or larger map see, as far as they count.

    Args:
        seen: (2, n).
        size: of the resized map.
        taps: neighbours that are mixed: 2 linear, 4 cubic, 1 nearest.
        align_corners: whether the first and the last positions of both lie upon each other.
        scale: size / n as it was asked for, where it was.
    """
    n = seen.shape[1]
    ratio = 1 / scale if scale else n / size
    if align_corners:
        position = np.arange(size) * ((n - 1) / max(size - 1, 1))
    elif taps == 1:
        position = np.floor(np.arange(size) * ratio + 1e-6)
    else:
        position = (np.arange(size) + 0.5) * ratio - 0.5
    low, high = np.floor(position + 1e-6).astype(int), np.ceil(position - 1e-6).astype(int)
    further = (high > low) * (taps // 2 - 1)
    return hull(*(seen[:, index.clip(0, n - 1)] for index in (low - further, high + further)))

"""Resampling of images: bilinear with smoothing where an image shrinks, whole or row by row; nearest for class maps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from ..types import Array, Size

CHUNK_ROWS = 64
"""Number of rows that `scaled_rows` resamples at a time."""


def resize_nearest(plane: Array, size: Size) -> Array:
    """Resize (H, W) by nearest neighbour; the centres of the corner pixels do not coincide (`align_corners=False`)."""
    return np.asarray(cv2.resize(plane, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT))


def scaled(pixels: Array, size: Size) -> Array:
    """Resize an image: by bilinear interpolation with antialiasing, from a factor of 1/2 down by averaging areas.

    Args:
        pixels: (H, W, 3) uint8.
        size: height and width of the result.

    Returns:
        (h, w, 3) uint8; the array itself where it has this size.
    """
    steps = pixels.shape[0] / size[0], pixels.shape[1] / size[1]
    if steps == (1, 1):
        return pixels
    if max(steps) >= 2:
        return np.asarray(cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA))
    return np.asarray(cv2.resize(softened(pixels, steps), size[::-1], interpolation=cv2.INTER_LINEAR))


def scaled_rows(rows: Iterator[Array], size: Size, target: Size) -> Iterator[Array]:
    """Resize an image that is given row by row; equal to `scaled` of the whole but for rounding.

    Args:
        rows: (n, W, 3) uint8, the next n rows, from top to bottom; n may differ.
        size: height and width of the image.
        target: height and width of the result.

    Yields:
        (n, w, 3) uint8, the next rows of the result.
    """
    if size == target:
        yield from rows
        return
    step, step_across = size[0] / target[0], size[1] / target[1]
    average = max(step, step_across) >= 2
    # Each row of the result is a weighted sum of the source rows from its start to its end. Interpolation needs the
    # two rows around its position and, for smoothing, one more on each side.
    margin = 0 if average else 2
    place = np.arange(target[0])
    starts = (place * step).astype(int) - margin
    ends = np.ceil((place + 1) * step - 1e-6 + margin).clip(max=size[0])
    kept = np.empty((0, target[1], 3), np.float32)  # source rows, already as wide as the result
    first, done = 0, 0  # row of the source where `kept` begins, number of rows of the result that are finished
    for chunk in _chunks(rows):
        kept = np.concatenate([kept, _scaled_across(chunk, target[1], step_across, average)])
        ready = int(np.searchsorted(ends, first + len(kept), "right"))
        if ready > done:
            weights = _row_weights(place[done:ready, None], first + np.arange(len(kept)), size[0], step, average)
            sums = weights @ kept.reshape(len(kept), -1)
            yield np.rint(sums).clip(0, 255).astype(np.uint8).reshape(ready - done, target[1], 3)
            done = ready
            unused = max(0, int(starts[done]) - first) if done < len(place) else len(kept)
            first, kept = first + unused, kept[unused:]


def _chunks(rows: Iterable[Array]) -> Iterator[Array]:
    for part in rows:
        for start in range(0, len(part), CHUNK_ROWS):
            yield part[start : start + CHUNK_ROWS]


def _scaled_across(rows: Array, width: int, step: float, average: bool) -> Array:
    """(n, W, 3) → (n, width, 3) float32."""
    values = rows.astype(np.float32)
    if average:
        return np.asarray(cv2.resize(values, (width, len(rows)), interpolation=cv2.INTER_AREA))
    return np.asarray(cv2.resize(softened(values, (1, step)), (width, len(rows)), interpolation=cv2.INTER_LINEAR))


def _row_weights(place: Array, source: Array, height: int, step: float, average: bool) -> Array:
    """Weights of source rows in the rows of the result.

    Args:
        place: (n, 1) rows of the result.
        source: (m,) rows of the source, consecutive.
        height: of the source.
        step: rows of the source per row of the result.
        average: whether areas are averaged; otherwise bilinear interpolation of smoothed rows.

    Returns:
        (n, m) float32.
    """
    if average:
        overlap = np.minimum(source + 1, (place + 1) * step) - np.maximum(source, place * step)
        return np.asarray(overlap.clip(0) / step, np.float32)
    centre = ((place + 0.5) * step - 0.5).clip(0, height - 1)
    weights = (1 - np.abs(centre - source)).clip(0)
    # Smoothing the source, as `softened` does, and smoothing the weights give the same sums.
    side = _side_weight(step)
    around = np.pad(weights, ((0, 0), (1, 1)), "edge")
    return np.asarray((1 - 2 * side) * weights + side * (around[:, :-2] + around[:, 2:]), np.float32)


def softened(pixels: Array, steps: tuple[float, float]) -> Array:
    """Blur an image so that bilinear interpolation at every step-th pixel is smooth, for steps up to 2.

    The variance added is (step² − 1) / 6: with it the triangle of bilinear interpolation is as wide as the one that
    Pillow and torchvision stretch by the step. At 2 the kernel is [1 2 1] / 4, which removes lines of one pixel.

    Args:
        pixels: (H, W) or (H, W, C) uint8 or float32.
        steps: rows and columns of the image per row and column of the result; not blurred along an axis where it is 1
            or less.
    """
    if max(steps) <= 1:
        return pixels
    down, across = _kernel(steps[0]), _kernel(steps[1])
    return np.asarray(cv2.sepFilter2D(pixels, -1, across, down, borderType=cv2.BORDER_REPLICATE))


def _kernel(step: float) -> Array:
    side = _side_weight(step)
    return np.array([side, 1 - 2 * side, side])


def _side_weight(step: float) -> float:
    """Weight of each neighbour in a kernel of three pixels whose variance is (step² − 1) / 6."""
    return (max(1.0, step) ** 2 - 1) / 12

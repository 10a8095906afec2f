"""Resampling of images: bilinear with smoothing where an image shrinks, whole or row by row; nearest for class maps."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from ..types import Array, Size


def resize_nearest(plane: Array, size: Size) -> Array:
    """(H, W) at another size, by the nearest pixel (the centres of the corners do not coincide)."""
    return np.asarray(cv2.resize(plane, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT))


def scaled(pixels: Array, size: Size) -> Array:
    """(H, W, 3) uint8 at another size: bilinear, and averaged over the area of a new pixel where it shrinks."""
    steps = pixels.shape[0] / size[0], pixels.shape[1] / size[1]
    if steps == (1, 1):
        return pixels
    if max(steps) >= 2:
        return np.asarray(cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA))
    return np.asarray(cv2.resize(softened(pixels, steps), size[::-1], interpolation=cv2.INTER_LINEAR))


def scaled_rows(rows: Iterator[Array], size: Size, target: Size) -> Iterator[Array]:
    """The rows of an image at another size as `scaled` makes them of the whole, but for rounding.

    Args:
        rows: (n, W, 3) uint8, the next n rows, from top to bottom.
        size: height and width of the image.
        target: height and width that are wanted.
    """
    if size == target:
        yield from rows
        return
    step, across = size[0] / target[0], size[1] / target[1]
    average = max(step, across) >= 2
    place = np.arange(target[0])
    starts = (place * step).astype(int) - (0 if average else 2)
    ends = np.ceil((place + 1) * step - 1e-6 + (0 if average else 2)).clip(max=size[0])
    kept, first, done = np.empty((0, target[1], 3), np.float32), 0, 0
    for part in (chunk[start : start + 64] for chunk in rows for start in range(0, len(chunk), 64)):
        soft = part.astype(np.float32) if average else softened(part.astype(np.float32), (1, across))
        way = cv2.INTER_AREA if average else cv2.INTER_LINEAR
        kept = np.concatenate([kept, cv2.resize(soft, (target[1], len(part)), interpolation=way)])
        ready = int(np.searchsorted(ends, first + len(kept), "right"))
        if ready > done:
            weights = _row_weights(place[done:ready, None], first + np.arange(len(kept)), size[0], step, average)
            found = np.rint(weights @ kept.reshape(len(kept), -1)).clip(0, 255).astype(np.uint8)
            yield found.reshape(ready - done, target[1], 3)
            done = ready
            unused = max(0, int(starts[done]) - first) if done < len(place) else len(kept)
            first, kept = first + unused, kept[unused:]


def _row_weights(place: Array, source: Array, height: int, step: float, average: bool) -> Array:
    """(n, m) float32: of each of m rows that follow each other in the image, for each of n rows of the result."""
    if average:
        shared = np.minimum(source + 1, (place + 1) * step) - np.maximum(source, place * step)
        return np.asarray(shared.clip(0) / step, np.float32)
    weights = (1 - np.abs(((place + 0.5) * step - 0.5).clip(0, height - 1) - source)).clip(0)
    side = (max(1.0, step) ** 2 - 1) / 12
    around = np.pad(weights, ((0, 0), (1, 1)), "edge")
    return np.asarray((1 - 2 * side) * weights + side * (around[:, :-2] + around[:, 2:]), np.float32)


def softened(pixels: Array, steps: tuple[float, float]) -> Array:
    """Blurred so that bilinear interpolation at every step-th pixel is smooth, for steps up to 2 rows and columns.

    The variance added is (step² − 1) / 6: with it the triangle of bilinear interpolation is as wide as the one that
    Pillow and torchvision stretch by the step. At 2 the kernel is [1 2 1] / 4, which leaves nothing of single lines.
    """
    if max(steps) <= 1:
        return pixels
    sides = [(max(1.0, step) ** 2 - 1) / 12 for step in steps]
    down, across = (np.array([side, 1 - 2 * side, side]) for side in sides)
    return np.asarray(cv2.sepFilter2D(pixels, -1, across, down, borderType=cv2.BORDER_REPLICATE))

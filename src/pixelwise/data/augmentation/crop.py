"""Crops: scaling, cropping and flipping of an image and its ground truth, in whole pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from ...images.scaling import resize_nearest, scaled
from ...masks import Masks
from ...types import Array, Size


class Span(NamedTuple):
    """One axis: `length` pixels of the image from `start` on become `extent` pixels of the result from `into` on."""

    start: int
    length: int
    into: int
    extent: int

    @classmethod
    def draw(cls, length: int, scale: float, size: int, rng: np.random.Generator) -> Span:
        """A random window of `size` pixels into `length` pixels times `scale`; a shorter image lies anywhere in it.

        Both ends lie on whole pixels of image and result, so the scale is kept to half a pixel over the window.
        """
        if length * scale > size:
            kept = min(length, max(1, round(size / scale)))
            return cls(int(rng.integers(length - kept + 1)), kept, 0, size)
        extent = min(size, max(1, round(length * scale)))
        return cls(0, length, int(rng.integers(size - extent + 1)), extent)

    @property
    def step(self) -> float:
        """Pixels of the image a pixel of the result."""
        return self.length / self.extent

    def taken(self, size: int) -> Array:
        """(size,) int32: the nearest pixel of the image for each of the result, −1 where there is none."""
        places = np.full(size, -1, np.int32)
        window = np.arange(self.start, self.start + self.length, dtype=np.int32)
        places[self.into : self.into + self.extent] = resize_nearest(window[:, None], (self.extent, 1))[:, 0]
        return places


@dataclass(frozen=True)
class CropView:
    """Scale, crop and flips: rectangles of whole pixels on both sides, so that a resize does it."""

    rows: Span
    columns: Span
    size: Size
    upside: bool = False
    mirrored: bool = False

    def image(self, pixels: Array, colored: Callable[[Array], Array]) -> Array:
        """(H, W, 3) uint8 to (*size, 3): the window, scaled, colours changed by `colored`, black around it."""
        return self._placed(colored(scaled(self._window(pixels), (self.rows.extent, self.columns.extent))))

    def plane(self, plane: Array) -> Array:
        """(H, W) to `size` by the nearest pixel, zero around it."""
        return self._placed(resize_nearest(self._window(plane), (self.rows.extent, self.columns.extent)))

    def masks(self, masks: Masks) -> Masks:
        """Masks as `plane` would move each."""
        rows, columns = (span.taken(size) for span, size in zip((self.rows, self.columns), self.size, strict=True))
        return masks.sampled(rows[::-1] if self.upside else rows, columns[::-1] if self.mirrored else columns)

    def _window(self, plane: Array) -> Array:
        (y, h, _, _), (x, w, _, _) = self.rows, self.columns
        return plane[y : y + h, x : x + w]

    def _placed(self, plane: Array) -> Array:
        if plane.shape[:2] != self.size:
            (_, _, y, h), (_, _, x, w) = self.rows, self.columns
            canvas = np.zeros((*self.size, *plane.shape[2:]), plane.dtype)
            canvas[y : y + h, x : x + w] = plane
            plane = canvas
        if self.upside or self.mirrored:
            return np.asarray(cv2.flip(plane, -1 if self.upside and self.mirrored else int(self.mirrored)))
        return np.ascontiguousarray(plane)

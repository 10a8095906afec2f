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
    """One axis of a crop: `length` pixels of the image from `start` on become `extent` pixels of the result at `into`.

    Pixels of the result outside these are padding.
    """

    start: int
    length: int
    into: int
    extent: int

    @classmethod
    def draw(cls, length: int, scale: float, size: int, rng: np.random.Generator) -> Span:
        """Draw a random window of `size` pixels from an image of `length` pixels times `scale`.

        An image that is shorter than the window lies anywhere in it. Both ends lie on whole pixels of image and result,
        so the scale is kept to half a pixel over the window.
        """
        if length * scale > size:
            kept = min(length, max(1, round(size / scale)))
            return cls(int(rng.integers(length - kept + 1)), kept, 0, size)
        extent = min(size, max(1, round(length * scale)))
        return cls(0, length, int(rng.integers(size - extent + 1)), extent)

    @property
    def step(self) -> float:
        """Pixels of the image per pixel of the result."""
        return self.length / self.extent

    @property
    def source(self) -> slice:
        """Pixels of the image that are used."""
        return slice(self.start, self.start + self.length)

    @property
    def target(self) -> slice:
        """Pixels of the result that they fill."""
        return slice(self.into, self.into + self.extent)

    def nearest(self, size: int) -> Array:
        """(size,) int32: the nearest pixel of the image for each pixel of the result, −1 in the padding."""
        places = np.full(size, -1, np.int32)
        window = np.arange(self.start, self.start + self.length, dtype=np.int32)
        places[self.target] = resize_nearest(window[:, None], (self.extent, 1))[:, 0]
        return places


@dataclass(frozen=True)
class CropView:
    """View of a sample by scaling, cropping and flipping: a rectangle of whole pixels, resized.

    Attributes:
        rows, columns: the crop and the scale along each axis.
        size: height and width of the result.
        upside_down, mirrored: whether top and bottom, left and right are swapped, after cropping.
    """

    rows: Span
    columns: Span
    size: Size
    upside_down: bool = False
    mirrored: bool = False

    def image(self, pixels: Array, recolor: Callable[[Array], Array]) -> Array:
        """View an image: (H, W, 3) uint8 to (*size, 3), black in the padding; `recolor` maps the scaled window."""
        return self._place(recolor(scaled(self._window(pixels), (self.rows.extent, self.columns.extent))))

    def plane(self, plane: Array) -> Array:
        """View a map of labels or ids: (H, W) to `size` by the nearest pixel, zero in the padding."""
        return self._place(resize_nearest(self._window(plane), (self.rows.extent, self.columns.extent)))

    def masks(self, masks: Masks) -> Masks:
        """View masks, each as `plane` does."""
        rows = self.rows.nearest(self.size[0])
        columns = self.columns.nearest(self.size[1])
        if self.upside_down:
            rows = rows[::-1]
        if self.mirrored:
            columns = columns[::-1]
        return masks.sampled(rows, columns)

    def _window(self, plane: Array) -> Array:
        return plane[self.rows.source, self.columns.source]

    def _place(self, window: Array) -> Array:
        """Pad a scaled window to the size of the result, and flip it."""
        plane = window
        if window.shape[:2] != self.size:
            plane = np.zeros((*self.size, *window.shape[2:]), window.dtype)
            plane[self.rows.target, self.columns.target] = window
        if self.upside_down and self.mirrored:
            return np.asarray(cv2.flip(plane, -1))
        if self.upside_down:
            return np.asarray(cv2.flip(plane, 0))
        if self.mirrored:
            return np.asarray(cv2.flip(plane, 1))
        return np.ascontiguousarray(plane)

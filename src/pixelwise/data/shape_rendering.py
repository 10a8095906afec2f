"""Rendering of circles, squares, triangles and rings that overlap on textured ground, with exact ground truth."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from ..types import Array, Size

NAMES = ("ground", "circle", "square", "triangle", "ring")
"""The classes; the index of a shape is its label."""

MIN_VISIBLE = 0.4
"""The share of each object's area that stays visible: it is not covered further, nor cut by the border."""

TRIES = 8
"""Places that are tried for an object until one leaves enough of it and of the others; after these it is left out."""

_AREAS = (0.0, np.pi, 2.56, 1.24**2 * 27**0.5 / 4, np.pi * 0.75)
"""The area of each class, in squared radii."""

_REACH = 1.25
"""The largest distance of a shape's edge from its centre, in radii."""


@lru_cache(maxsize=4)
def render(size: Size, seed: int, n: int, min_objects: int, max_objects: int) -> tuple[Array, Array, list[int]]:
    """Render image n.

    Args:
        size: height and width, pixels.
        seed: of all images.
        n: which image; each depends on its own number alone.
        min_objects, max_objects: the number of objects is drawn between these; those that find no place are left out.

    Returns:
        (H, W, 3) uint8 pixels, (H, W) int32 ids from 1 (the ground) on, and the label of each id.
    """
    # Each draw changes those that follow: their order is part of what a seed means.
    rng = np.random.default_rng((seed, n))
    canvas = _Canvas(size, rng)
    largest = min(size) * min(0.25, 0.6 / max(1, max_objects) ** 0.5)
    smallest = min(largest, max(3.0, largest / 4))
    for _ in range(int(rng.integers(min_objects, max_objects + 1))):
        label = int(rng.integers(1, len(NAMES)))
        color = _color(canvas.mean, rng)
        for _ in range(TRIES):
            radius = smallest * (largest / smallest) ** rng.random()
            place = rng.random(3) * (*size, 2 * np.pi)
            shape = _Shape(label, place, radius, size)
            if canvas.has_room(shape):
                canvas.draw(shape, color)
                break
    pixels = canvas.pixels + (rng.random(size, np.float32)[..., None] * np.float32(24) - 12)
    return pixels.clip(0, 255).astype(np.uint8), canvas.ids, canvas.labels


class _Shape:
    """A shape at a place.

    Args:
        label: its class.
        place: y and x of its centre, pixels, and its rotation, radians.
        radius: in pixels.
        size: height and width of the image.

    Attributes:
        window: the rows and columns that it may reach.
        outside: (h, w) float32, how far outside its edge the centres of the window's pixels lie, negative inside.
        inside: (h, w) bool, the pixels whose centre lies in it.
        area: its area, pixels.
    """

    def __init__(self, label: int, place: Array, radius: float, size: Size) -> None:
        self.label = label
        self.area = _AREAS[label] * radius * radius
        y, x = place[:2].tolist()
        self.window = (_reach(y, radius, size[0]), _reach(x, radius, size[1]))
        self.outside = _distance(label, *self.window, place, radius)
        self.inside = self.outside < 0


class _Canvas:
    """An image that shapes are drawn on, one over the other.

    Attributes:
        pixels: (H, W, 3) float32.
        mean: (3,) mean colour of the ground.
        ids: (H, W) int32, the topmost segment at each pixel, from 1, the ground.
        labels: the class of each segment.
    """

    def __init__(self, size: Size, rng: np.random.Generator) -> None:
        self.pixels = _ground(size, rng)
        self.mean = self.pixels.mean((0, 1))
        self.ids = np.ones(size, np.int32)
        self.labels = [0]
        self._areas = [0.0]
        self._visible = [0]

    def has_room(self, shape: _Shape) -> bool:
        """Tell if enough of the shape, and of those that it covers, would be visible."""
        covered = self._covered(shape)
        if covered.sum() < MIN_VISIBLE * shape.area:
            return False
        return all(self._visible[k] - covered[k] >= MIN_VISIBLE * self._areas[k] for k in covered[1:].nonzero()[0] + 1)

    def draw(self, shape: _Shape, color: Array) -> None:
        """Draw a shape over the others."""
        covered = self._covered(shape)
        self._visible = [left - int(lost) for left, lost in zip(self._visible, covered, strict=True)]
        self._visible.append(int(covered.sum()))
        self._areas.append(shape.area)
        self.labels.append(shape.label)
        self.ids[shape.window][shape.inside] = len(self.labels)
        # Half at the very edge: smooth for the eye, exact for the ground truth.
        alpha = np.clip(0.5 - shape.outside, 0, 1)[..., None]
        window = self.pixels[shape.window]
        window += alpha * (color - window)

    def _covered(self, shape: _Shape) -> Array:
        """The pixels that the shape covers of each segment."""
        below = self.ids[shape.window][shape.inside]
        return np.asarray(np.bincount(below, minlength=len(self.labels) + 1)[1:])


def _reach(center: float, radius: float, end: int) -> slice:
    """The pixels that a shape may reach along one axis."""
    return slice(max(0, int(center - _REACH * radius - 1)), min(end, int(center + _REACH * radius + 2)))


def _ground(size: Size, rng: np.random.Generator) -> Array:
    """(H, W, 3) float32: two colours mixed by smooth noise."""
    noise = cv2.resize(rng.random((8, 8), np.float32), size[::-1], interpolation=cv2.INTER_CUBIC)[..., None]
    dark, light = rng.uniform(20, 200, 3), rng.uniform(-50, 50, 3)
    return np.asarray(dark.astype(np.float32) + noise * light.astype(np.float32))


def _color(ground: Array, rng: np.random.Generator) -> Array:
    """A random colour that can be told from the ground."""
    colors = rng.uniform(0, 255, (8, 3)).astype(np.float32)
    distance = np.abs(colors - ground).sum(1)
    far = distance > 120
    return np.asarray(colors[int(far.argmax() if far.any() else distance.argmax())])


def _distance(label: int, rows: slice, columns: slice, place: Array, radius: float) -> Array:
    """(h, w) float32: how far outside the edge of a shape the centres of these pixels lie, negative inside."""
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) + np.float32(0.5 - place[0]))[:, None]
    x = (np.arange(columns.start, columns.stop, dtype=np.float32) + np.float32(0.5 - place[1]))[None]
    if NAMES[label] in ("circle", "ring"):
        from_edge = np.sqrt(x * x + y * y) - np.float32(radius)
        if NAMES[label] == "circle":
            return np.asarray(from_edge)
        return np.asarray(np.abs(from_edge + radius / 4) - np.float32(radius / 4))
    # A regular polygon is where several half planes overlap.
    sides, inner = (4, 0.8) if NAMES[label] == "square" else (3, 0.62)
    angles = place[2] + 2 * np.pi * np.arange(sides) / sides
    planes = [x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle)) for angle in angles]
    return np.asarray(np.maximum.reduce(planes) - np.float32(inner * radius))

"""Warps: rotation and elastic deformation of an image and its ground truth, as one mapping.

Coordinates are continuous: pixel i reaches from i to i + 1, and its centre is i + 0.5. Index coordinates, which OpenCV
takes, are half a pixel less.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
import torch

from ...images.scaling import scaled, softened
from ...masks import Masks
from ...types import Array, Size
from .crop import Span

REMAP_LIMIT = 32766
"""The longest side of a window that OpenCV's remap can read: it counts pixels in 16 bits."""


@dataclass(frozen=True)
class Elastic:
    """Smooth random deformation: Gaussian displacements on a grid, cubic (Catmull-Rom) between its nodes.

    U-Net (Ronneberger et al. 2015, section 3.1) draws displacements of 10 pixels on a 3×3 grid over the image and
    interpolates them bicubically: `Elastic(spacing=size / 2, sigma=10)`. A dense, wobbly field such as Simard et al.'s
    of 2003 (white noise, blurred with σ pixels) resembles a narrow grid: `Elastic(spacing=3 * σ, sigma=…)`.

    Attributes:
        spacing: distance between the nodes, pixels of the result.
        sigma: standard deviation of a node's displacement in x and in y, pixels of the result.

    Raises:
        ValueError: neighbouring nodes would often change places, so that the image folds: sigma > spacing / 4.
    """

    spacing: float = 64.0
    sigma: float = 6.0

    def __post_init__(self) -> None:
        if self.spacing < 2 or not 0 <= self.sigma <= self.spacing / 4:
            raise ValueError(
                f"elastic deformation with spacing {self.spacing} and sigma {self.sigma} folds the image: "
                "spacing is at least 2 pixels, and sigma at most a quarter of it"
            )


@dataclass(frozen=True)
class WarpView:
    """View of a sample by any mapping from the pixels of the result to places in the image.

    Attributes:
        x, y: (H, W) float32, index coordinates in the image of each pixel of the result.
        step: pixels of the image per pixel of the result, by which the image shrinks.
    """

    x: Array
    y: Array
    step: float

    def image(self, pixels: Array, recolor: Callable[[Array], Array]) -> Array:
        """View an image: (H, W, 3) uint8 to (*size, 3), bilinear, black outside; `recolor` maps the window used."""
        rows, columns = self._window(pixels)
        window = pixels[rows, columns]
        if self.step < 2:
            window = softened(window, (self.step, self.step))
        else:
            height = max(1, round(window.shape[0] / self.step))
            width = max(1, round(window.shape[1] / self.step))
            window = scaled(window, (height, width))
        x, y = _within(self.x, columns, window.shape[1]), _within(self.y, rows, window.shape[0])
        # OpenCV remaps four channels in half the time of three; the rim keeps black out of the outermost pixels.
        window = cv2.cvtColor(recolor(window), cv2.COLOR_RGB2RGBA)
        window = cv2.copyMakeBorder(window, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
        return np.asarray(cv2.cvtColor(_remap(window, x, y, cv2.INTER_LINEAR), cv2.COLOR_RGBA2RGB))

    def plane(self, plane: Array) -> Array:
        """View a map of labels or ids: (H, W) to `size` by the nearest pixel, zero outside."""
        rows, columns = self._window(plane)
        return _remap(plane[rows, columns], self.x - columns.start, self.y - rows.start, cv2.INTER_NEAREST)

    def masks(self, masks: Masks) -> Masks:
        """View masks, each as `plane` does; masks that do not overlap share a plane."""
        rows, columns = self._window(np.empty(masks.size, bool))
        window = masks.sampled(np.arange(rows.start, rows.stop), np.arange(columns.start, columns.stop))
        x, y = self.x - columns.start, self.y - rows.start
        planes = (torch.from_numpy(_remap(plane.numpy(), x, y, cv2.INTER_NEAREST)) for plane in window.planes())
        return Masks.from_ids(planes, len(masks), (self.x.shape[0], self.x.shape[1]))

    @cached_property
    def _reach(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The smallest and the largest y, and x, that are read."""
        return (int(self.y.min()), int(self.y.max())), (int(self.x.min()), int(self.x.max()))

    def _window(self, plane: Array) -> tuple[slice, slice]:
        """Rows and columns of the image that the result needs, with a margin for the interpolation."""
        margin = 2 + int(2 * self.step)
        rows = _clipped(*self._reach[0], margin, plane.shape[0])
        columns = _clipped(*self._reach[1], margin, plane.shape[1])
        if max(rows.stop - rows.start, columns.stop - columns.start) > REMAP_LIMIT:
            raise ValueError(
                f"rotation and elastic deformation take at most {REMAP_LIMIT} pixels a side of an image that is "
                f"{plane.shape[1]}x{plane.shape[0]}: cut it into tiles first, or use the augmentation 'light'"
            )
        return rows, columns


def affine(rows: Span, columns: Span, size: Size, angle: float, flips: tuple[bool, bool]) -> Array:
    """(2, 3): the affine map from pixels of the result (x, y, 1) to pixels of the image, index coordinates.

    Args:
        rows, columns: the scale and the crop.
        size: height and width of the result.
        angle: of the rotation about the middle of the result, radians.
        flips: whether top and bottom, left and right are swapped.
    """
    center = np.array([size[1], size[0]]) / 2
    mirror = np.diag([-1.0 if flips[1] else 1.0, -1.0 if flips[0] else 1.0])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ mirror
    steps = np.array([columns.step, rows.step])
    starts = np.array([columns.start, rows.start]) - steps * (columns.into, rows.into)
    linear = steps[:, None] * turn
    # image + 0.5 = steps · (turn · (result + 0.5 − center) + center) + starts
    return np.column_stack([linear, linear @ (0.5 - center) + steps * center + starts - 0.5])


def coordinates(matrix: Array, size: Size, elastic: Elastic | None, rng: np.random.Generator) -> tuple[Array, Array]:
    """Map each pixel of the result to its place in the image: (H, W) float32 x and y, index coordinates.

    The displacement of row r and column c is the product Wy[r] · G · Wx[c] of cubic weights with the grid's nodes, and
    the affine part is a product of the same form, so one matrix product makes the whole mapping.

    Args:
        matrix: (2, 3), as `affine` returns it.
        size: height and width of the result.
        elastic: the deformation, or None.
        rng: the displacements of the nodes are drawn from it.
    """
    height, width = size
    if elastic is None:
        across, down, nodes = np.zeros((width, 0)), np.zeros((height, 0)), np.zeros((2, 0, 0))
    else:
        across, down = _cubic_weights(width, elastic.spacing), _cubic_weights(height, elastic.spacing)
        nodes = rng.normal(0, elastic.sigma, (2, down.shape[1], across.shape[1]))
    maps = []
    for along_x, along_y, offset in matrix:
        moved = down @ (along_x * nodes[0] + along_y * nodes[1])
        left = np.column_stack([moved, np.ones(height), along_y * np.arange(height)])
        right = np.column_stack([across, along_x * np.arange(width) + offset, np.ones(width)])
        maps.append(left.astype(np.float32) @ right.astype(np.float32).T)
    return maps[0], maps[1]


@lru_cache(maxsize=64)
def _cubic_weights(size: int, spacing: float) -> Array:
    """(size, nodes): the Catmull-Rom weight of each node for each pixel, with one more node on either side."""
    nodes = int(np.ceil(size / spacing)) + 3
    t = np.abs((np.arange(size) + 0.5)[:, None] / spacing + 1 - np.arange(nodes))
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def _clipped(lowest: int, highest: int, margin: int, length: int) -> slice:
    """The pixels from the lowest to the highest one and a margin, of an axis of this length; at least one."""
    first = min(max(0, lowest - margin), length - 1)
    return slice(first, max(first + 1, min(length, highest + margin + 1)))


def _within(at: Array, window: slice, length: int) -> Array:
    """Index coordinates in a window of the image that was resized to `length` and got a rim of one pixel."""
    scale = length / (window.stop - window.start)
    offset = np.float32((0.5 - window.start) * scale + 0.5)
    if scale == 1:
        return at + offset
    return at * np.float32(scale) + offset


def _remap(window: Array, x: Array, y: Array, interpolation: int) -> Array:
    return np.asarray(cv2.remap(window, x, y, interpolation, borderMode=cv2.BORDER_CONSTANT))

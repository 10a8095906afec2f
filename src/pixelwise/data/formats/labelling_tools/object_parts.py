"""Parts of drawn objects: polygons, circles, ellipses and painted bitmaps, and the mask that they make together.

A part is a small dict that goes through JSON. It has one of these keys:

- `polygon`: x1 y1 x2 y2 … in pixels, and optionally `holes`, a list of such polygons;
- `shares`: a polygon as shares of the image's width and height;
- `ellipse`: centre and radii as shares of the image's width and height, and degrees of rotation;
- `counts`: run lengths of zeros, ones, … row by row inside the `box` (left, top, width, height), as in CVAT;
- `png`: a base64 PNG whose non-zero pixels are the object, `at` its left and top pixel, as in LabelMe; `deflated` if
  it is compressed once more, as in Supervisely;
- `brush`: Label Studio's run lengths of RGBA pixels of the whole image.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from ....images.image_file import BROKEN_FILE_ERRORS
from ....masks import Masks
from ....ops.polygons import rasterise
from ....types import Array
from .brush_runs import decode_brush

_MAX_CORNERS = 2000


def object_mask(parts: Sequence[dict[str, Any]], height: int, width: int) -> Masks:
    """Make the mask of one object, the union of its parts.

    Raises:
        ValueError: a part is broken or does not fit the image.
    """
    size = (height, width)
    if all("polygon" in part and "holes" not in part for part in parts):
        return Masks.from_lengths([rasterise([part["polygon"] for part in parts], height, width)], size)
    union = np.zeros(size, bool)
    for part in parts:
        union |= _part_pixels(part, height, width)
    return Masks.from_dense(torch.from_numpy(union)[None])


def rectangle(x1: float, y1: float, x2: float, y2: float) -> list[float]:
    """The corners of a rectangle, x y x y …, of two opposite ones."""
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def ellipse(x: float, y: float, rx: float, ry: float, degrees: float = 0.0) -> list[float]:
    """The corners of a polygon that is an ellipse up to a twentieth of a pixel.

    Args:
        x, y: the centre.
        rx, ry: the radii.
        degrees: rotation of the first radius from the x axis towards the y axis.
    """
    largest = max(abs(rx), abs(ry), 0.1)
    # A chord of angle a leaves the circle by r (1 - cos(a / 2)), about r a² / 8.
    number = min(_MAX_CORNERS, max(16, math.ceil(2 * math.pi / math.sqrt(8 * 0.05 / largest))))
    angles = np.arange(number) * (2 * math.pi / number)
    turn = math.radians(degrees)
    along, across = rx * np.cos(angles), ry * np.sin(angles)
    xs = x + along * math.cos(turn) - across * math.sin(turn)
    ys = y + along * math.sin(turn) + across * math.cos(turn)
    return np.stack([xs, ys], 1).ravel().tolist()


def _part_pixels(part: dict[str, Any], height: int, width: int) -> Array:
    """(H, W) bool: the pixels of one part."""
    if "polygon" in part:
        pixels = _polygon_pixels(part["polygon"], height, width)
        for hole in part.get("holes", ()):
            pixels &= ~_polygon_pixels(hole, height, width)
        return pixels
    if "shares" in part:
        scales = (width, height)
        corners = [value * scales[k % 2] for k, value in enumerate(part["shares"])]
        return _polygon_pixels(corners, height, width)
    if "ellipse" in part:
        x, y, rx, ry, degrees = part["ellipse"]
        return _polygon_pixels(ellipse(x * width, y * height, rx * width, ry * height, degrees), height, width)
    if "counts" in part:
        left, top, box_width, box_height = part["box"]
        return _placed(_box_pixels(part["counts"], box_width, box_height, height * width), left, top, height, width)
    if "png" in part:
        left, top = part["at"]
        bitmap = _png_pixels(part["png"], part.get("deflated", False), height * width)
        return _placed(bitmap, left, top, height, width)
    opacity = decode_brush(part["brush"], height, width).astype(np.int32)
    # Strokes have soft edges; imported masks have 0 and 1, or 0 and some opacity, in place of 0 and 255.
    return np.asarray(2 * opacity > opacity.max())


def _polygon_pixels(corners: list[float], height: int, width: int) -> Array:
    return Masks.from_lengths([rasterise([corners], height, width)], (height, width)).dense()[0].numpy()


def _box_pixels(counts: list[int], box_width: int, box_height: int, most: int) -> Array:
    """(h, w) bool: the pixels of run lengths that go row by row."""
    area = box_width * box_height
    if box_width < 1 or box_height < 1 or area > 4 * most:
        raise ValueError(f"a mask has a box of {box_width}x{box_height} pixels, which does not fit the image")
    if any(count < 0 for count in counts) or sum(counts) != area:
        raise ValueError(
            f"the run lengths of a mask cover {sum(counts)} pixels, but its box of {box_width}x{box_height} has {area}"
        )
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(box_height, box_width)


def _png_pixels(text: str, deflated: bool, most: int) -> Array:
    """(h, w) bool: the non-zero pixels of a PNG in base64."""
    try:
        data = base64.b64decode(text, validate=True)
        if deflated:
            data = zlib.decompressobj().decompress(data, 4 * most + 2**20)
        image = Image.open(io.BytesIO(data), formats=("PNG",))
        if image.width * image.height > most:
            raise ValueError(f"it is {image.width}x{image.height}, larger than the image")
        pixels = np.asarray(image)
    except (*BROKEN_FILE_ERRORS, binascii.Error, zlib.error) as error:
        raise ValueError(f"its mask is no PNG in base64: {error}") from None
    if pixels.ndim == 3:
        # A bitmap with transparency has the object where it is not transparent.
        pixels = pixels[..., 3] if pixels.shape[2] == 4 else pixels.max(2)
    return pixels > 0


def _placed(bitmap: Array, left: int, top: int, height: int, width: int) -> Array:
    """(H, W) bool: a bitmap at its place in the image; what lies outside of it is cut off."""
    whole = np.zeros((height, width), bool)
    first_row, first_column = max(0, -top), max(0, -left)
    inside = bitmap[first_row : max(0, height - top), first_column : max(0, width - left)]
    row, column = max(0, top), max(0, left)
    whole[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
    return whole

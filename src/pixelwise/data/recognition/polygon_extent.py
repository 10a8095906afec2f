"""Polygons of COCO annotations beside the size of their image: those that leave it, and photos that EXIF turns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...images.header import read_header
from ...ops.phrases import counted, few
from ...types import Size
from ..dataset import Fault, Record

_SLACK = 1.0
"""Corners that lie outside the image by less than this, in pixels, are usual."""


def displayed_size(image: Path, size: Size, objects: Sequence[dict[str, Any]]) -> Size:
    """Return the height and width that the polygons of an image were drawn in.

    Some tools write the width and height of the photo as it is stored, although it is shown, and drawn on, turned
    upright as its EXIF orientation says. That is certain if polygons leave the stored size and fit the upright one.

    Args:
        image: the image's file.
        size: height and width that the annotations state.
        objects: the annotations, each with a `segmentation`.

    Returns:
        The upright size of the file in that case, else `size`.
    """
    width, height = _extent(objects)
    if width <= size[1] + _SLACK and height <= size[0] + _SLACK:
        return size
    header = read_header(image)
    turned = header.orientation >= 5 and header.stored == tuple(size)
    fits = height <= header.size[0] + _SLACK and width <= header.size[1] + _SLACK
    return header.size if turned and fits else size


def polygon_faults(record: Record) -> tuple[Fault, ...]:
    """List what is odd about the polygons of an image, which can be read nevertheless."""
    content = json.loads(record.annotations)
    stated = (content["size"][0], content["size"][1])
    objects = content["objects"]
    size = displayed_size(record.image, stated, objects)
    if size != stated:
        text = (
            f"{record.image}: the annotations state {stated[1]}x{stated[0]}, the size of the photo as stored, but the "
            f"polygons were drawn on the upright photo, {size[1]}x{size[0]}, and are read so: swap width and height"
        )
        return (Fault("warning", "orientation", text),)
    outside = []
    for item in objects:
        width, height = _extent([item])
        if width > size[1] + _SLACK or height > size[0] + _SLACK:
            outside.append(item["id"])
    if not outside:
        return ()
    text = (
        f"{record.image}: polygons of {counted(len(outside), 'annotation')} ({few(outside)}) reach beyond the image of "
        f"{size[1]}x{size[0]} and are cut off at its border: were the images resized after they were annotated?"
    )
    return (Fault("warning", "outside", text),)


def _extent(objects: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """The largest x and y of all polygons; 0 if there are none."""
    x = y = 0.0
    for polygon in _polygons(objects):
        x = max(x, *polygon[0::2])
        y = max(y, *polygon[1::2])
    return x, y


def _polygons(objects: Sequence[dict[str, Any]]) -> Iterator[list[float]]:
    """The polygons that are such; broken ones are told when they are read."""
    for item in objects:
        shape = item["segmentation"]
        for polygon in shape if isinstance(shape, list) else ():
            if isinstance(polygon, list) and len(polygon) > 3 and set(map(type, polygon)) <= {int, float}:
                yield polygon

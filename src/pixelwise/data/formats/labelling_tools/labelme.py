"""LabelMe: a JSON file for each image, beside it or in a folder of its own, with a list of shapes.

https://github.com/wkentaro/labelme. Polygons, rectangles, circles and masks are read; shapes of one label and one
`group_id` are one object. Tools that write the same JSON (X-AnyLabeling, ISAT) are read too.
"""

from __future__ import annotations

import base64
import io
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ....ops.atomic_files import write_text
from ....ops.polygons import trace
from ....segmentation import Segmentation
from ...dataset import Dataset, short_names
from ...image_copy import copy_image
from ...recognition.class_names import GivenClasses, GivenColors, GivenVoid
from ...recognition.class_spec import write_classes
from ...recognition.text_lists import read_lines
from .drawn_dataset import dataset_of_drawings, splits_of_drawings
from .drawn_images import Drawings, DrawnImage, DrawnShape, check_label, check_size
from .json_files import check_corners, holds, list_files, probe, read_json
from .object_parts import ellipse, rectangle

_KEYS = ((b"shapes",), (b"imagePath", b"shape_type", b"points"))
_NO_AREA = {"line": "lines", "linestrip": "lines", "point": "points", "points": "points"}


def detect(path: Path) -> str | None:
    """Describe LabelMe's JSON files at a path; None if there are none."""
    files = probe(path, *_KEYS)
    return f"LabelMe annotations such as {files[0].name}" if files else None


def available(path: Path) -> tuple[str, ...]:
    """List the splits that `read` accepts."""
    return splits_of_drawings(_drawings(path))


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """Read a split; the classes are a background and the labels of the shapes, in the order of `labels.txt` or sorted.

    Raises:
        ValueError: there is no such file, one is broken, or its image is not there.
    """
    return dataset_of_drawings(_drawings(path), split, "labelme", classes, void, colors)


def write(dataset: Dataset, path: Path) -> None:
    """Write `SPLIT/NAME.json` beside `SPLIT/NAME.jpg`, copied, and `classes.json`, which only pixelwise reads.

    A segment whose outline is one ring becomes a polygon along the edges of its pixels, any other a mask, so that
    reading gives the same pixels. Crowds carry the flag `crowd`. The background and void pixels are left out.
    """
    folder = path / dataset.split if dataset.split else path
    for i, name in enumerate(short_names(dataset.records)):
        file_name = copy_image(dataset, i, folder / name)
        truth = dataset.truth(i)
        height, width = truth.size
        whole: dict[str, Any] = {
            "version": "5.5.0",
            "flags": {},
            "shapes": _shapes_of(truth),
            "imagePath": file_name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        write_text(folder / f"{name}.json", json.dumps(whole, allow_nan=False))
    write_classes(dataset.classes, (), path / "classes.json")


def _drawings(path: Path) -> Drawings:
    files = [file for file in list_files(path, ".json") if holds(file, *_KEYS)]
    if not files:
        raise ValueError(f"{path} holds no LabelMe annotations: wanted a.json, with shapes and imagePath, beside a.jpg")
    drawings = Drawings(path, "LabelMe", [], _listed_names(path), named_files=False)
    for file in files:
        drawings.images.append(_read_file(file, drawings.left_out))
    return drawings


def _listed_names(path: Path) -> list[str]:
    """The classes in `labels.txt`, which LabelMe takes with --labels."""
    file = path / "labels.txt"
    return read_lines(file) if file.is_file() else []


def _read_file(file: Path, left_out: Counter[str]) -> DrawnImage:
    whole = read_json(file)
    if not isinstance(whole, dict) or not isinstance(whole.get("shapes"), list):
        raise ValueError(f"{file} has no list of shapes: this is not LabelMe's format")
    name = whole.get("imagePath")
    if not isinstance(name, str) or not name.strip():
        name = file.stem + ".jpg"  # the image of the same name, whatever its suffix
    shapes = []
    for number, item in enumerate(whole["shapes"]):
        where = f"shape {number + 1}"
        shape = _read_shape(item, f"{file}, {where}", where, left_out)
        if shape is not None:
            shapes.append(shape)
    size = check_size(whole.get("imageHeight"), whole.get("imageWidth"), str(file))
    return DrawnImage(file, name, size, shapes, other_name=file.stem + ".jpg")


def _read_shape(item: Any, place: str, where: str, left_out: Counter[str]) -> DrawnShape | None:
    """One shape; None if it has no area, which is counted."""
    if not isinstance(item, dict):
        raise ValueError(f"{place} is {str(item)[:60]}: wanted a shape with label and points")
    kind = item.get("shape_type") or "polygon"
    if kind in _NO_AREA:
        left_out[_NO_AREA[kind]] += 1
        return None
    corners = check_corners(item.get("points"), place)
    label = check_label(item.get("label"), place)
    part = _part(kind, corners, item, place)
    if part is None:
        left_out[f"{kind}s with too few points"] += 1
        return None
    flags = item.get("flags")
    crowd = isinstance(flags, dict) and flags.get("crowd") is True
    group = item.get("group_id")
    return DrawnShape(label, part, where, group if isinstance(group, (int, float, str)) else None, crowd)


def _part(kind: str, corners: list[float], item: dict[str, Any], place: str) -> dict[str, Any] | None:
    """The pixels of a shape; None if it has too few points."""
    number = len(corners) // 2
    if kind == "mask":
        text = item.get("mask")
        if number < 1 or not isinstance(text, str):
            raise ValueError(f"{place} is a mask without pixels: wanted two corners and a PNG in base64")
        return {"png": text, "at": [round(corners[0]), round(corners[1])]}
    if kind == "circle":
        if number < 2:
            return None
        x, y, x2, y2 = corners[:4]
        radius = math.hypot(x2 - x, y2 - y)
        return {"polygon": ellipse(x, y, radius, radius)}
    if kind == "rectangle" and number == 2:
        x, y, x2, y2 = corners
        return {"polygon": rectangle(x, y, x2, y2)}
    if kind not in ("polygon", "rectangle", "rotation"):
        raise ValueError(f"{place} is of the kind {kind!r}: polygon, rectangle, circle and mask are read")
    return {"polygon": corners} if number >= 3 else None


def _shapes_of(truth: Segmentation) -> list[dict[str, Any]]:
    masks = truth.as_masks()
    shapes = []
    # LabelMe draws the last shape on top, a segmentation the first segment.
    for n in reversed(range(len(truth))):
        label = int(truth.labels[n])
        if label == truth.classes.background:
            continue
        crop, (left, top) = masks.crop(n)
        rings = trace(crop)
        if not rings:
            continue
        shape = {
            "label": truth.classes.names[label],
            "group_id": None,
            "description": "",
            "flags": {"crowd": True} if truth.crowd[n] else {},
            "mask": None,
        }
        if len(rings) == 1:
            points = [[x + left, y + top] for x, y in rings[0]]
            shapes.append({**shape, "shape_type": "polygon", "points": points})
            continue
        data = io.BytesIO()
        Image.fromarray(crop.numpy().astype(np.uint8) * 255).save(data, "PNG")
        height, width = crop.shape
        corners = [[left, top], [left + width - 1, top + height - 1]]
        text = base64.b64encode(data.getvalue()).decode()
        shapes.append({**shape, "shape_type": "mask", "points": corners, "mask": text})
    return shapes

"""VGG Image Annotator (VIA 2): a JSON file of annotations, or a saved project, beside its images.

https://www.robots.ox.ac.uk/~vgg/software/via/. Polygons, rectangles, circles and ellipses are read, each an object. An
attribute of the regions tells the class.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

from ....ops.phrases import few
from ...dataset import Dataset
from ...recognition.class_names import GivenClasses, GivenColors, GivenVoid
from .drawn_dataset import dataset_of_drawings, splits_of_drawings
from .drawn_images import Drawings, DrawnImage, DrawnShape, check_label
from .json_files import check_number, holds, list_files, probe, read_json
from .object_parts import ellipse, rectangle

UNNAMED = "object"
"""The class of regions without attributes."""

_KEYS = ((b"shape_attributes", b"_via_img_metadata", b"file_attributes"),)
_NO_MASKS = {"polyline": "polylines", "point": "points"}
_CLASS_ATTRIBUTES = ("class", "label", "category", "name", "type", "object")
"""Attributes that usually tell the class, the likeliest first."""


def detect(path: Path) -> str | None:
    """Describe VIA's JSON files at a path; None if there are none."""
    files = probe(path, *_KEYS)
    return f"annotations of the VGG Image Annotator in {files[0].name}" if files else None


def available(path: Path) -> tuple[str, ...]:
    """List the splits that `read` accepts."""
    return splits_of_drawings(_drawings(path, None))


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """Read a split; the classes are a background and the values of the attribute that tells the class.

    Args:
        path: the data set's folder, or one JSON file.
        split: "train", "val", …, None for everything.
        classes: the classes to keep, in this order, with the background's name before them or not; all by default.
            If the regions have no attributes, the name of their one class.
        void: must be None.
        colors: must be None.

    Raises:
        ValueError: there is no such file, one is broken, or its images are not there.
    """
    return dataset_of_drawings(_drawings(path, classes), split, "via", classes, void, colors)


def _drawings(path: Path, classes: GivenClasses) -> Drawings:
    files = [file for file in list_files(path, ".json") if holds(file, *_KEYS)]
    if not files:
        raise ValueError(
            f"{path} holds no annotations of the VGG Image Annotator: wanted the JSON file of its export, "
            "with shape_attributes, beside the images"
        )
    contents = {file: read_json(file) for file in files}
    images = [(file, key, item) for file, whole in contents.items() for key, item in _images(file, whole)]
    regions = [region for file, key, item in images for region in _regions(file, key, item)]
    attribute, note = _class_attribute(regions)
    drawings = Drawings(path, "VGG Image Annotator", [], notes=[note])
    for whole in contents.values():
        drawings.names += _options(whole, attribute)
    unnamed = _only_name(classes) if attribute is None else ""
    for file, key, item in images:
        drawings.images.append(_drawn_image(file, key, item, attribute, unnamed, drawings.left_out))
    return drawings


def _images(file: Path, whole: Any) -> list[tuple[str, dict[str, Any]]]:
    """The entries of a file, with their keys."""
    entries = whole.get("_via_img_metadata", whole) if isinstance(whole, dict) else whole
    if not isinstance(entries, dict):
        raise ValueError(f"{file} has no entry for each image: wanted {{key: {{filename, regions}}}} as VIA exports it")
    for key, item in entries.items():
        if not isinstance(item, dict) or not isinstance(item.get("filename"), str):
            raise ValueError(f"{file}, image {key[:60]!r}: it has no filename: this is not VIA's format")
    return list(entries.items())


def _regions(file: Path, key: str, item: dict[str, Any]) -> list[dict[str, Any]]:
    """The regions of an image: a list, or in older files numbered entries."""
    regions = item.get("regions") or []
    if isinstance(regions, dict):
        regions = list(regions.values())
    if not isinstance(regions, list):
        raise ValueError(f"{file}, image {key[:60]!r}: regions are {str(regions)[:60]}: wanted a list")
    for number, region in enumerate(regions):
        if not isinstance(region, dict) or not isinstance(region.get("shape_attributes"), dict):
            raise ValueError(f"{file}, image {key[:60]!r}, region {number + 1}: it has no shape_attributes")
    return regions


def _class_attribute(regions: list[dict[str, Any]]) -> tuple[str | None, str]:
    """The attribute that tells the class, None if there is none; and a note."""
    filled: Counter[str] = Counter()
    for region in regions:
        filled.update(name for name, value in _attributes(region).items() if _value(value) is not None)
    if not filled:
        return None, "the regions have no attribute: all are of one class, which --classes names"
    usual = [name for name in filled if name.strip().lower() in _CLASS_ATTRIBUTES]
    candidates = usual or list(filled)
    # Of several, the one that most regions have; of equally many, the likeliest name, then the first.
    order = {name: k for k, name in enumerate(_CLASS_ATTRIBUTES)}
    best = min(candidates, key=lambda name: (-filled[name], order.get(name.strip().lower(), len(order))))
    others = [name for name in filled if name != best]
    note = f"the attribute {best!r} of a region tells its class"
    return best, f"{note}; not read: {few(others)}" if others else note


def _attributes(region: dict[str, Any]) -> dict[str, Any]:
    attributes = region.get("region_attributes")
    return attributes if isinstance(attributes, dict) else {}


def _value(value: Any) -> str | None:
    """The value of an attribute: a text, or the only option that is ticked."""
    if isinstance(value, dict):
        ticked = [key for key, on in value.items() if on]
        return ticked[0] if len(ticked) == 1 else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) and value.strip() else None


def _options(whole: Any, attribute: str | None) -> list[str]:
    """The values that a project offers for an attribute, in its order."""
    try:
        options = whole["_via_attributes"]["region"][attribute]["options"]
    except (KeyError, TypeError):
        return []
    return [name.strip() for name in options if name.strip()] if isinstance(options, dict) else []


def _only_name(classes: GivenClasses) -> str:
    """The name of the one class of regions without attributes."""
    if classes is None:
        return UNNAMED
    if isinstance(classes, str):
        return classes.rpartition(",")[2].strip()
    return classes[-1] if isinstance(classes, (list, tuple)) else classes.names[-1]  # type: ignore[union-attr]


def _drawn_image(
    file: Path, key: str, item: dict[str, Any], attribute: str | None, unnamed: str, left_out: Counter[str]
) -> DrawnImage:
    shapes = []
    for number, region in enumerate(_regions(file, key, item)):
        where = f"region {number + 1}"
        place = f"{file}, image {item['filename']!r}, {where}"
        part = _part(region["shape_attributes"], place, left_out)
        if part is None:
            continue
        value = None if attribute is None else _value(_attributes(region).get(attribute))
        if value is None and attribute is not None:
            left_out[f"regions without {attribute}"] += 1
            continue
        shapes.append(DrawnShape(check_label(value or unnamed, place), part, where))
    return DrawnImage(file, item["filename"], None, shapes)


def _part(shape: dict[str, Any], place: str, left_out: Counter[str]) -> dict[str, Any] | None:
    """The pixels of a region; None if it has no area, which is counted."""
    kind = shape.get("name")
    if kind in _NO_MASKS:
        left_out[_NO_MASKS[kind]] += 1
        return None
    if kind == "polygon":
        corners = _corners(shape, place)
        if len(corners) < 6:
            left_out["polygons with too few points"] += 1
            return None
        return {"polygon": corners}
    if kind == "rect":
        x, y, width, height = _numbers(shape, ("x", "y", "width", "height"), place)
        return {"polygon": rectangle(x, y, x + width, y + height)}
    if kind == "circle":
        x, y, radius = _numbers(shape, ("cx", "cy", "r"), place)
        return {"polygon": ellipse(x, y, radius, radius)}
    if kind == "ellipse":
        x, y, rx, ry = _numbers(shape, ("cx", "cy", "rx", "ry"), place)
        turn = check_number(shape.get("theta") or 0, f"{place}: theta")
        return {"polygon": ellipse(x, y, rx, ry, math.degrees(turn))}
    raise ValueError(f"{place} is of the kind {str(kind)[:40]!r}: polygon, rect, circle and ellipse are read")


def _corners(shape: dict[str, Any], place: str) -> list[float]:
    xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
    if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys):
        raise ValueError(f"{place}: wanted all_points_x and all_points_y, two lists of the same length")
    corners = []
    for x, y in zip(xs, ys, strict=True):
        corners += [check_number(x, f"{place}: an x"), check_number(y, f"{place}: a y")]
    return corners


def _numbers(shape: dict[str, Any], names: tuple[str, ...], place: str) -> list[float]:
    return [check_number(shape.get(name), f"{place}: {name}") for name in names]

"""Supervisely: `meta.json`, and for each image of a data set `img/a.jpg` and `ann/a.jpg.json`.

https://docs.supervisely.com/customization-and-integration/00_ann_format_navi. Polygons with holes, bitmaps and
rectangles are read, each an object.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from ...dataset import Dataset
from ...recognition.class_names import GivenClasses, GivenColors, GivenVoid
from .drawn_dataset import dataset_of_drawings, splits_of_drawings
from .drawn_images import Drawings, DrawnImage, DrawnShape, check_label, check_size
from .json_files import check_corners, check_number, holds, list_files, probe, read_json
from .object_parts import rectangle

_KEYS = ((b"objects",), (b"classTitle", b"geometryType", b"size"), (b"tags", b"classTitle"))


def detect(path: Path) -> str | None:
    """Describe Supervisely's JSON files at a path; None if there are none."""
    files = [file for file in probe(path, *_KEYS) if _is_annotation(file)]
    return f"Supervisely annotations such as {files[0].name}" if files else None


def available(path: Path) -> tuple[str, ...]:
    """List the splits that `read` accepts."""
    return splits_of_drawings(_drawings(path))


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """Read a split; the classes are a background and those of `meta.json`, in its order.

    Raises:
        ValueError: there is no such file, one is broken, or its image is not there.
    """
    return dataset_of_drawings(_drawings(path), split, "supervisely", classes, void, colors)


def _is_annotation(file: Path) -> bool:
    """Tell Supervisely's files, called as an image and .json, or in a folder `ann`, from others with such keys."""
    return file.parent.name == "ann" or "." in file.stem


def _drawings(path: Path) -> Drawings:
    files = [file for file in list_files(path, ".json") if holds(file, *_KEYS) and _is_annotation(file)]
    if not files:
        raise ValueError(
            f"{path} holds no Supervisely annotations: wanted meta.json and, in each data set, img/a.jpg and "
            "ann/a.jpg.json"
        )
    drawings = Drawings(path, "Supervisely", [], _listed_names(path), named_files=False)
    for file in files:
        drawings.images.append(_read_file(file, drawings.left_out))
    return drawings


def _listed_names(path: Path) -> list[str]:
    """The classes in `meta.json`, but for those that are no masks."""
    file = path / "meta.json"
    whole = read_json(file) if file.is_file() else None
    classes = whole.get("classes") if isinstance(whole, dict) else None
    names = []
    for item in classes if isinstance(classes, list) else []:
        if isinstance(item, dict) and item.get("shape") not in ("point", "line", "graph"):
            names.append(check_label(item.get("title"), f"{file}: a class"))
    return names


def _read_file(file: Path, left_out: Counter[str]) -> DrawnImage:
    whole = read_json(file)
    if not isinstance(whole, dict) or not isinstance(whole.get("objects"), list):
        raise ValueError(f"{file} has no list of objects: this is not Supervisely's format")
    shapes = []
    for number, item in enumerate(whole["objects"]):
        where = f"object {number + 1}"
        place = f"{file}, {where}"
        if not isinstance(item, dict):
            raise ValueError(f"{place} is {str(item)[:60]}: wanted an object with classTitle and geometryType")
        part = _part(item, place, left_out)
        if part is not None:
            shapes.append(DrawnShape(check_label(item.get("classTitle"), place), part, where))
    stated = whole.get("size")
    size = check_size(stated.get("height"), stated.get("width"), str(file)) if isinstance(stated, dict) else None
    return DrawnImage(file, file.stem, size, shapes)


def _part(item: dict[str, Any], place: str, left_out: Counter[str]) -> dict[str, Any] | None:
    """The pixels of an object; None if it has no area, which is counted."""
    kind = item.get("geometryType")
    if kind == "bitmap":
        return _bitmap(item.get("bitmap"), place)
    points = item.get("points")
    if kind not in ("polygon", "rectangle") or not isinstance(points, dict):
        left_out[f"objects of the kind {str(kind)[:40]}"] += 1
        return None
    corners = check_corners(points.get("exterior"), place)
    if kind == "rectangle" and len(corners) == 4:
        return {"polygon": rectangle(*corners)}
    if len(corners) < 6:
        left_out["polygons with too few points"] += 1
        return None
    holes = [check_corners(hole, place) for hole in points.get("interior") or []]
    return {"polygon": corners, "holes": holes} if holes else {"polygon": corners}


def _bitmap(bitmap: Any, place: str) -> dict[str, Any]:
    """A bitmap: a PNG, compressed once more, at its origin."""
    if not isinstance(bitmap, dict) or not isinstance(bitmap.get("data"), str):
        raise ValueError(f"{place} is a bitmap without data: wanted a PNG in base64 and its origin")
    origin = bitmap.get("origin")
    if not isinstance(origin, list) or len(origin) != 2:
        raise ValueError(f"{place}: its origin is {str(origin)[:40]}: wanted [x, y]")
    left, top = [int(check_number(value, f"{place}: origin")) for value in origin]
    return {"png": bitmap["data"], "at": [left, top], "deflated": True}

"""CVAT for images 1.1: `annotations.xml` beside `images/`, with polygons, painted masks and ellipses.

https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat/. Boxes, polylines, points and tags are counted and left
out. Shapes of one label and one `group_id` are one object.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ....ops.atomic_files import write_text
from ....segmentation import Segmentation
from ...dataset import Dataset, short_names
from ...image_copy import copy_image
from ...recognition.class_names import GivenClasses, GivenColors, GivenVoid
from ...recognition.class_spec import write_classes
from .drawn_dataset import dataset_of_drawings, splits_of_drawings
from .drawn_images import Drawings, DrawnImage, DrawnShape, check_label, check_size
from .json_files import check_number, list_files
from .object_parts import ellipse
from .safe_xml import parse_xml

_NO_MASKS = {
    "box": "boxes",
    "polyline": "polylines",
    "points": "points",
    "tag": "tags",
    "cuboid": "cuboids",
    "skeleton": "skeletons",
}
_LABELS_WITHOUT_MASKS = ("rectangle", "polyline", "points", "tag", "cuboid", "skeleton")
_HEAD = 100_000
_MAX_PROBED = 40


def detect(path: Path) -> str | None:
    """Describe CVAT's XML files at a path; None if there are none."""
    files = [file for file in list_files(path, ".xml")[:_MAX_PROBED] if _is_cvat(file)]
    return f"CVAT annotations in {files[0].name}" if files else None


def available(path: Path) -> tuple[str, ...]:
    """List the splits that `read` accepts."""
    return splits_of_drawings(_drawings(path))


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """Read a split; the classes are a background and the labels of the task, in its order.

    Raises:
        ValueError: there is no such file, one is broken, or its images are not there.
    """
    return dataset_of_drawings(_drawings(path), split, "cvat", classes, void, colors)


def write(dataset: Dataset, path: Path) -> None:
    """Write `SPLIT/annotations.xml`, `SPLIT/images/`, copied, and `classes.json`, which only pixelwise reads.

    Every segment but the background becomes a painted mask, so that reading gives the same pixels. Crowds carry an
    attribute `crowd`. Void pixels are left out.
    """
    folder = path / dataset.split if dataset.split else path
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    labels = ElementTree.SubElement(task, "labels")
    for k, name in enumerate(dataset.classes.names):
        if k != dataset.classes.background:
            label = ElementTree.SubElement(labels, "label")
            ElementTree.SubElement(label, "name").text = name
            red, green, blue = dataset.classes.colors[k]
            ElementTree.SubElement(label, "color").text = f"#{red:02x}{green:02x}{blue:02x}"
    for i, name in enumerate(short_names(dataset.records)):
        file_name = copy_image(dataset, i, folder / "images" / name)
        truth = dataset.truth(i)
        size = {"height": str(truth.size[0]), "width": str(truth.size[1])}
        image = ElementTree.SubElement(root, "image", {"id": str(i), "name": file_name, **size})
        _write_masks(truth, image)
    ElementTree.indent(root, " ")
    text = ElementTree.tostring(root, encoding="unicode")
    write_text(folder / "annotations.xml", f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n')
    write_classes(dataset.classes, (), path / "classes.json")


def _is_cvat(file: Path) -> bool:
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
    return b"<annotations" in head and (b"<image" in head or b"<track" in head or b"<meta" in head)


def _drawings(path: Path) -> Drawings:
    files = [file for file in list_files(path, ".xml") if _is_cvat(file)]
    if not files:
        raise ValueError(
            f"{path} holds no CVAT annotations: wanted annotations.xml beside images/, exported as CVAT for images 1.1"
        )
    drawings = Drawings(path, "CVAT", [])
    for file in files:
        _FileReader(file, drawings).read()
    return drawings


class _FileReader:
    """Reads one XML file, element by element, into drawings."""

    def __init__(self, file: Path, drawings: Drawings) -> None:
        self.file, self.drawings = file, drawings
        self.image: DrawnImage | None = None
        self.shape: DrawnShape | None = None
        self.levels: list[tuple[int, DrawnShape]] = []  # the shapes of an image, with how high they lie
        self.label, self.label_type = "", ""

    def read(self) -> None:
        """Read the whole file."""
        parse_xml(self.file, self._start, self._end)

    def _start(self, path: list[str], attributes: Mapping[str, str]) -> None:
        element = path[-1]
        if element == "track":
            raise ValueError(
                f"{self.file} holds tracks of a video: export the task as CVAT for images 1.1, with its images"
            )
        if element == "image":
            self._start_image(attributes)
        elif self.image is not None and len(path) >= 2 and path[-2] == "image":
            self._start_shape(element, attributes)

    def _start_image(self, attributes: Mapping[str, str]) -> None:
        name = attributes.get("name")
        place = f"{self.file}, image {attributes.get('id', '')}"
        if not name:
            raise ValueError(f"{place} has no name: wanted the name of its file")
        size = check_size(attributes.get("height"), attributes.get("width"), f"{self.file}, image {name!r}")
        subset = attributes.get("subset", "").strip()
        split = None if subset.lower() in ("", "default") else subset
        self.image = DrawnImage(self.file, name, size, [], split)
        self.levels = []

    def _start_shape(self, element: str, attributes: Mapping[str, str]) -> None:
        assert self.image is not None
        if element in _NO_MASKS:
            self.drawings.left_out[_NO_MASKS[element]] += 1
            return
        if element not in ("polygon", "mask", "ellipse"):
            return
        where = f"{element} {len(self.levels) + 1}"
        place = f"{self.file}, image {self.image.name!r}, {where}"
        part = _part(element, attributes, place)
        if part is None:
            self.drawings.left_out["polygons with too few points"] += 1
            return
        label = check_label(attributes.get("label"), place)
        group = attributes.get("group_id", "0")
        self.shape = DrawnShape(label, part, where, None if group in ("", "0") else group)
        level = int(check_number(attributes.get("z_order") or 0, f"{place}: z_order"))
        self.levels.append((level, self.shape))

    def _end(self, path: list[str], attributes: Mapping[str, str], text: str) -> None:
        element, parent = path[-1], path[-2] if len(path) > 1 else ""
        if element == "image" and self.image is not None:
            # Of equal heights, the order of the file stays.
            self.levels.sort(key=lambda pair: pair[0])
            self.image.shapes = [shape for _, shape in self.levels]
            self.drawings.images.append(self.image)
            self.image = None
        elif element in ("polygon", "mask", "ellipse"):
            self.shape = None
        elif element == "attribute" and self.shape is not None and attributes.get("name") == "crowd":
            self.shape.crowd = text.strip().lower() == "true"
        elif "label" in (element, parent):
            self._end_label(element, parent, text.strip())

    def _end_label(self, element: str, parent: str, text: str) -> None:
        """Read an element of the list of labels."""
        if parent == "label" and element == "name":
            self.label = text
        elif parent == "label" and element == "type":
            self.label_type = text
        elif element == "label":
            if self.label and self.label_type not in _LABELS_WITHOUT_MASKS:
                self.drawings.names.append(self.label)
            self.label = self.label_type = ""


def _part(element: str, attributes: Mapping[str, str], place: str) -> dict[str, Any] | None:
    """The pixels of a shape; None if it has too few points."""
    if element == "polygon":
        corners = _corners(attributes.get("points", ""), place)
        return {"polygon": corners} if len(corners) >= 6 else None
    if element == "ellipse":
        x, y, rx, ry = _numbers(attributes, ("cx", "cy", "rx", "ry"), place)
        return {"polygon": ellipse(x, y, rx, ry, check_number(attributes.get("rotation") or 0, f"{place}: rotation"))}
    box = [int(value) for value in _numbers(attributes, ("left", "top", "width", "height"), place)]
    return {"counts": _run_lengths(attributes.get("rle", ""), place), "box": box}


def _corners(text: str, place: str) -> list[float]:
    """The corners of a polygon, written as x,y;x,y;…"""
    corners = []
    for pair in text.split(";"):
        values = pair.split(",") if pair.strip() else []
        if len(values) not in (0, 2):
            raise ValueError(f"{place}: points are {text[:60]!r}: wanted x,y;x,y;…")
        for value in values:
            corners.append(check_number(value, f"{place}: a coordinate"))
    return corners


def _numbers(attributes: Mapping[str, str], names: tuple[str, ...], place: str) -> list[float]:
    return [check_number(attributes.get(name), f"{place}: {name}") for name in names]


def _run_lengths(text: str, place: str) -> list[int]:
    counts = []
    for number in text.split(","):
        digits = number.strip()
        if not digits.isascii() or not digits.isdigit() or len(digits) > 12:
            raise ValueError(f"{place}: its rle holds {number[:20]!r}: wanted the lengths of runs, as 27, 6, 6")
        counts.append(int(digits))
    return counts


def _write_masks(truth: Segmentation, image: ElementTree.Element) -> None:
    masks = truth.as_masks()
    # CVAT draws the highest z_order on top, a segmentation the first segment.
    for level, n in enumerate(reversed(range(len(truth)))):
        label = int(truth.labels[n])
        crop, (left, top) = masks.crop(n)
        if label == truth.classes.background or not crop.any():
            continue
        height, width = crop.shape
        values = crop.numpy().ravel()
        changes = np.flatnonzero(np.diff(values)) + 1
        lengths = np.diff([0, *changes.tolist(), len(values)]).tolist()
        if values[0]:
            lengths = [0, *lengths]  # runs begin with zeros
        attributes = {
            "label": truth.classes.names[label],
            "source": "manual",
            "occluded": "0",
            "rle": ", ".join(map(str, lengths)),
            "left": str(left),
            "top": str(top),
            "width": str(width),
            "height": str(height),
            "z_order": str(level),
        }
        element = ElementTree.SubElement(image, "mask", attributes)
        if truth.crowd[n]:
            ElementTree.SubElement(element, "attribute", {"name": "crowd"}).text = "true"

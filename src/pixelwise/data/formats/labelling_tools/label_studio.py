"""Label Studio's own JSON: the exports JSON and JSON-MIN, with polygons, ellipses and brush strokes.

https://labelstud.io/guide/export. Coordinates are percent of width and height. Each region is an object. The COCO
export of Label Studio is read as `coco`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ....images.file_names import IMAGE_SUFFIXES
from ....ops.phrases import counted
from ...dataset import Dataset
from ...recognition.class_names import GivenClasses, GivenColors, GivenVoid
from .drawn_dataset import dataset_of_drawings, splits_of_drawings
from .drawn_images import Drawings, DrawnImage, DrawnShape, check_label, check_size
from .json_files import check_corners, check_number, holds, list_files, probe, read_json

_KEYS = ((b"polygonlabels", b"brushlabels", b"ellipselabels", b"PolygonLabels", b"BrushLabels", b"original_width"),)
_NO_MASKS = {"rectangle": "boxes", "keypoint": "points", "vector": "lines"}
_IMAGE_KEYS = ("image", "img", "url", "image_url")


def detect(path: Path) -> str | None:
    """Describe Label Studio's JSON files at a path; None if there are none."""
    files = probe(path, *_KEYS)
    return f"Label Studio annotations in {files[0].name}" if files else None


def available(path: Path) -> tuple[str, ...]:
    """List the splits that `read` accepts."""
    return splits_of_drawings(_drawings(path))


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """Read a split; the classes are a background and the labels of the regions, sorted.

    Raises:
        ValueError: there is no such file, one is broken, or its images are not there.
    """
    return dataset_of_drawings(_drawings(path), split, "label-studio", classes, void, colors)


def _drawings(path: Path) -> Drawings:
    files = [file for file in list_files(path, ".json") if holds(file, *_KEYS)]
    if not files:
        raise ValueError(
            f"{path} holds no Label Studio annotations: wanted the JSON file of its export, with polygonlabels or "
            "brushlabels, beside the images"
        )
    drawings = Drawings(path, "Label Studio", [])
    several = 0
    for file in files:
        whole = read_json(file)
        tasks = whole if isinstance(whole, list) else [whole]
        for number, task in enumerate(tasks):
            place = f"{file}, task {number + 1}"
            if not isinstance(task, dict):
                raise ValueError(f"{place} is {str(task)[:60]}: wanted a task with data and annotations")
            results = _results(task, place)
            several += len(results) > 1
            drawings.images.append(_drawn_image(file, task, results, place, drawings.left_out))
    if several:
        drawings.notes.append(
            f"{counted(several, 'image has', 'images have')} several annotations: the first not cancelled is read"
        )
    return drawings


def _results(task: dict[str, Any], place: str) -> list[list[dict[str, Any]]]:
    """The regions of each annotation of a task that was not cancelled; those said to be the ground truth come first."""
    annotations = task.get("annotations", task.get("completions"))
    if annotations is None:
        return [_short_regions(task)]
    if not isinstance(annotations, list):
        raise ValueError(f"{place}: annotations are {str(annotations)[:60]}: wanted a list")
    kept = []
    for annotation in annotations:
        if not isinstance(annotation, dict) or not isinstance(annotation.get("result"), list):
            raise ValueError(f"{place}: an annotation has no list called result")
        if not (annotation.get("was_cancelled") or annotation.get("skipped")):
            kept.append(annotation)
    kept.sort(key=lambda annotation: not annotation.get("ground_truth"))
    results = []
    for annotation in kept:
        results.append([item for item in annotation["result"] if isinstance(item, dict)])
    return results


def _short_regions(task: dict[str, Any]) -> list[dict[str, Any]]:
    """The regions of the export JSON-MIN, where each is a list under the name of its control."""
    regions = []
    for value in task.values():
        for item in value if isinstance(value, list) else ():
            if isinstance(item, dict) and "original_width" in item:
                regions.append({**item, "value": item, "type": ""})
    return regions


def _drawn_image(
    file: Path, task: dict[str, Any], results: list[list[dict[str, Any]]], place: str, left_out: Counter[str]
) -> DrawnImage:
    regions = results[0] if results else []
    size = None
    shapes = []
    labels = _labels_of_regions(regions)
    done = set()
    for number, item in enumerate(regions):
        key = item.get("id") or f"number {number}"
        where = f"region {number + 1}"
        if check_number(item.get("image_rotation") or 0, f"{place}, {where}: image_rotation"):
            raise ValueError(f"{place}, {where}: the image was turned in Label Studio: turn the file, and set it to 0")
        part = _part(item.get("value"), f"{place}, {where}", left_out)
        # The label of a region may be an entry of its own, with the same id and the same shape.
        if part is None or key in done:
            continue
        if key not in labels:
            left_out["regions without a label"] += 1
            continue
        done.add(key)
        stated = check_size(item.get("original_height"), item.get("original_width"), place)
        if "brush" in part:
            # Percent are of the image as it is shown, whatever size is stated; run lengths are of that size.
            size = size or stated
        shapes.append(DrawnShape(check_label(labels[key], f"{place}, {where}"), part, where))
    upload = task.get("file_upload")
    return DrawnImage(
        file, _image_name(task, place), size, shapes, other_name=upload if isinstance(upload, str) else None
    )


def _image_name(task: dict[str, Any], place: str) -> str:
    """The image of a task: the usual key of its data, or a text that names an image file."""
    data = task["data"] if isinstance(task.get("data"), dict) else task
    for key in (*_IMAGE_KEYS, *data):
        value = data.get(key)
        if isinstance(value, str) and (key in _IMAGE_KEYS or value.lower().endswith(IMAGE_SUFFIXES)):
            return value
    raise ValueError(f"{place} names no image: wanted its path in data, under image")


def _labels_of_regions(regions: list[dict[str, Any]]) -> dict[Any, Any]:
    """The label of each region that has one, by the region's id."""
    labels: dict[Any, Any] = {}
    for number, item in enumerate(regions):
        value = item.get("value")
        for key, names in _label_lists(value):
            if names and key.endswith("labels"):
                labels.setdefault(item.get("id") or f"number {number}", names[0])
    return labels


def _label_lists(value: Any) -> Iterator[tuple[str, list[Any]]]:
    for key, names in value.items() if isinstance(value, dict) else ():
        if isinstance(names, list):
            yield key, names


def _part(value: Any, place: str, left_out: Counter[str]) -> dict[str, Any] | None:
    """The pixels of a region; None if it has no mask, which is counted."""
    if not isinstance(value, dict):
        return None
    if "points" in value:
        corners = check_corners(value["points"], place)
        if len(corners) < 6:
            left_out["polygons with too few points"] += 1
            return None
        return {"shares": [corner / 100 for corner in corners]}
    if "rle" in value:
        if not isinstance(value["rle"], list):
            raise ValueError(f"{place}: rle is {str(value['rle'])[:40]}: wanted a list of bytes")
        return {"brush": value["rle"]}
    if "radiusX" in value:
        return _ellipse(value, place)
    for key in value:
        kind = key.removesuffix("labels")
        if kind in _NO_MASKS and key != kind:
            left_out[_NO_MASKS[kind]] += 1
    return None


def _ellipse(value: dict[str, Any], place: str) -> dict[str, Any]:
    numbers = []
    for name in ("x", "y", "radiusX", "radiusY"):
        numbers.append(check_number(value.get(name), f"{place}: {name}") / 100)
    degrees = check_number(value.get("rotation") or 0, f"{place}: rotation")
    return {"ellipse": [*numbers, degrees]}

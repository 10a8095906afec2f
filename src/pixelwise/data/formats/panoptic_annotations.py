"""COCO panoptic for writing: a PNG for each image, whose colours are the numbers of its segments, and one JSON file.

The number of a segment is R + 256 G + 65536 B, 0 is void (Kirillov et al., "Panoptic Segmentation", CVPR 2019, and the
panoptic API of its authors).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...classes import Classes, Color
from ...images.png import write_png
from ...ops.atomic_files import write_text
from ...segmentation import Segmentation

WEIGHTS = (1, 256, 65536)
"""Factors of red, green and blue in the number of a segment."""

# The numbers up to 200 that COCO does not give to one of its 80 things and 53 kinds of stuff, which come in this order.
_COCO_GAPS = {
    *(12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91, 94, 96, 97, 98, 99, *range(101, 107), 108, 110, 111),
    *(*range(113, 118), 120, 121, 123, 124, 126, 127, 129, 131, 132, *range(134, 138), 139, 140, 142, 143, 146, 150),
    *(152, 153, 157, 158, 160, *range(162, 166), 167, 169, 170, 172, 173, 174, 179, 182, 183),
}


class PanopticAnnotations:
    """Collects the segments of many images, to write them as a folder of PNGs and a JSON file beside it.

    Nothing is lost but segments without pixels and, of masks, pixels that others cover (see `flattened`). Each image is
    written when it is added. The first segment of a class has the colour of the class, the others one close to it.

    Args:
        classes: of all images; as categories they have the numbers 1, 2, …, or COCO's if they are COCO's.
        folder: the folder of the PNGs.
        scores: whether each segment has a score, as predictions do and ground truth does not.
        info: a description of the data for the JSON, besides the classes.
    """

    def __init__(self, classes: Classes, folder: Path, *, scores: bool, info: Mapping[str, Any] | None = None) -> None:
        self.classes, self.folder, self.scores, self.info = classes, folder, scores, dict(info or {})
        self._numbers = _category_numbers(classes)
        self._images: dict[int | str, dict[str, Any]] = {}
        self._annotations: list[dict[str, Any]] = []

    def add(self, name: str, segments: Segmentation) -> None:
        """Add the segments of one image, and write its PNG.

        Args:
            name: the image's file in the JSON. The image's id is the number in its name, if that is one, else the name
                without its suffix: so predictions and ground truth agree on it, whichever images they have.
            segments: the segments.

        Raises:
            ValueError: there is an image of this name already.
            OSError: the PNG cannot be written; the error names it.
        """
        stem = Path(name).with_suffix("").as_posix()
        number = self._image_number(stem)
        flat = flattened(segments)
        height, width = flat.size
        areas, boxes, scores = flat.areas().tolist(), flat.boxes().int().tolist(), flat.scores.tolist()
        colors = _Colors(self.classes)
        table = np.zeros((len(flat) + 1, 3), np.uint8)
        infos = []
        for n, label in enumerate(flat.labels.tolist()):
            if not areas[n]:
                continue
            table[n + 1] = color = colors.next(label)
            x1, y1, x2, y2 = boxes[n]
            info = {
                "id": sum(value * weight for value, weight in zip(color, WEIGHTS, strict=True)),
                "category_id": self._numbers[label],
                "area": areas[n],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "iscrowd": int(flat.crowd[n]),
            }
            if self.scores:
                info["score"] = scores[n]
            infos.append(info)
        write_png(self.folder / f"{stem}.png", table[flat.panoptic_map().cpu().numpy()])
        self._images[number] = {"id": number, "file_name": name, "width": width, "height": height}
        self._annotations.append({"image_id": number, "file_name": f"{stem}.png", "segments_info": infos})

    def write(self, path: Path) -> None:
        """Write the JSON file; other programs expect it beside the folder, with its name.

        Raises:
            OSError: it cannot be written; the error names it.
        """
        categories = []
        for k, name in enumerate(self.classes.names):
            category = {
                "id": self._numbers[k],
                "name": name,
                "supercategory": name,
                "isthing": int(self.classes.things[k]),
                "color": list(self.classes.colors[k]),
            }
            categories.append(category)
        whole = {
            "info": {**self.info, "classes": self.classes.to_dict()},
            "images": list(self._images.values()),
            "annotations": self._annotations,
            "categories": categories,
        }
        write_text(path, json.dumps(whole, allow_nan=False))

    def _image_number(self, stem: str) -> int | str:
        """The id of an image: the number that is its name, unless another image has it (1 and 01), or its name."""
        number: int | str = int(stem) if stem.isascii() and stem.isdigit() else stem
        if number in self._images:
            number = stem
        if number in self._images:
            raise ValueError(f"two images would have the number {number!r}: give them different names")
        return number


def flattened(segments: Segmentation) -> Segmentation:
    """Convert segments to `ids`: of overlapping masks the one with the higher score, then the smaller, lies on top.

    Crowds lie below all. The background becomes a segment of its own, the last; if the classes have none, pixels in no
    mask are void.
    """
    if segments.masks is None:
        return segments
    areas, scores, crowds = segments.areas().tolist(), segments.scores.tolist(), segments.crowd.tolist()
    order = sorted(range(len(segments)), key=lambda n: (not crowds[n], scores[n], -areas[n]))
    ids = segments.masks.painted(order)
    labels, confidence, crowd = segments.labels, segments.scores, segments.crowd
    background = segments.classes.background
    if background is not None and bool((ids == 0).any()):
        ids[ids == 0] = len(segments) + 1
        labels = torch.cat([labels, labels.new_tensor([background])])
        confidence = torch.cat([confidence, confidence.new_ones(1)])
        crowd = torch.cat([crowd, crowd.new_zeros(1)])
    return Segmentation(segments.classes, labels, confidence, ids=ids, crowd=crowd)


class _Colors:
    """Colours of the segments of one image, all different and none black, each close to that of its class."""

    def __init__(self, classes: Classes) -> None:
        self._used: set[Color] = {(0, 0, 0)}
        self._left = [_near(color) for color in classes.colors]

    def next(self, label: int) -> Color:
        """The next colour for a segment of a class."""
        color = next(color for color in self._left[label] if color not in self._used)
        self._used.add(color)
        return color


def _near(color: Color) -> Iterator[Color]:
    """All colours, those near the given one first, in steps that the eye can distinguish."""
    yield color
    for reach in range(24, 264, 24):
        steps = range(-reach, reach + 1, max(6, reach // 12))
        for r in steps:
            for g in steps:
                for b in steps:
                    near = color[0] + r, color[1] + g, color[2] + b
                    if min(near) >= 0 and max(near) <= 255:
                        yield near
    yield from ((k & 255, k >> 8 & 255, k >> 16) for k in range(1 << 24))


def _category_numbers(classes: Classes) -> list[int]:
    """The number of each class as a category."""
    coco = [number for number in range(1, 201) if number not in _COCO_GAPS]
    is_coco = len(classes) == len(coco) and (classes.names[0], classes.names[79]) == ("person", "toothbrush")
    return coco if is_coco else list(range(1, len(classes) + 1))

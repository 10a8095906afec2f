"""Segments as COCO panoptic: a PNG an image whose colours are the numbers of its segments, and one JSON for all.

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
"""What red, green and blue count."""

# The numbers up to 200 that COCO does not give to one of its 80 things and 53 kinds of stuff, which come in this order.
_COCO_GAPS = {
    *(12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91, 94, 96, 97, 98, 99, *range(101, 107), 108, 110, 111),
    *(*range(113, 118), 120, 121, 123, 124, 126, 127, 129, 131, 132, *range(134, 138), 139, 140, 142, 143, 146, 150),
    *(152, 153, 157, 158, 160, *range(162, 166), 167, 169, 170, 172, 173, 174, 179, 182, 183),
}


class PanopticAnnotations:
    """The segments of many images, to be written as a folder of PNGs and a JSON file beside it.

    Nothing is lost but segments without pixels and, of masks, what others cover (see `flattened`). Each image is
    written when it is added. The first segment of a class has the colour of the class, the others one near to it.

    Args:
        classes: of all images; as categories they have the numbers 1, 2, …, and those of COCO where they are COCO's.
        folder: for the PNGs.
        scores: whether each segment has a score, as results have, and ground truths have not.
        info: what the JSON is to say of the data, beside the classes.
    """

    def __init__(self, classes: Classes, folder: Path, *, scores: bool, info: Mapping[str, Any] | None = None) -> None:
        self.classes, self.folder, self.scores, self.info = classes, folder, scores, dict(info or {})
        self._numbers = _numbers(classes)
        self._images: dict[int | str, dict[str, Any]] = {}
        self._annotations: list[dict[str, Any]] = []

    def add(self, name: str, segments: Segmentation) -> None:
        """The segments of one image.

        Args:
            name: what the JSON calls the image's file. Its number is the one in its name, where that is one, else the
                name without its suffix: so results and ground truth agree on it, whichever images they have.
            segments: its segments.

        Raises:
            ValueError: there is an image of this name already.
            OSError: names the PNG when it cannot be written.
        """
        stem = Path(name).with_suffix("").as_posix()
        number: int | str = int(stem) if stem.isascii() and stem.isdigit() else stem
        number = stem if number in self._images else number
        if number in self._images:
            raise ValueError(f"two images would have the number {number!r}: give them different names")
        flat = flattened(segments)
        ids, height, width = flat.panoptic_map().cpu(), *flat.size
        areas, boxes = flat.areas().tolist(), flat.boxes().int().tolist()
        crowd, scores, colors = flat.crowd.tolist(), flat.scores.tolist(), _Colors(self.classes)
        table, found = np.zeros((len(flat) + 1, 3), np.uint8), []
        for n, label in enumerate(flat.labels.tolist()):
            if not areas[n]:
                continue
            table[n + 1] = color = colors.take(label)
            x1, y1, x2, y2 = boxes[n]
            segment = {
                "id": sum(value * weight for value, weight in zip(color, WEIGHTS, strict=True)),
                "category_id": self._numbers[label],
                "area": areas[n],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "iscrowd": int(crowd[n]),
            }
            found.append(segment | ({"score": scores[n]} if self.scores else {}))
        write_png(self.folder / f"{stem}.png", table[ids.numpy()])
        self._images[number] = {"id": number, "file_name": name, "width": width, "height": height}
        self._annotations.append({"image_id": number, "file_name": f"{stem}.png", "segments_info": found})

    def write(self, path: Path) -> None:
        """The JSON; other programs expect it beside the folder, and of its name.

        Raises:
            OSError: names the file when it cannot be written.
        """
        of_each = zip(self._numbers, self.classes.names, self.classes.things, self.classes.colors, strict=True)
        whole = {
            "info": {**self.info, "classes": self.classes.to_dict()},
            "images": list(self._images.values()),
            "annotations": self._annotations,
            "categories": [
                {"id": number, "name": name, "supercategory": name, "isthing": int(thing), "color": list(color)}
                for number, name, thing, color in of_each
            ],
        }
        write_text(path, json.dumps(whole, allow_nan=False))


def flattened(segments: Segmentation) -> Segmentation:
    """The same as `ids`: of masks that overlap the better scored lies on top, of equal ones the smaller; crowds below.

    The background becomes a segment of its own, the last; where the classes have none, what no mask covers is void.
    """
    if segments.masks is None:
        return segments
    areas, scored, crowds = segments.areas().tolist(), segments.scores.tolist(), segments.crowd.tolist()
    order = sorted(range(len(segments)), key=lambda n: (not crowds[n], scored[n], -areas[n]))
    ids = segments.masks.painted(order)
    labels, scores, crowd = segments.labels, segments.scores, segments.crowd
    background = segments.classes.background
    if background is not None and bool((ids == 0).any()):
        ids[ids == 0] = len(segments) + 1
        labels, scores = torch.cat([labels, labels.new_tensor([background])]), torch.cat([scores, scores.new_ones(1)])
        crowd = torch.cat([crowd, crowd.new_zeros(1)])
    return Segmentation(segments.classes, labels, scores, ids=ids, crowd=crowd)


class _Colors:
    """Colours of the segments of one image, no two alike and none black, each near that of its class."""

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self.taken: set[Color] = {(0, 0, 0)}
        self.left = [_near(color) for color in classes.colors]

    def take(self, label: int) -> Color:
        color = next(color for color in self.left[label] if color not in self.taken)
        self.taken.add(color)
        return color


def _near(color: Color) -> Iterator[Color]:
    """All colours, those near the given one first, in steps that the eye tells apart."""
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


def _numbers(classes: Classes) -> list[int]:
    """The number of each class as a category."""
    coco = [number for number in range(1, 201) if number not in _COCO_GAPS]
    ends = len(classes) == len(coco) and (classes.names[0], classes.names[79]) == ("person", "toothbrush")
    return coco if ends else list(range(1, len(classes) + 1))

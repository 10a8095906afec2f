"""Segments as COCO JSON: a list of images, a list of categories, and a run length for each segment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...classes import Classes
from ...ops.atomic_files import write_text
from ...ops.rle import runs_to_text
from ...segmentation import Segmentation


class Annotations:
    """The segments of many images, to be written as one file.

    Each segment is one annotation with compressed run lengths, which keep holes and parts exact: of a semantic result
    that is one a class. The background is left out; void pixels cannot be told in this format and become background.
    Categories have the numbers of the classes where the background is class 0, else one more: COCO counts from 1.

    Args:
        classes: of all images.
        scores: whether each annotation has a score, as results have, and ground truths have not.
    """

    def __init__(self, classes: Classes, *, scores: bool) -> None:
        self.classes, self.scores = classes, scores
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, name: str, segments: Segmentation) -> None:
        """The segments of one image; `name` is what the JSON calls its file."""
        height, width = segments.size
        self._images.append({"id": len(self._images) + 1, "file_name": name, "width": width, "height": height})
        masks = segments.as_masks()
        boxes, areas = masks.boxes().tolist(), masks.areas().tolist()
        for n, label in enumerate(segments.labels.tolist()):
            if label == self.classes.background:
                continue
            x1, y1, x2, y2 = boxes[n]
            annotation = {
                "id": len(self._annotations) + 1,
                "image_id": len(self._images),
                "category_id": self._category(label),
                "segmentation": {"size": [height, width], "counts": runs_to_text(masks.lengths(n))},
                "area": areas[n],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "iscrowd": int(segments.crowd[n]),
            }
            self._annotations.append(annotation | ({"score": float(segments.scores[n])} if self.scores else {}))

    def write(self, path: Path) -> None:
        """One JSON file.

        Raises:
            OSError: names the file when it cannot be written.
        """
        background = self.classes.background
        whole = {
            "info": {} if background is None else {"classes": self.classes.to_dict()},
            "images": self._images,
            "annotations": self._annotations,
            "categories": [
                {"id": self._category(k), "name": name} for k, name in enumerate(self.classes.names) if k != background
            ],
        }
        write_text(path, json.dumps(whole, allow_nan=False))

    def _category(self, label: int) -> int:
        return label + int(self.classes.background != 0)

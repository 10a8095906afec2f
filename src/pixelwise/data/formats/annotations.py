"""COCO JSON for writing: a list of images, a list of categories, and an annotation for each segment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...classes import Classes
from ...ops.atomic_files import write_text
from ...ops.rle import runs_to_text
from ...segmentation import Segmentation


class Annotations:
    """Collects the segments of many images, to write them as one file.

    Each segment is one annotation with compressed run lengths, which keep holes and parts exact; a semantic result has
    one per class. The background is left out; the format cannot express void pixels, which become background.
    Categories have the numbers of the classes if the background is class 0, else one more: COCO counts from 1.

    Args:
        classes: of all images.
        scores: whether each annotation has a score, as predictions do and ground truth does not.
    """

    def __init__(self, classes: Classes, *, scores: bool) -> None:
        self.classes, self.scores = classes, scores
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, name: str, segments: Segmentation) -> None:
        """Add the segments of one image; `name` is its file in the JSON."""
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
            if self.scores:
                annotation["score"] = float(segments.scores[n])
            self._annotations.append(annotation)

    def write(self, path: Path) -> None:
        """Write the JSON file.

        Raises:
            OSError: it cannot be written; the error names the file.
        """
        background = self.classes.background
        names = {k: name for k, name in enumerate(self.classes.names) if k != background}
        whole = {
            "info": {} if background is None else {"classes": self.classes.to_dict()},
            "images": self._images,
            "annotations": self._annotations,
            "categories": [{"id": self._category(k), "name": name} for k, name in names.items()],
        }
        write_text(path, json.dumps(whole, allow_nan=False))

    def _category(self, label: int) -> int:
        return label + int(self.classes.background != 0)

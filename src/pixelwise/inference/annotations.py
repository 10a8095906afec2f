"""Results as COCO JSON: a list of pictures, a list of classes, and the segments as run lengths with their scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as run_lengths

from ..classes import Classes
from ..ops.files import write_aside
from ..segmentation import Segmentation


class Annotations:
    """The segments of many pictures, to be written as one file.

    Each segment is one annotation: of a semantic result that is one a class, of which the background is left out.
    Categories are numbered as the classes where class 0 is the background, else one higher: COCO counts from 1.

    Args:
        classes: of all results.
    """

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, name: str, result: Segmentation) -> None:
        """The segments of one picture; `name` is its file, as the JSON will call it."""
        height, width = result.size
        self._images.append({"id": len(self._images) + 1, "file_name": name, "width": width, "height": height})
        assert result.scores is not None and result.crowd is not None
        rows = zip(result.labels.tolist(), result.scores.tolist(), result.crowd.tolist(), strict=True)
        for n, (label, score, crowd) in enumerate(rows):
            if label == self.classes.background:
                continue
            encoded = run_lengths.encode(np.asfortranarray(result.mask(n).cpu().numpy().view(np.uint8)))
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": len(self._images),
                    "category_id": self._category(label),
                    "segmentation": {"size": [height, width], "counts": encoded["counts"].decode("ascii")},
                    "area": int(run_lengths.area(encoded)),
                    "bbox": run_lengths.toBbox(encoded).tolist(),
                    "iscrowd": int(crowd),
                    "score": score,
                }
            )

    def write(self, path: Path) -> None:
        """One JSON file.

        Raises:
            OSError: names the file when it cannot be written.
        """
        categories = [
            {"id": self._category(label), "name": name, "supercategory": "thing" if thing else "stuff"}
            for label, (name, thing) in enumerate(zip(self.classes.names, self.classes.things, strict=True))
            if label != self.classes.background
        ]
        record = {"images": self._images, "annotations": self._annotations, "categories": categories}
        with write_aside(path) as aside:
            aside.write_text(json.dumps(record, allow_nan=False), encoding="utf-8")

    def _category(self, label: int) -> int:
        return label if self.classes.background == 0 else label + 1

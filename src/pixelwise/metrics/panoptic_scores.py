"""All scores of panoptic predictions: panoptic quality, scores of the class maps, average precision of the things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch

from ..classes import Classes
from ..segmentation import Segmentation
from .average_precision import DEFINITIONS as OBJECT_DEFINITIONS
from .average_precision import AveragePrecision
from .bootstrap import Intervals
from .confusion import DEFINITIONS as PIXEL_DEFINITIONS
from .confusion import ConfusionMatrix
from .metric import Row
from .panoptic_quality import DEFINITIONS as SEGMENT_DEFINITIONS
from .panoptic_quality import PanopticQuality


class Panoptic:
    """Panoptic quality, the scores of the class maps, and the average precision of the masks of the things.

    Attributes:
        classes: the classes, which state what is a thing.
        quality, pixels, objects: the three metrics.
    """

    MAIN_SCORE: ClassVar[str] = PanopticQuality.MAIN_SCORE
    DEFINITIONS: ClassVar[Mapping[str, str]] = {
        **SEGMENT_DEFINITIONS,
        **PIXEL_DEFINITIONS,
        **{name: text for name, text in OBJECT_DEFINITIONS.items() if name not in ("box", "boundary")},
        "objects": "The segments of the things, with the confidence scores of the model. As they cannot overlap, their "
        "average precision is below that of a detector alone.",
    }

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self.quality = PanopticQuality(classes)
        self.pixels = ConfusionMatrix(classes)
        self.objects = AveragePrecision(classes)

    def update(self, prediction: Segmentation, truth: Segmentation, name: str = "") -> None:
        """Count one image; `name` is its name in reports.

        Raises:
            ValueError: if the two differ in size, have another number of classes than the metric, or more than 255.
        """
        self.quality.update(prediction, truth, name)
        self.pixels.update(prediction, truth, name)
        self.objects.update(_things(prediction), _things(truth), name)

    def merge(self, other: Panoptic) -> None:
        """Add the images that another metric has counted.

        Raises:
            ValueError: if it has other classes, or other things.
        """
        self.quality.merge(other.quality)
        self.pixels.merge(other.pixels)
        self.objects.merge(other.objects)

    def reduce(self) -> None:
        """Combine the images of all processes of a `torch.distributed` run, in the order of their ranks."""
        self.quality.reduce()
        self.pixels.reduce()
        self.objects.reduce()

    def scores(self) -> dict[str, float]:
        """Return the scores of the data set, 0 to 1, as defined in `DEFINITIONS`; nan where a score is undefined."""
        objects = {name: value for name, value in self.objects.scores().items() if name.startswith("mask")}
        return self.quality.scores() | self.pixels.scores() | objects

    def per_class(self) -> list[Row]:
        """Return a row for each class: that of its panoptic quality, with its IoU, pixel accuracy, mask AP and AP50."""
        rows = zip(self.quality.per_class(), self.pixels.per_class(), self.objects.per_class(), strict=True)
        table: list[Row] = []
        for row, pixels, objects in rows:
            for name in ("IoU", "pixel accuracy"):
                row[name] = pixels[name]
            for name in ("mask AP", "mask AP50"):
                row[name] = objects[name]
            table.append(row)
        return table

    def per_image(self) -> list[Row]:
        """Return a row for each image: "name" and the scores of this image alone, nan where one is undefined."""
        rows = zip(self.quality.per_image(), self.pixels.per_image(), self.objects.per_image(), strict=True)
        return [segments | pixels | objects for segments, pixels, objects in rows]

    def intervals(self, rng: np.random.Generator) -> Intervals:
        """Return the 95 % bootstrap interval of each score that has one."""
        return self.quality.intervals(rng) | self.pixels.intervals(rng) | self.objects.intervals(rng)


def _things(segmentation: Segmentation) -> Segmentation:
    """Select the segments of things."""
    is_thing = torch.tensor(segmentation.classes.things, device=segmentation.labels.device)
    return segmentation.select(is_thing[segmentation.labels])

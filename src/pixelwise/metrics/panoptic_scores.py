"""All that is asked of a panoptic result: its panoptic quality, its class map as a semantic, its things as objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch

from ..classes import Classes
from ..segmentation import Segmentation
from .average_precision import DEFINITIONS as OF_OBJECTS
from .average_precision import AveragePrecision
from .confusion import DEFINITIONS as OF_PIXELS
from .confusion import ConfusionMatrix
from .panoptic_quality import DEFINITIONS as OF_SEGMENTS
from .panoptic_quality import PanopticQuality
from .per_image import Row


class Panoptic:
    """Panoptic quality, the scores of the class maps, and the average precision of the masks of the things.

    Attributes:
        classes: what the labels mean, and which of them are things.
        quality, pixels, objects: what is counted; each can be asked for more.
    """

    MAIN_SCORE: ClassVar[str] = PanopticQuality.MAIN_SCORE
    DEFINITIONS: ClassVar[Mapping[str, str]] = {
        **OF_SEGMENTS,
        **OF_PIXELS,
        **{name: text for name, text in OF_OBJECTS.items() if name not in ("box", "boundary")},
        "objects": "the segments of the things, with the score that the model gave each; since they cannot overlap, "
        "their average precision is below that of a detector alone",
    }

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self.quality = PanopticQuality(classes)
        self.pixels = ConfusionMatrix(classes)
        self.objects = AveragePrecision(classes)

    def update(self, found: Segmentation, truth: Segmentation, name: str = "") -> None:
        """Counts one image; `name` is what reports call it.

        Raises:
            ValueError: for results of another size, with another number of classes, or with more than 255.
        """
        self.quality.update(found, truth, name)
        self.pixels.update(found, truth, name)
        self.objects.update(_things(found), _things(truth), name)

    def merge(self, other: Panoptic) -> None:
        """Adds what another one has counted.

        Raises:
            ValueError: when it counted other classes, or takes others for things.
        """
        self.quality.merge(other.quality)
        self.pixels.merge(other.pixels)
        self.objects.merge(other.objects)

    def reduce(self) -> None:
        """Adds up all processes of a `torch.distributed` run, in the order of their ranks; alone it does nothing."""
        self.quality.reduce()
        self.pixels.reduce()
        self.objects.reduce()

    def scores(self) -> dict[str, float]:
        """The scores of the data set, 0 to 1, as `DEFINITIONS` has them; nan where there is nothing of the kind."""
        objects = {name: value for name, value in self.objects.scores().items() if name.startswith("mask")}
        return self.quality.scores() | self.pixels.scores() | objects

    def per_class(self) -> list[Row]:
        """One row a class: that of its panoptic quality, with its IoU, pixel accuracy, mask AP and AP50."""
        rows = zip(self.quality.per_class(), self.pixels.per_class(), self.objects.per_class(), strict=True)
        return [
            segments
            | {name: pixels[name] for name in ("IoU", "pixel accuracy")}
            | {name: objects[name] for name in ("mask AP", "mask AP50")}
            for segments, pixels, objects in rows
        ]

    def per_image(self) -> list[Row]:
        """One row an image: "name" and the scores of this image by itself, nan where there is no such thing."""
        rows = zip(self.quality.per_image(), self.pixels.per_image(), self.objects.per_image(), strict=True)
        return [segments | pixels | objects for segments, pixels, objects in rows]

    def intervals(self, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
        """For each score the interval in which it lies for 95 % of the data sets drawn from these images, if it has
        one."""
        return self.quality.intervals(rng) | self.pixels.intervals(rng) | self.objects.intervals(rng)


def _things(segmentation: Segmentation) -> Segmentation:
    countable = torch.tensor(segmentation.classes.things, device=segmentation.labels.device)
    return segmentation.select(countable[segmentation.labels])

"""A data set as methods that find objects see it: a background and things, each object a mask of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ..classes import Classes
from ..segmentation import Segmentation
from .recognition.class_names import nothing
from .records import Dataset, Record, Truths, few

LOOKED_AT = 16
"""One of so many images shows stuff, if the data tell of it."""


@dataclass(frozen=True)
class Things:
    """Reads the objects of a record from its ground truth.

    Attributes:
        truths: reads the whole ground truth.
        classes: the background and the things.
        labels: for each class of the whole ground truth its index here, −1 for what is no object.
    """

    truths: Truths
    classes: Classes
    labels: tuple[int, ...]

    def __call__(self, record: Record) -> Segmentation:
        whole = self.truths(record)
        labels = torch.tensor(self.labels)[whole.labels]
        things = whole if bool((labels > 0).all()) else whole.select(labels > 0)
        return Segmentation(
            self.classes, labels[labels > 0], things.scores, masks=things.as_masks(), crowd=things.crowd
        )


def as_objects(dataset: Dataset) -> Dataset:
    """The same images; class 0 is the background, the others are the things, and the ground truths have `masks`.

    Segments of stuff and of the background are left out, crowds are kept. Of panoptic data that are the objects.

    Raises:
        ValueError: the data tell no objects apart, only classes of pixels.
    """
    every = dataset.classes
    things = [k for k, thing in enumerate(every.things) if thing and k != every.background]
    if not things or not dataset.has_instances:
        raise ValueError(
            f"the data tell classes of pixels apart ({few(every.names)}), not one object from the next: methods that "
            "find objects take COCO or YOLO annotations, label maps (a number for each object, --format label-map), "
            "VOC with SegmentationObject, or panoptic data with things; for these data take a semantic method, such as "
            "unet"
        )
    first = every.background
    names = (nothing(every.names) if first is None else every.names[first], *(every.names[k] for k in things))
    colors = ((0, 0, 0) if first is None else every.colors[first], *(every.colors[k] for k in things))
    classes = Classes(names, colors, (False, *(True for _ in things)), 0)
    labels = tuple(things.index(k) + 1 if k in things else -1 for k in range(len(every)))
    stuff = [name for k, name in enumerate(every.names) if k not in things and k != first]
    note = (f"no objects, and left out: {few(stuff)}",) if stuff else ()
    return replace(
        dataset, classes=classes, notes=(*dataset.notes, *note), truths=Things(dataset.truths, classes, labels)
    )


def check_panoptic(dataset: Dataset) -> None:
    """That every pixel has one meaning in the data, and that both objects and stuff are told of.

    Raises:
        ValueError: it is not so; says what to do.
    """
    classes = dataset.classes
    things = [thing and k != classes.background for k, thing in enumerate(classes.things)]
    for wrong, why in (
        (not any(things), f"say nothing of things, which can be counted ({few(classes.names)})"),
        (
            not dataset.has_instances,
            f"tell classes of pixels apart ({few(classes.names)}), not one object from the next",
        ),
        (all(map(_only_objects, (dataset.truth(i) for i in range(min(len(dataset), LOOKED_AT))))), "hold objects only"),
    ):
        if wrong:
            raise ValueError(
                f"the data {why}: panoptic methods take COCO panoptic or Cityscapes. pixelwise convert makes such data "
                "of class masks and objects (--semantic MASKS --instances OBJECTS), or of either (--things NAMES)"
            )


def _only_objects(truth: Segmentation) -> bool:
    """Whether segments may overlap, or none of them is stuff."""
    return truth.ids is None or all(truth.classes.things[label] for label in truth.labels.tolist())

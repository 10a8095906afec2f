"""Instance ground truth of any data set: a background and things, each object a mask of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import torch

from ..classes import Classes
from ..ops.phrases import few
from ..segmentation import Segmentation
from .dataset import Dataset, Record, TruthReader
from .recognition.class_names import background_name

CHECKED_IMAGES = 16
"""Data are taken for objects only, without stuff, if the first so many images show none."""


@dataclass(frozen=True)
class ObjectReader:
    """Reads the objects of a record from its ground truth.

    Attributes:
        truths: reads the whole ground truth.
        classes: the background and the things.
        labels: for each class of the whole ground truth its index in `classes`, −1 if it is no thing.
    """

    truths: TruthReader
    classes: Classes
    labels: tuple[int, ...]

    def __call__(self, record: Record) -> Segmentation:
        whole = self.truths(record)
        labels = torch.tensor(self.labels)[whole.labels]
        kept = labels > 0
        things = whole if bool(kept.all()) else whole.select(kept)
        return Segmentation(self.classes, labels[kept], things.scores, masks=things.as_masks(), crowd=things.crowd)


def as_objects(dataset: Dataset) -> Dataset:
    """Take objects as the ground truth of the same images, in `masks`: class 0 is the background, others are things.

    Segments of stuff and of the background are left out, crowds are kept. Panoptic data give their things.

    Raises:
        ValueError: the data distinguish classes of pixels, not objects.
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
    classes = _background_and(things, every)
    labels = tuple(things.index(k) + 1 if k in things else -1 for k in range(len(every)))
    stuff = [name for k, name in enumerate(every.names) if k not in things and k != every.background]
    notes = dataset.notes
    if stuff:
        notes = (*notes, f"no objects, and left out: {few(stuff)}")
    return replace(dataset, classes=classes, notes=notes, truths=ObjectReader(dataset.truths, classes, labels))


class HasTask(Protocol):
    """A model, or its class."""

    task: ClassVar[str]


def truth_for(model: HasTask | type[HasTask], dataset: Dataset) -> Dataset:
    """The data with the ground truth that the task of a model takes: instance models take objects.

    Raises:
        ValueError: as `as_objects`.
    """
    return _TRUTHS.get(model.task, _unchanged)(dataset)


def training_truth_for(model: HasTask | type[HasTask], dataset: Dataset) -> Dataset:
    """As `truth_for`, and checks that the data hold what a training of this task needs.

    Raises:
        ValueError: the data do not; the error says what to do.
    """
    changed = truth_for(model, dataset)
    _TRAINING_CHECKS.get(model.task, _unchanged)(changed)
    return changed


def _unchanged(dataset: Dataset) -> Dataset:
    return dataset


def check_objects(dataset: Dataset) -> Dataset:
    """Return data with an object; raises a ValueError for others."""
    if not any(len(dataset.truth(i)) for i in range(len(dataset))):
        raise ValueError(f"there is no object in any of the {len(dataset)} images to train on")
    return dataset


def check_panoptic(dataset: Dataset) -> Dataset:
    """Return data in which every pixel has one meaning, and that hold both objects and stuff.

    Raises:
        ValueError: it is not so; the error says what to do.
    """
    classes = dataset.classes
    fault = ""
    if not any(thing and k != classes.background for k, thing in enumerate(classes.things)):
        fault = f"say nothing of things, which can be counted ({few(classes.names)})"
    elif not dataset.has_instances:
        fault = f"tell classes of pixels apart ({few(classes.names)}), not one object from the next"
    elif all(_only_objects(dataset.truth(i)) for i in range(min(len(dataset), CHECKED_IMAGES))):
        fault = "hold objects only"
    if fault:
        raise ValueError(
            f"the data {fault}: panoptic methods take COCO panoptic or Cityscapes. pixelwise build-panoptic makes such "
            "data of class masks and objects (--semantic MASKS --instances OBJECTS), or of either (--things NAMES)"
        )
    return dataset


def _background_and(things: list[int], every: Classes) -> Classes:
    """The background of `every`, or a new one where it has none, and these things."""
    if every.background is None:
        name, color = background_name(every.names), (0, 0, 0)
    else:
        name, color = every.names[every.background], every.colors[every.background]
    names = [every.names[k] for k in things]
    colors = [every.colors[k] for k in things]
    countable = [True] * len(things)
    return Classes((name, *names), (color, *colors), (False, *countable), 0)


def _only_objects(truth: Segmentation) -> bool:
    """Tell if segments may overlap, or none of them is stuff."""
    return truth.ids is None or all(truth.classes.things[label] for label in truth.labels.tolist())


_TRUTHS: dict[str, Callable[[Dataset], Dataset]] = {"instance": as_objects}
_TRAINING_CHECKS: dict[str, Callable[[Dataset], Dataset]] = {"instance": check_objects, "panoptic": check_panoptic}

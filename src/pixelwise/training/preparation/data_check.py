"""Check of the ground truth before training: what it cannot teach, and how many objects an image may have."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ...classes import Classes
from ...data.dataset import Dataset
from ...inference.detection_limit import detection_limit, limit_detections
from ...models.base import Model
from ...ops.phrases import counted, few
from ...segmentation import Segmentation
from ..recipe import Recipe

MAX_IMAGES = 2000
"""Images of a split whose ground truth is read before training, evenly spaced: reading all of COCO takes long."""

AT_ONCE = 64
"""Images that are read before it is known whether all classes were seen."""

OBJECT_TASKS = ("instance", "panoptic")
"""Tasks whose models find objects."""

MIN_DETECTIONS = 100
"""The smallest limit of detections that is chosen from data."""

DETECTIONS_FACTOR, DETECTIONS_STEP = 1.5, 50
"""The limit that is chosen from data: this times the largest number of objects of an image, rounded up to a multiple of
the step, as new images may hold more objects than those seen so far."""

CROWD_ADVICE = (
    "CVAT marks what is drawn with its brush as a crowd: set iscrowd to 0 in the JSON where an annotation is one object"
)


@dataclass(frozen=True)
class GroundTruth:
    """The content of the ground truth of a split.

    Attributes:
        images: the number of images that were read, of `total`.
        total: the number of images of the split.
        objects, crowds: their numbers in all the images read; stuff is neither.
        max_objects: the largest number of objects in an image, crowds not counted.
        holds: (C,) bool, whether an image holds each class; crowds of a class that is counted do not.
    """

    images: int
    total: int
    objects: int
    crowds: int
    max_objects: int
    holds: NDArray[np.bool_]


def check_training_data(model: Model, recipe: Recipe, images: Dataset, validation_images: Dataset) -> list[str]:
    """Check what the data can teach, and set the largest number of detections of the model.

    Returns:
        Warnings and notes for the log.

    Raises:
        ValueError: all annotations are crowds, or a limit of detections is stated for a model that finds no objects.
    """
    trained = read_ground_truth(images, model.task)
    check_ground_truth(recipe.data, images.classes.names, model.task, trained)
    validated = read_ground_truth(validation_images, model.task) if model.task in OBJECT_TASKS else None
    notes = warnings_of(images.classes, model.task, trained, validated)
    return notes + set_max_detections(model, recipe.max_detections, trained, validated)


def read_ground_truth(dataset: Dataset, task: str) -> GroundTruth:
    """Read the ground truth of a split: all of it, or `MAX_IMAGES` evenly spaced images.

    For a semantic method, reading ends once every class was seen.

    Args:
        dataset: the images; for an instance method those of `as_objects`.
        task: of the method.
    """
    total, number = len(dataset), len(dataset.classes)
    places = np.unique(np.linspace(0, total - 1, min(total, MAX_IMAGES)).round().astype(int)).tolist()
    holds = np.zeros(number, bool)
    things = torch.tensor(dataset.classes.things)
    objects: list[int] = []
    crowds = 0
    with ThreadPoolExecutor(4) as threads:
        for first in range(0, len(places), AT_ONCE):
            for truth in threads.map(dataset.truth, places[first : first + AT_ONCE]):
                is_thing = things[truth.labels]
                objects.append(int((is_thing & ~truth.crowd).sum()))
                crowds += int((is_thing & truth.crowd).sum())
                holds |= _classes_in(truth, task)
            if task == "semantic" and holds.all():
                break
    return GroundTruth(len(objects), total, sum(objects), crowds, max(objects, default=0), holds)


def _classes_in(truth: Segmentation, task: str) -> NDArray[np.bool_]:
    """Tell which classes a ground truth teaches, (C,)."""
    number = len(truth.classes)
    if task == "semantic":
        labels = truth.class_map().flatten().numpy()
    else:
        labels = truth.labels[~truth.crowd].numpy()
    seen: NDArray[np.bool_] = np.bincount(labels, minlength=256)[:number] > 0
    return seen


def check_ground_truth(data: str, classes: Sequence[str], task: str, trained: GroundTruth) -> None:
    """Refuse training data without an object, for a method that finds objects.

    Raises:
        ValueError: there is none, or all annotations are crowds.
    """
    if task != "instance" or trained.objects or trained.images < trained.total:
        return
    if trained.crowds:
        raise ValueError(
            f"{data} has no object to train on: all {trained.crowds} annotations are crowds (iscrowd 1), of which "
            f"{few(classes[1:])} cannot be learnt. {CROWD_ADVICE}"
        )
    raise ValueError(f"{data} has no object in any of the {trained.total} images to train on")


def warnings_of(classes: Classes, task: str, trained: GroundTruth, validated: GroundTruth | None) -> list[str]:
    """Say what the training data cannot teach, and what the validation data cannot score.

    Args:
        classes: of the data.
        task: of the method.
        trained: of the training images.
        validated: of the validation images, for methods that find objects.
    """
    warnings = _about_classes(classes, task, trained)
    if task != "semantic" and trained.crowds > trained.objects:
        annotations = trained.crowds + trained.objects
        warnings.append(
            f"warning: {trained.crowds} of {annotations} training annotations are crowds, of which nothing is learnt. "
            f"{CROWD_ADVICE}"
        )
    if task == "instance" and validated is not None and not validated.objects:
        crowds = f" ({counted(validated.crowds, 'crowd')}, which do not count)" if validated.crowds else ""
        warnings.append(
            f"warning: no validation image has an object{crowds}: there is no score to choose the best weights by, so "
            "that only those of the last epoch are kept"
        )
    return warnings


def _about_classes(classes: Classes, task: str, trained: GroundTruth) -> list[str]:
    """Name the classes that the training images do not hold."""
    looked_at = ""
    if trained.images < trained.total:
        looked_at = f" of the {trained.images} that were looked at, out of {trained.total},"
    names, background = classes.names, classes.background
    absent = []
    for k, name in enumerate(names):
        # For a method that finds objects, the background is whatever no object covers.
        if not trained.holds[k] and (task == "semantic" or k != background):
            absent.append(name)
    if not absent:
        return []
    if task == "semantic" and background is not None and trained.holds.sum() == trained.holds[background] == 1:
        return [
            f"warning: every training image{looked_at} is {names[background]} alone: nothing can be learnt; are the "
            "masks empty, or stored elsewhere?"
        ]
    pronoun = "it" if len(absent) == 1 else "they"
    return [
        f"warning: no training image{looked_at} holds {few(absent)}: {pronoun} cannot be learnt; leave the class "
        "out or add images"
    ]


def max_detections_for(max_objects: int) -> int:
    """Return how many detections to allow where an image of the data has `max_objects` objects.

    >>> max_detections_for(30), max_detections_for(240)
    (100, 400)
    """
    steps = -(-max_objects * DETECTIONS_FACTOR // DETECTIONS_STEP)
    return max(MIN_DETECTIONS, int(steps) * DETECTIONS_STEP)


def set_max_detections(
    model: Model, stated: int | None, trained: GroundTruth, validated: GroundTruth | None
) -> list[str]:
    """Set the largest number of detections of a model, as stated or by the data.

    Args:
        model: whose limit is set; a model that finds no objects stays as it is.
        stated: the limit of the recipe; None to choose it.
        trained, validated: of the training and the validation images.

    Returns:
        A note for the log if the limit is not the usual one, or smaller than the data need.

    Raises:
        ValueError: a limit is stated for a model that finds no objects.
    """
    if detection_limit(model) is None:
        if stated is not None:
            raise ValueError(f"max_detections is {stated}, but {model.method} finds no objects: leave it out")
        return []
    most = trained.max_objects
    if validated is not None:
        most = max(most, validated.max_objects)
    number = stated or max_detections_for(most)
    limit_detections(model, number)
    if stated and stated < most:
        return [f"warning: an image has {most} objects, but max_detections is {stated}: the others are never found"]
    if number == MIN_DETECTIONS:
        return []
    origin = "as stated" if stated else f"as an image of the data has {most}"
    return [f"at most {number} detections in an image, {origin} (--max-detections)"]

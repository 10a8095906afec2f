"""Base class of the metrics: it keeps a record of each image, so that counts add up over images and processes."""

from __future__ import annotations

from typing import Any, Generic, Self, TypeVar

import torch

from ..classes import Classes
from ..segmentation import Segmentation

Record = TypeVar("Record")


class PerImage(Generic[Record]):
    """A metric that keeps a record of each image.

    Attributes:
        classes: the classes of predictions and ground truths.
        names: the names of the images, in the order in which they were counted.
        images: the record of each image.
    """

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self.names: list[str] = []
        self.images: list[Record] = []

    def update(self, prediction: Segmentation, truth: Segmentation, name: str = "") -> None:
        """Count one image; `name` is its name in reports.

        Raises:
            ValueError: if the two differ in size, or have another number of classes than the metric.
        """
        check_pair(prediction, truth, self.classes)
        self.images.append(self._count(prediction, truth))
        self.names.append(name)

    def merge(self, other: Self) -> None:
        """Add the images that another metric has counted.

        Raises:
            ValueError: if it has other classes, or another setting such as the tolerance.
        """
        own, others = self._settings(), other._settings()
        for setting in own:
            if own[setting] != others[setting]:
                same = " and ".join(f"the same {setting}" for setting in own)
                raise ValueError(f"only counts of {same} add up, not of {setting} {own[setting]} and {others[setting]}")
        self.names += other.names
        self.images += other.images

    def reduce(self) -> None:
        """Combine the images of all processes of a `torch.distributed` run, in the order of their ranks.

        Every process then holds the same. An image that two processes counted counts twice. Without distribution
        nothing happens.
        """
        self.names, self.images = gather_lists(self.names, self.images)

    def _count(self, prediction: Segmentation, truth: Segmentation) -> Record:
        """Make the record of an image."""
        raise NotImplementedError

    def _settings(self) -> dict[str, object]:
        """Return the settings, by their names in words, that must be equal for counts to add up."""
        return {"classes": self.classes.names}


def check_pair(prediction: Segmentation, truth: Segmentation, classes: Classes) -> None:
    """Check that a prediction can be compared with a ground truth.

    Raises:
        ValueError: if the two differ in size, or have another number of classes.
    """
    check_sizes(prediction.size, truth.size)
    for role, given in (("prediction", prediction), ("ground truth", truth)):
        if len(given.classes) != len(classes):
            raise ValueError(f"the {role} has {len(given.classes)} classes, but {len(classes)} are counted")


def check_sizes(prediction: tuple[int, ...], truth: tuple[int, ...]) -> None:
    """Check that a prediction has the height and width of the ground truth.

    Raises:
        ValueError: if it has not.
    """
    if prediction != truth:
        raise ValueError(
            f"the prediction is {prediction[1]}x{prediction[0]}, the ground truth {truth[1]}x{truth[0]}: "
            "predictions must have the size of the original image"
        )


def gather_lists(*lists: list[Any]) -> tuple[list[Any], ...]:
    """Extend each list by those of the other processes of a `torch.distributed` run, in the order of their ranks."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return lists
    states: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(states, lists)
    gathered = []
    for k in range(len(lists)):
        gathered.append([entry for state in states for entry in state[k]])
    return tuple(gathered)

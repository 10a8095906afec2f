"""What all metrics do that keep something of every image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ..classes import Classes
from ..segmentation import Segmentation

Kept = TypeVar("Kept")
Row = dict[str, str | int | float]


class PerImage(Generic[Kept]):
    """A metric that keeps something of every image, and so adds up over images and processes.

    Attributes:
        classes: what the labels mean.
        names: of the images, in the order in which they came.
        images: what is kept of each.
    """

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self.names: list[str] = []
        self.images: list[Kept] = []

    def update(self, found: Segmentation, truth: Segmentation, name: str = "") -> None:
        """Counts one image; `name` is what reports call it.

        Raises:
            ValueError: for results of another size, or with another number of classes.
        """
        check_pair(found, truth, self.classes)
        self.images.append(self._count(found, truth))
        self.names.append(name)

    def merge(self, other: Self) -> None:
        """Adds what another one has counted.

        Raises:
            ValueError: when it counted something else: other classes, or by another argument of the metric.
        """
        mine, others = self._terms(), other._terms()
        for what in mine:
            if mine[what] != others[what]:
                same = " and ".join(f"the same {term}" for term in mine)
                raise ValueError(f"only counts of {same} add up, not of {what} {mine[what]} and {others[what]}")
        self.names += other.names
        self.images += other.images

    def reduce(self) -> None:
        """Adds up all processes of a `torch.distributed` run, in the order of their ranks; alone it does nothing.

        Every process then holds the same. An image that two processes counted counts twice.
        """
        self.names, self.images = of_all_processes(self.names, self.images)

    def _count(self, found: Segmentation, truth: Segmentation) -> Kept:
        """What is kept of an image."""
        raise NotImplementedError

    def _terms(self) -> dict[str, object]:
        """What must be equal where counts are to add up, by its name in words."""
        return {"classes": self.classes.names}


def rows_of(what: str, names: Sequence[str], columns: Mapping[str, NDArray[Any]]) -> list[Row]:
    """(N,) columns → N rows, which begin with `what`: the name of a class or an image."""
    values = zip(names, *(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip((what, *columns), row, strict=True)) for row in values]


def draw_intervals(
    scores: Callable[[NDArray[np.int64]], Mapping[str, Any]],
    images: int,
    rng: np.random.Generator,
    draws: int,
    level: float,
) -> dict[str, tuple[float, float]]:
    """The bootstrap: percentile intervals of scores over data sets drawn, with replacement, from so many images.

    A score that is undefined in all that is drawn has none.

    Args:
        scores: how often each image was drawn, (images,) → the scores of that data set.
        images: as many are drawn as there are.
        rng: where the draws come from.
        draws: number of data sets drawn.
        level: share of them whose score lies inside.
    """
    drawn: dict[str, list[float]] = {}
    for _ in range(draws if images else 0):
        often = np.bincount(rng.integers(images, size=images), minlength=images)
        for name, value in scores(often).items():
            drawn.setdefault(name, []).append(float(value))
    ends = (0.5 - level / 2, 0.5 + level / 2)
    kept = {name: values for name, values in drawn.items() if np.isfinite(values).any()}
    return {name: (low, high) for name, v in kept.items() for low, high in [np.nanquantile(v, ends).tolist()]}


def check_pair(found: Segmentation, truth: Segmentation, classes: Classes) -> None:
    """That a result can be scored against a ground truth.

    Raises:
        ValueError: for results of another size, or with another number of classes.
    """
    check_sizes(found.size, truth.size)
    for what, given in (("result", found), ("ground truth", truth)):
        if len(given.classes) != len(classes):
            raise ValueError(f"the {what} has {len(given.classes)} classes, but {len(classes)} are counted")


def check_sizes(found: tuple[int, ...], truth: tuple[int, ...]) -> None:
    """That a result is as high and wide as the ground truth; a ValueError if not."""
    if found != truth:
        raise ValueError(
            f"the result is {found[1]}x{found[0]}, the ground truth {truth[1]}x{truth[0]}: "
            "results must have the size of the original image"
        )


def of_all_processes(*lists: list[Any]) -> tuple[list[Any], ...]:
    """Each list followed by those of the other processes of a `torch.distributed` run, in the order of their ranks."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return lists
    states: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(states, lists)
    return tuple([entry for state in states for entry in state[k]] for k in range(len(lists)))

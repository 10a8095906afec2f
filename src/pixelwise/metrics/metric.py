"""The interface of the metrics, and the rows of their tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ..classes import Classes
from ..segmentation import Segmentation

Row = dict[str, str | int | float]
"""A row of a table: a class or an image, and its scores."""


class Metric(Protocol):
    """Scores of predictions over a data set, fed image by image.

    Attributes:
        MAIN_SCORE: the score that models are compared by.
        DEFINITIONS: what each score means, in sentences for reports.
        classes: the classes of predictions and ground truths.
    """

    MAIN_SCORE: ClassVar[str]
    DEFINITIONS: ClassVar[Mapping[str, str]]
    classes: Classes

    def __init__(self, classes: Classes) -> None: ...

    def update(self, prediction: Segmentation, truth: Segmentation, name: str = "") -> None:
        """Count one image; `name` is its name in reports.

        Raises:
            ValueError: if the two differ in size, or have another number of classes than the metric.
        """
        ...

    def reduce(self) -> None:
        """Combine the counts of all processes of a `torch.distributed` run; every process then holds the same."""
        ...

    def scores(self) -> dict[str, float]:
        """Return the scores of the data set, 0 to 1; nan where a score is undefined."""
        ...

    def per_class(self) -> list[Row]:
        """Return a row for each class: "class" and its scores."""
        ...

    def per_image(self) -> list[Row]:
        """Return a row for each image: "name" and the scores of this image alone."""
        ...

    def intervals(self, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
        """Return the 95 % bootstrap interval of each score that has one."""
        ...


def rows_of(key: str, names: Sequence[str], columns: Mapping[str, NDArray[Any]]) -> list[Row]:
    """Turn columns into rows.

    Args:
        key: the name of the first column: "class" or "name".
        names: its N values.
        columns: the other columns, (N,) each.
    """
    values = {name: column.tolist() for name, column in columns.items()}
    rows: list[Row] = []
    for n, name in enumerate(names):
        row: Row = {key: name}
        for column, entries in values.items():
            row[column] = entries[n]
        rows.append(row)
    return rows

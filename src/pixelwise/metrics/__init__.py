"""What a model is judged by: one metric for each task, fed image by image."""

from typing import Any

from ..classes import Classes
from .average_precision import AveragePrecision
from .boundary import BoundaryScore
from .confusion import ConfusionMatrix
from .label_maps import LabelMapScore
from .panoptic_scores import Panoptic

METRICS: dict[str, type[ConfusionMatrix] | type[AveragePrecision] | type[Panoptic]] = {
    "semantic": ConfusionMatrix,
    "instance": AveragePrecision,
    "panoptic": Panoptic,
}
"""By `model.task`: the only switch on the task."""


def metrics_of(task: str, classes: Classes, boundary: float | None = None) -> list[Any]:
    """All that an evaluation shows: the metric of the task, what microscopy reports of objects, boundaries where asked.

    Args:
        task: a key of `METRICS`.
        classes: what the labels mean.
        boundary: of objects the width of the boundaries of the boundary AP, else the tolerance of the boundary F1: in
            pixels, or below 1 a share of the image's diagonal; None for neither.
    """
    if task == "instance":
        return [AveragePrecision(classes, boundary), LabelMapScore(classes)]
    main = METRICS[task](classes)
    return [main] if boundary is None else [main, BoundaryScore(classes, boundary)]

"""Metrics: the scores by which models are judged, one main metric for each task, fed image by image."""

from collections.abc import Mapping
from typing import ClassVar, Protocol

from ..classes import Classes
from .average_precision import AveragePrecision
from .boundary import BoundaryScore
from .confusion import ConfusionMatrix
from .label_maps import LabelMapScore
from .metric import Metric
from .overlaps import MAX_PREDICTIONS
from .panoptic_scores import Panoptic

METRICS: dict[str, type[Metric]] = {
    "semantic": ConfusionMatrix,
    "instance": AveragePrecision,
    "panoptic": Panoptic,
}
"""The metric of each `model.task`."""


class HasTask(Protocol):
    """A model, or its class."""

    task: ClassVar[str]


def metric_of(model: HasTask | type[HasTask]) -> type[Metric]:
    """The metric of the task of a model, or of a class of models."""
    return METRICS[model.task]


def main_metric(model: HasTask, classes: Classes, max_detections: int | None = None) -> Metric:
    """Make the metric of the task of a model, which finds at most `max_detections` objects in an image."""
    kind = metric_of(model)
    if kind is AveragePrecision and max_detections is not None:
        return AveragePrecision(classes, max_detections=max_detections)
    return kind(classes)


def scores_in(row: Mapping[str, float], model: HasTask | type[HasTask]) -> dict[str, float]:
    """Select the scores of the task of a model from a row that holds losses and times too."""
    known = metric_of(model).DEFINITIONS
    return {name: value for name, value in row.items() if name in known or name.endswith(" detections)")}


def metrics_of(
    model: HasTask, classes: Classes, boundary: float | None = None, max_detections: int | None = None
) -> list[Metric]:
    """Make the metrics of an evaluation: that of the task, label-map scores of objects, boundary scores if asked for.

    Args:
        model: the model that is evaluated.
        classes: the classes of the model.
        boundary: for objects the width of the boundaries of the boundary AP, else the tolerance of the boundary F1: in
            pixels, or below 1 as a share of the image's diagonal; None for neither.
        max_detections: of a model that finds objects, the largest number of an image.
    """
    main = metric_of(model)
    if main is AveragePrecision:
        return [AveragePrecision(classes, boundary, max_detections or MAX_PREDICTIONS), LabelMapScore(classes)]
    metrics: list[Metric] = [main(classes)]
    if boundary is not None:
        metrics.append(BoundaryScore(classes, boundary))
    return metrics

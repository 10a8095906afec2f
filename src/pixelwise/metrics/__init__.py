"""Metrics: the scores by which models are judged, one main metric for each task, fed image by image."""

from ..classes import Classes
from .average_precision import AveragePrecision
from .boundary import BoundaryScore
from .confusion import ConfusionMatrix
from .label_maps import LabelMapScore
from .metric import Metric
from .panoptic_scores import Panoptic

METRICS: dict[str, type[Metric]] = {
    "semantic": ConfusionMatrix,
    "instance": AveragePrecision,
    "panoptic": Panoptic,
}
"""The metric of each `model.task`."""


def metrics_of(task: str, classes: Classes, boundary: float | None = None) -> list[Metric]:
    """Make the metrics of an evaluation: that of the task, label-map scores of objects, boundary scores if asked for.

    Args:
        task: a key of `METRICS`.
        classes: the classes of the model.
        boundary: for objects the width of the boundaries of the boundary AP, else the tolerance of the boundary F1: in
            pixels, or below 1 as a share of the image's diagonal; None for neither.
    """
    if task == "instance":
        return [AveragePrecision(classes, boundary), LabelMapScore(classes)]
    metrics: list[Metric] = [METRICS[task](classes)]
    if boundary is not None:
        metrics.append(BoundaryScore(classes, boundary))
    return metrics

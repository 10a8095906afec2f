"""What a model is judged by: one metric for each task, fed picture by picture."""

from .average_precision import AveragePrecision
from .confusion import ConfusionMatrix
from .panoptic import Panoptic

METRICS: dict[str, type[ConfusionMatrix] | type[AveragePrecision] | type[Panoptic]] = {
    "semantic": ConfusionMatrix,
    "instance": AveragePrecision,
    "panoptic": Panoptic,
}
"""By `model.task`: the only switch on the task."""

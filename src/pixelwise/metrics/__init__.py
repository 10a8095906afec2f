"""What a model is judged by: one metric for each task, fed picture by picture."""

from .average_precision import AveragePrecision
from .confusion import ConfusionMatrix

METRICS: dict[str, type[ConfusionMatrix] | type[AveragePrecision]] = {
    "semantic": ConfusionMatrix,
    "instance": AveragePrecision,
}
"""By `model.task`: the only switch on the task."""

"""What a model is judged by: one metric for each task, fed picture by picture."""

from .confusion import ConfusionMatrix

METRICS = {"semantic": ConfusionMatrix}
"""By `model.task`: the only switch on the task."""

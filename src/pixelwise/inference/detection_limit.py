"""The largest number of detections of an image: changed for a loaded model, and noticed where an image reaches it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..models.base import InstanceModel, Model
from ..models.merged import MergedModel
from ..models.panoptic_fpn import PanopticFPN
from ..ops.phrases import few
from ..segmentation import Segmentation


def detection_limit(model: Model) -> int | None:
    """Return the largest number of detections of an image; None for a model that finds no objects."""
    finder = _finder(model)
    return None if finder is None else finder.max_detections


def limit_detections(model: Model, number: int) -> None:
    """Set the largest number of detections of an image.

    Raises:
        TypeError: the model finds no objects.
    """
    finder = _finder(model)
    if finder is None:
        raise TypeError(f"{model.method} does {model.task} segmentation: it has no maximum of detections, leave it out")
    finder.max_detections = number


def reaches_limit(model: Model, prediction: Segmentation, score_threshold: float = 0.0) -> bool:
    """Tell whether an image has as many detections as the model gives at most, so that there may be more.

    Args:
        model: the model that predicted.
        prediction: of one image.
        score_threshold: the confidence score from which a detection counts.
    """
    limit = detection_limit(model)
    if limit is None:
        return False
    things = torch.tensor(prediction.classes.things)[prediction.labels]
    # An image that was cut into tiles may have more: each tile has the limit of its own.
    return int((things & (prediction.scores >= score_threshold)).sum()) == limit


def limit_notes(model: Model, names: Sequence[str]) -> list[str]:
    """Return a sentence on the images that reach the limit, if there are any."""
    limit = detection_limit(model)
    if not names:
        return []
    return [f"{limit} of {limit} detections in {few(names)}: there may be more; raise --max-detections"]


def _finder(model: Model) -> InstanceModel | PanopticFPN | None:
    """Return the part of a model that finds objects."""
    if isinstance(model, MergedModel):
        return model.instance
    return model if isinstance(model, InstanceModel | PanopticFPN) else None

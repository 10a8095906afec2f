"""Agreement of the classes of a model with those of a data set, which may have another order."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..classes import Classes
from ..ops.phrases import few
from ..sample import Sample
from ..segmentation import Segmentation


def common_classes(model: Classes, data: Classes) -> Classes:
    """Return the classes in the order of the model; those of the data if the model's were never named.

    Raises:
        ValueError: if the two do not have the same classes.
    """
    if model.names == Classes.numbered(len(data)).names:
        return data
    if set(model.names) == set(data.names):
        return model
    only_model = [name for name in model.names if name not in data.names]
    only_data = [name for name in data.names if name not in model.names]
    option = f"--classes {','.join(model.names[:5])}{',…' if len(model) > 5 else ''}"
    if not only_model:
        advice = f"of COCO, YOLO and Cityscapes data the model's are kept with {option}"
    elif len(model) == len(data):
        advice = f"if masks mean the same by other names, give them the model's in the order of their values, {option}"
    else:
        advice = "it can be scored once it is trained on these data: pixelwise train --weights MODEL --data DATA"
    raise ValueError(
        f"the model has {len(model)} classes, the data {len(data)}; only the model has {few(only_model) or 'none'}; "
        f"only the data have {few(only_data) or 'none'}: {advice}"
    )


def with_classes(sample: Sample, classes: Classes) -> Sample:
    """Return the sample with its ground truth in the order of `classes`.

    Raises:
        ValueError: if the sample has no ground truth.
    """
    if sample.truth is None:
        raise ValueError(f"{sample.name} has no ground truth: there is nothing to compare with")
    return Sample(sample.image, reordered(sample.truth, classes), sample.name)


def reordered(truth: Segmentation, classes: Classes) -> Segmentation:
    """Return the segmentation with its labels in the order of `classes`, matched by name."""
    order = torch.tensor([classes.index(name) for name in truth.classes.names])
    return replace(truth, classes=classes, labels=order[truth.labels])

"""The class of each pixel, chosen by its probabilities, a band of rows at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from ..classes import VOID, Classes
from ..segmentation import Segmentation
from .tiles import Bands


def mean_probability(logits: Tensor, views: int) -> Tensor:
    """(V · C, h, w) → (C, h, w), summing to one over the classes."""
    probabilities: Tensor = logits.unflatten(0, (views, -1)).softmax(1)
    return probabilities.mean(0) if views > 1 else probabilities[0]


def best(probabilities: Tensor) -> Tensor:
    """(C, h, w) → (2, h, w): the largest probability of each pixel, and its class."""
    confidence, chosen = probabilities.max(0)
    return torch.stack([confidence, chosen.float()])


def most_probable(bands: Bands, classes: Classes) -> Segmentation:
    """One segment for each class that wins somewhere, scored by its mean probability there.

    Args:
        bands: of `best`, of the whole image from top to bottom.
        classes: what was chosen from.
    """
    maps, total = [], torch.zeros(VOID + 1, dtype=torch.float64)
    for confidence, chosen in bands:
        maps.append(chosen.to(torch.uint8).cpu())
        total += torch.bincount(chosen.flatten().long(), confidence.flatten().double(), minlength=VOID + 1).cpu()
    found = Segmentation.from_class_map(torch.cat(maps), classes)
    scores = (total[found.labels] / found.areas()).float().clamp(0, 1)
    return Segmentation(classes, found.labels, scores, ids=found.ids)

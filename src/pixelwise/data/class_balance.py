"""Class balancing: pixel counts of the classes, and weights with which images of rare classes are drawn more often."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from ..console import track
from .dataset import Dataset


def class_counts(dataset: Dataset, *, workers: int = 4, progress: bool = False) -> Tensor:
    """(images, C) int64: pixels of each class in the ground truth of each image; void does not count."""
    number = len(dataset.classes)

    def count(i: int) -> Tensor:
        return torch.bincount(dataset.truth(i).class_map().flatten(), minlength=256)[:number]

    with ThreadPoolExecutor(max(1, workers)) as threads:
        counts = threads.map(count, range(len(dataset)))
        every = list(track(counts, "count classes", len(dataset), show=progress))
    return torch.stack(every) if every else torch.zeros(0, number, dtype=torch.int64)


def rare_class_weights(counts: Tensor, temperature: float = 0.1) -> Tensor:
    """(images,) float64, summing to 1: how often to draw each image so that rare classes are seen.

    Rare-class sampling (Hoyer et al., DAFormer, CVPR 2022, section 3.2): a class is drawn with probability
    P(c) = exp((1 − f_c) / T) / Σ exp((1 − f_c') / T), where f_c is its share of all pixels, then one of the images that
    contain it: an image weighs Σ P(c) / (number of images with c) over its classes. The paper uses T = 0.01, with which
    the rarest few classes take nearly all draws; 0.1 is milder. An image in which every pixel is void is never drawn.

    Args:
        counts: (images, C), as `class_counts` returns them.
        temperature: T; the higher it is, the more uniformly the classes are drawn.

    Raises:
        ValueError: no image has a pixel of any class.
    """
    counts = counts.double()
    if counts.ndim != 2 or not bool(counts.sum() > 0):
        raise ValueError("rare-class sampling needs images with classes, but no pixel of any belongs to one")
    holds = (counts > 0).double()
    shares = counts.sum(0) / counts.sum()
    chances = torch.where(holds.any(0), (1 - shares) / temperature, -torch.inf).softmax(0)
    return (holds * chances / holds.sum(0).clamp(min=1)).sum(1)

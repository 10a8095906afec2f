"""Matrix NMS: masks that overlap surer ones lose score, all at once (SOLOv2, Wang et al. 2020, 2003.10152, §3.3)."""

from __future__ import annotations

import torch
from torch import Tensor

SIGMA = 2.0
"""Of the Gaussian, as there."""

PIXELS = 1 << 24
"""So many values are compared at once."""


def mask_overlaps(masks: Tensor) -> Tensor:
    """(N, …) bool → (N, N) float32: intersection over union of each pair; 0 of two that are empty."""
    flat = masks.flatten(1)
    shared = torch.zeros(len(flat), len(flat), device=masks.device)
    for part in flat.split(max(1, PIXELS // max(1, len(flat))), 1):
        part = part.float()
        shared += part @ part.T
    areas = shared.diagonal()
    return shared / (areas[:, None] + areas[None] - shared).clamp(min=1)


def matrix_nms(masks: Tensor, labels: Tensor, scores: Tensor, *, linear: bool = False, sigma: float = SIGMA) -> Tensor:
    """The scores, each lowered by how much surer masks of the same label overlap it (equations 4 and 5 there).

    A mask that is itself overlapped by a surer one lowers others less, by as much as it is likely to go.

    Args:
        masks: (N, …) bool.
        labels: (N,) int64.
        scores: (N,) float, in any order; of two that are equal the first counts as surer.
        linear: decay 1 − IoU instead of exp(−σ · IoU²). A mask that equals a surer one then gets 0.
        sigma: σ of the Gaussian.

    Returns:
        (N,): the new scores, in the order of the old.
    """
    if not len(scores):
        return scores
    order = scores.argsort(descending=True, stable=True)
    labels = labels[order]
    overlaps = mask_overlaps(masks[order]) * (labels[:, None] == labels[None])
    overlaps = overlaps.triu(1)  # [i, j]: of j with a surer i
    surer = overlaps.amax(0)[:, None]  # how much i is itself overlapped
    if linear:
        decay = (1 - overlaps) / (1 - surer).clamp(min=torch.finfo(overlaps.dtype).tiny)
    else:
        decay = (-sigma * (overlaps.square() - surer.square())).exp()
    return torch.empty_like(scores).index_copy(0, order, scores[order] * decay.amin(0).to(scores.dtype))

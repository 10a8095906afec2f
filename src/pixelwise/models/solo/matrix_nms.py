"""Matrix NMS: scores of overlapping masks decay, all at once (SOLOv2, Wang et al. 2020, 2003.10152, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor

SIGMA = 2.0
"""σ of the Gaussian decay, as in the paper."""

MAX_VALUES = 1 << 24
"""The most mask values that are converted to float32 at once, which bounds the memory."""


def mask_overlaps(masks: Tensor) -> Tensor:
    """Intersection over union of each pair of masks: (N, …) bool → (N, N) float32; 0 for two empty masks."""
    flat = masks.flatten(1)
    shared = torch.zeros(len(flat), len(flat), device=masks.device)
    for part in flat.split(max(1, MAX_VALUES // max(1, len(flat))), 1):
        part = part.float()
        shared += part @ part.T
    areas = shared.diagonal()
    return shared / (areas[:, None] + areas[None] - shared).clamp(min=1)


def matrix_nms(masks: Tensor, labels: Tensor, scores: Tensor, *, linear: bool = False, sigma: float = SIGMA) -> Tensor:
    """Lower scores by the overlap of their masks with more confident ones of the same label (equations 4 and 5 there).

    A mask that is itself overlapped by a more confident one lowers others less, as it is likely to be suppressed.

    Args:
        masks: (N, …) bool.
        labels: (N,) int64.
        scores: (N,) float, in any order; of two that are equal, the first ranks higher.
        linear: decay 1 − IoU instead of exp(−σ · IoU²). A mask that equals a more confident one then gets 0.
        sigma: σ of the Gaussian.

    Returns:
        (N,): the new scores, in the order of the old ones.
    """
    if not len(scores):
        return scores
    order = scores.argsort(descending=True, stable=True)
    labels = labels[order]
    overlaps = mask_overlaps(masks[order]) * (labels[:, None] == labels[None])
    overlaps = overlaps.triu(1)  # [i, j]: IoU of mask j with a more confident mask i
    compensation = overlaps.amax(0)[:, None]  # how much mask i is itself overlapped by more confident ones
    if linear:
        decay = (1 - overlaps) / (1 - compensation).clamp(min=torch.finfo(overlaps.dtype).tiny)
    else:
        decay = (-sigma * (overlaps.square() - compensation.square())).exp()
    return torch.empty_like(scores).index_copy(0, order, scores[order] * decay.amin(0).to(scores.dtype))

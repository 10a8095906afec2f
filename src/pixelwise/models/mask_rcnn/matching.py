"""Training targets of boxes: matching with objects by overlap, and balanced sampling."""

from __future__ import annotations

import torch
from torch import Tensor

from ...ops.boxes import areas, intersections, overlaps

MAX_PAIRS = 1 << 22
"""Pairs of an object and a box that are compared at once: 500 objects and 250,000 anchors would take gigabytes."""


def match(
    objects: Tensor, boxes: Tensor, positive: float, negative: float, *, nearest: bool = False
) -> tuple[Tensor, Tensor]:
    """Give each box the object that it overlaps most (Ren et al. 2015, section 3.1.2).

    Args:
        objects: (T, 4), boxes of the ground truth; may be empty.
        boxes: (N, 4), anchors or proposals.
        positive: a box is positive from this overlap (intersection over union) on.
        negative: a box is negative below this overlap; between the two it is neither.
        nearest: the boxes that overlap an object most are positive too, however little that is; if such a box overlaps
            another object more, it belongs to that one.

    Returns:
        (N,) int64, the object of each box (0 where there is none); and (N,) int64: 1 positive, 0 negative, −1 neither.
    """
    rows = max(1, MAX_PAIRS // max(1, len(boxes)))
    parts = objects.split(rows) if len(objects) and len(boxes) else ()
    best, owner = boxes.new_zeros(len(boxes)), torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
    peaks = []
    for k, part in enumerate(parts):
        shared = overlaps(part, boxes)
        part_best, part_owner = shared.max(0)
        better = part_best > best
        best = torch.where(better, part_best, best)
        owner = torch.where(better, part_owner + k * rows, owner)
        peaks.append(shared.amax(1))
    label = torch.where(best >= positive, 1, torch.where(best < negative, 0, -1))
    if nearest:
        for part, peak in zip(parts, peaks, strict=True):
            is_peak = (overlaps(part, boxes) == peak[:, None]) & (peak[:, None] > 0)
            label[is_peak.any(0)] = 1
    return owner, label


def inside(boxes: Tensor, regions: Tensor) -> Tensor:
    """Largest share of each box's area that lies in one region: (N, 4), (R, 4) → (N,); 0 for an empty box."""
    if not len(regions):
        return boxes.new_zeros(len(boxes))
    return intersections(boxes, regions).amax(1) / areas(boxes).clamp(min=torch.finfo(boxes.dtype).tiny)


def sample(labels: Tensor, number: int, share: float) -> tuple[Tensor, Tensor]:
    """Sample positives and negatives without replacement, with torch's global generator.

    Args:
        labels: (N,) int64: above 0 positive, 0 negative, below 0 neither.
        number: size of the sample; it is smaller where there are not enough.
        share: at most this share of `number` are positive; negatives fill up.

    Returns:
        (P,) and (M,) int64: the indices of the positives and of the negatives.
    """
    positive, negative = (labels > 0).nonzero().flatten(), (labels == 0).nonzero().flatten()
    num_positive = min(len(positive), int(number * share))
    num_negative = min(len(negative), number - num_positive)
    chosen = torch.randperm(len(positive), device=labels.device)[:num_positive]
    others = torch.randperm(len(negative), device=labels.device)[:num_negative]
    return positive[chosen], negative[others]

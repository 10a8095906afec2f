"""Which boxes learn from which objects: matching by overlap, and a balanced draw of those that are asked."""

from __future__ import annotations

import torch
from torch import Tensor

from ...ops.boxes import areas, intersections, overlaps

PAIRS = 1 << 22
"""So many pairs of an object and a box are compared at once: 500 objects and 250,000 anchors would be gigabytes."""


def match(
    objects: Tensor, boxes: Tensor, positive: float, negative: float, *, nearest: bool = False
) -> tuple[Tensor, Tensor]:
    """Give each box the object that it overlaps most (Ren et al. 2015, section 3.1.2).

    Args:
        objects: (T, 4), what is true; may be empty.
        boxes: (N, 4), anchors or proposals.
        positive: a box is positive from this overlap (intersection over union) on.
        negative: a box is negative below this overlap; between the two it is neither.
        nearest: the boxes that overlap an object most are positive too, however little that is; if such a box overlaps
            another object more, it belongs to that one.

    Returns:
        (N,) int64, the object of each box (0 where there is none); and (N,) int64: 1 positive, 0 negative, −1 neither.
    """
    rows = max(1, PAIRS // max(1, len(boxes)))
    parts = objects.split(rows) if len(objects) and len(boxes) else ()
    best, owner = boxes.new_zeros(len(boxes)), torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
    peaks = []
    for k, part in enumerate(parts):
        shared = overlaps(part, boxes)
        most, who = shared.max(0)
        better = most > best
        best, owner = torch.where(better, most, best), torch.where(better, who + k * rows, owner)
        peaks.append(shared.amax(1))
    label = torch.where(best >= positive, 1, torch.where(best < negative, 0, -1))
    if nearest:
        for part, peak in zip(parts, peaks, strict=True):
            label[((overlaps(part, boxes) == peak[:, None]) & (peak[:, None] > 0)).any(0)] = 1
    return owner, label


def inside(boxes: Tensor, regions: Tensor) -> Tensor:
    """(N, 4), (R, 4) → (N,): the largest share of a box's area that lies in one region; 0 for an empty box."""
    if not len(regions):
        return boxes.new_zeros(len(boxes))
    return intersections(boxes, regions).amax(1) / areas(boxes).clamp(min=torch.finfo(boxes.dtype).tiny)


def sample(labels: Tensor, number: int, share: float) -> tuple[Tensor, Tensor]:
    """Draw positives and negatives without replacement, with torch's own generator.

    Args:
        labels: (N,) int64: above 0 positive, 0 negative, below 0 neither.
        number: to draw together; fewer where there are not enough.
        share: at most this share of them are positive; negatives fill up.

    Returns:
        (P,) and (M,) int64: the indices of the positives and of the negatives.
    """
    positive, negative = (labels > 0).nonzero().flatten(), (labels == 0).nonzero().flatten()
    some = min(len(positive), int(number * share))
    rest = min(len(negative), number - some)
    drawn = torch.randperm(len(positive), device=labels.device)[:some]
    others = torch.randperm(len(negative), device=labels.device)[:rest]
    return positive[drawn], negative[others]

"""Fast NMS: non-maximum suppression of all boxes at once, not one after the other (YOLACT, Bolya et al. 2019)."""

from __future__ import annotations

import torch
from torch import Tensor

from ...ops.boxes import overlaps

FIRST_PAIRS = 6
"""Pairs of a box and a class that are compared first, for each detection asked for: nearly always they are enough."""


def fast_nms(
    boxes: Tensor, scores: Tensor, overlap: float = 0.5, *, candidates: int = 200, max_detections: int = 100
) -> tuple[Tensor, Tensor, Tensor]:
    """Keep the boxes of each class that no better box of the same class overlaps too much (section 3.3 there).

    A suppressed box still suppresses others, which lets all pairs be compared together; usual NMS keeps a few more.

    Args:
        boxes: (K, 4), x1 y1 x2 y2.
        scores: (C, K), of each class.
        overlap: intersection over union above which the box of the lower score is suppressed.
        candidates: boxes of each class that take part, those of the highest scores.
        max_detections: pairs of a box and a class that are kept, of all classes together.

    Returns:
        (N,) each, in descending order of the scores: the box, the class (a row of `scores`) and the score.
    """
    best, box = scores.topk(min(candidates, scores.shape[1]), 1)  # (C, k), each class in descending order
    if not best.numel():
        return box.flatten(), box.flatten(), best.flatten()
    for number in (FIRST_PAIRS * max_detections, best.numel()):
        # No box is suppressed by one of a lower score, so the first pairs of all can be judged without the rest.
        lowest = best.flatten().topk(min(number, best.numel())).values[-1]
        width = int((best >= lowest).sum(1).max())
        own = boxes[box[:, :width]]
        kept = (torch.vmap(overlaps)(own, own).triu(1).amax(1) <= overlap) & (best[:, :width] >= lowest)
        if int(kept.sum()) >= max_detections:
            break
    label, column = kept.nonzero().T
    order = best[label, column].argsort(descending=True, stable=True)[:max_detections]
    label, column = label[order], column[order]
    return box[label, column], label, best[label, column]

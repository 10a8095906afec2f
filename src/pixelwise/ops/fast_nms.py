"""Fast NMS: which boxes stand for an object, all at once instead of one after the other (YOLACT, Bolya et al. 2019)."""

from __future__ import annotations

import torch
from torch import Tensor

from .boxes import overlaps


def fast_nms(
    boxes: Tensor, scores: Tensor, overlap: float = 0.5, *, candidates: int = 200, most: int = 100
) -> tuple[Tensor, Tensor, Tensor]:
    """The boxes of each class that no better one of the same class overlaps too much (section 3.3 there).

    A box that falls still makes others fall, which is what lets all pairs be judged together; the usual suppression
    keeps a little more.

    Args:
        boxes: (K, 4), x1 y1 x2 y2.
        scores: (C, K), of each class.
        overlap: intersection over union above which the lesser of two boxes falls.
        candidates: so many of the best boxes of a class take part.
        most: so many are kept of all classes together.

    Returns:
        (N,) each, the best first: the box, the class (a row of `scores`) and the score.
    """
    best, box = scores.topk(min(candidates, scores.shape[1]), 1)  # (C, k)
    shared = torch.stack([overlaps(own, own) for own in boxes[box]]) if len(box) else best[:, :, None]
    kept = shared.triu(1).amax(1) <= overlap if box.numel() else torch.zeros_like(best, dtype=torch.bool)
    label = torch.arange(len(scores), device=scores.device)[:, None].expand_as(box)[kept]
    order = best[kept].argsort(descending=True, stable=True)[:most]
    return box[kept][order], label[order], best[kept][order]

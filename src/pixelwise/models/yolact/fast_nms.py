"""Fast NMS: which boxes stand for an object, all at once instead of one after the other (YOLACT, Bolya et al. 2019)."""

from __future__ import annotations

import torch
from torch import Tensor

from ...ops.boxes import overlaps

AHEAD = 6
"""So many times as many pairs of a box and a class as are wanted are judged first: nearly always they are enough."""


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
    best, box = scores.topk(min(candidates, scores.shape[1]), 1)  # (C, k), each class from its best
    if not best.numel():
        return box.flatten(), box.flatten(), best.flatten()
    for number in (AHEAD * most, best.numel()):
        # None falls because of a lesser one, so the first of all pairs can be judged without the rest.
        least = best.flatten().topk(min(number, best.numel())).values[-1]
        width = int((best >= least).sum(1).max())
        own = boxes[box[:, :width]]
        kept = (torch.vmap(overlaps)(own, own).triu(1).amax(1) <= overlap) & (best[:, :width] >= least)
        if int(kept.sum()) >= most:
            break
    label, column = kept.nonzero().T
    order = best[label, column].argsort(descending=True, stable=True)[:most]
    label, column = label[order], column[order]
    return box[label, column], label, best[label, column]

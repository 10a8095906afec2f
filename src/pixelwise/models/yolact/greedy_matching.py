"""Greedy matching of anchors with objects (SSD, Liu et al. 2016, section 2.2; as in the code of YOLACT's authors)."""

from __future__ import annotations

import torch
from torch import Tensor

CLAIMED = 2.0
"""Overlap that is set for an anchor that an object claimed: above every real one, so that no threshold drops it."""


def match_greedily(overlaps: Tensor) -> tuple[Tensor, Tensor]:
    """Match each anchor with the object that it overlaps most, after each object has claimed its own best anchor.

    The pair with the greatest overlap claims first; then neither its object nor its anchor can take part in another
    claim. So each object has at least one anchor, however little they overlap, unless there are fewer anchors than
    objects.

    Args:
        overlaps: (N, A), intersection over union of N objects with A anchors, in [0, 1].

    Returns:
        (A,) int64, the object of each anchor, and (A,), their overlap, `CLAIMED` for those claimed. Without objects,
        both are 0.
    """
    if not len(overlaps):
        return overlaps.new_zeros(overlaps.shape[1], dtype=torch.int64), overlaps.new_zeros(overlaps.shape[1])
    strength, owner = overlaps.max(0)
    left = overlaps.clone()  # −1 in the rows and columns of claimed pairs
    best, choice = left.max(1)
    for _ in range(min(overlaps.shape)):
        truth = int(best.argmax())
        anchor = int(choice[truth])
        strength[anchor], owner[anchor] = CLAIMED, truth
        left[:, anchor] = left[truth] = best[truth] = -1
        # Only objects whose best anchor is gone need another search; all rows each time would be much slower.
        again = ((choice == anchor) & (best >= 0)).nonzero().flatten()
        if len(again):
            best[again], choice[again] = left[again].max(1)
    return owner, strength

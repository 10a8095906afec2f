"""Training targets of YOLACT's anchors (Bolya et al. 2019; matching as in SSD, Liu et al. 2016, section 2.2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ...masks import Masks
from ...ops.boxes import areas, intersections, overlaps
from ...segmentation import Segmentation
from .greedy_matching import match_greedily

POSITIVE_OVERLAP, NEGATIVE_OVERLAP = 0.5, 0.4
"""An anchor is positive from this overlap with an object on (IoU), and negative below the second."""

CROWD_SHARE = 0.7
"""An anchor that is not positive and of whose area more than this lies in a crowd is ignored."""


class Targets(NamedTuple):
    """Training targets of the A anchors of one image with N objects."""

    labels: Tensor  # (A,) int64: a class; 0 for background, −1 for anchors that are ignored
    owner: Tensor  # (A,) int64: index of the matched object; meaningless where the label is not above 0
    boxes: Tensor  # (N, 4) of the objects, x1 y1 x2 y2 in pixels
    classes: Tensor  # (N,) int64, 1 to C − 1
    masks: Masks  # N

    def positive(self) -> Tensor:
        """(P,) int64: indices of the positive anchors."""
        return (self.labels > 0).nonzero().flatten()


def assign_targets(anchors: Tensor, truth: Segmentation) -> Targets:
    """Match anchors with the objects of a ground truth.

    Background, segments without pixels and crowds are no objects.

    Args:
        anchors: (A, 4), x1 y1 x2 y2 in pixels.
        truth: of the image.
    """
    masks = truth.as_masks()
    visible = (masks.areas() > 0) & (truth.labels > 0)
    boxes = masks.boxes().to(anchors)
    index = (visible & ~truth.crowd).nonzero().flatten()
    objects, classes = boxes[index], truth.labels[index]
    owner, overlap = match_greedily(overlaps(objects, anchors))
    labels = classes[owner] if len(index) else owner
    labels = torch.where(overlap < POSITIVE_OVERLAP, -1, labels).masked_fill(overlap < NEGATIVE_OVERLAP, 0)
    crowds = boxes[visible & truth.crowd]
    if len(crowds):
        share = (intersections(anchors, crowds) / areas(anchors)[:, None]).amax(1)
        labels = labels.masked_fill((labels <= 0) & (share > CROWD_SHARE), -1)
    return Targets(labels, owner, objects, classes, masks.select(index))

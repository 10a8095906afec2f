"""Regions of interest: the level of the pyramid that suits a box, RoIAlign, and NMS."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...ops.boxes import areas

CANONICAL_SIDE, CANONICAL_LEVEL = 224, 4
"""A box of the side of ImageNet's images is pooled from the map of stride 16, as in a network without a pyramid."""


def grouped_nms(boxes: Tensor, scores: Tensor, groups: Tensor, threshold: float) -> Tensor:
    """Greedy non-maximum suppression within each group.

    Args:
        boxes: (N, 4) float.
        scores: (N,).
        groups: (N,) integers: classes, or levels of a pyramid.
        threshold: intersection over union with a box of a higher score above which a box is dropped.

    Returns:
        (K,) int64: indices of the boxes that are kept, in descending order of their scores.
    """
    from torchvision.ops import batched_nms  # a late import: it takes seconds, and only these methods need it

    kept: Tensor = batched_nms(boxes.float(), scores.float(), groups, threshold)
    return kept


def box_levels(
    boxes: Tensor, lowest: int, highest: int, *, ratio_epsilon: float = 0.0, level_epsilon: float = 0.0
) -> Tensor:
    """The level of each box: ⌊4 + log2(√area / 224)⌋, one up for each doubling of the side (Lin et al. 2017, eq. 1).

    Args:
        boxes: (N, 4), pixels.
        lowest, highest: the levels of the pyramid; level k has a stride of 2^k pixels.
        ratio_epsilon, level_epsilon: added to the ratio (detectron2) or to its logarithm (torchvision), so that a side
            of exactly 112 is not rounded down.

    Returns:
        (N,) int64.
    """
    ratio = areas(boxes).sqrt() / CANONICAL_SIDE
    level = (CANONICAL_LEVEL + (ratio + ratio_epsilon).log2() + level_epsilon).floor()
    return level.clamp(lowest, highest).long()


def roi_align_levels(
    maps: Sequence[Tensor],
    boxes: Sequence[Tensor],
    side: int,
    level: Tensor,
    lowest: int,
    *,
    sampling_ratio: int = 0,
    aligned: bool = True,
) -> Tensor:
    """RoIAlign: bilinear samples of the features in a box, averaged in side × side cells (He et al. 2017, section 3).

    Args:
        maps: (B, D, h, w) each, of the levels `lowest`, `lowest` + 1, …
        boxes: (n, 4) for each image, pixels.
        side: cells along an axis.
        level: (N,) int64, the level of each box of all images.
        lowest: level of the first map.
        sampling_ratio: samples along an axis of a cell; 0 for as many as a cell has pixels of the map.
        aligned: pixels have their centres at ½; if False, boxes are moved by half a pixel of the map and are at least
            one such pixel wide (Detectron's first RoIAlign, and torchvision's).

    Returns:
        (N, D, side, side), image by image in the order of the boxes.
    """
    from torchvision.ops import roi_align  # a late import: it takes seconds, and only these methods need it

    image = torch.cat([torch.full((len(b), 1), float(n), device=b.device) for n, b in enumerate(boxes)])
    rois = torch.cat([image, torch.cat(list(boxes))], 1).to(maps[0].dtype)
    order, pooled = [], []
    for k, features in enumerate(maps):
        index = (level == lowest + k).nonzero().flatten()
        order.append(index)
        pooled.append(roi_align(features, rois[index], side, 2.0 ** -(lowest + k), sampling_ratio, aligned))
    return torch.cat(pooled)[torch.cat(order).argsort()]

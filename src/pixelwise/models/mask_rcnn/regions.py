"""Regions of interest: which level of a pyramid they are taken from, and their features at a fixed size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...ops.boxes import areas

CANONICAL_SIDE, CANONICAL_LEVEL = 224, 4
"""A box of the side of ImageNet's images is taken from the map of stride 16, as in a network without a pyramid."""


def suppress(boxes: Tensor, scores: Tensor, groups: Tensor, threshold: float) -> Tensor:
    """Greedy suppression: what overlaps a better one of its group by more than `threshold` goes.

    Args:
        boxes: (N, 4) float.
        scores: (N,).
        groups: (N,) integers: classes, or levels of a pyramid.
        threshold: intersection over union.

    Returns:
        (K,) int64: what is left, the best first.
    """
    from torchvision.ops import batched_nms  # takes seconds to load: only these methods need it

    kept: Tensor = batched_nms(boxes.float(), scores.float(), groups, threshold)
    return kept


def levels(boxes: Tensor, lowest: int, highest: int, *, inner: float = 0.0, outer: float = 0.0) -> Tensor:
    """The level of each box: ⌊4 + log2(√area / 224)⌋, one up for each doubling of the side (Lin et al. 2017, eq. 1).

    Args:
        boxes: (N, 4), pixels.
        lowest, highest: levels that there are; level k has a stride of 2^k pixels.
        inner, outer: a little that is added to the ratio and to its logarithm, so that a side of exactly 112 is not
            rounded down (detectron2 and torchvision).

    Returns:
        (N,) int64.
    """
    ratio = areas(boxes).sqrt() / CANONICAL_SIDE
    level = (CANONICAL_LEVEL + (ratio + inner).log2() + outer).floor()
    return level.clamp(lowest, highest).long()


def pool(
    maps: Sequence[Tensor],
    boxes: Sequence[Tensor],
    side: int,
    level: Tensor,
    lowest: int,
    *,
    ratio: int = 0,
    aligned: bool = True,
) -> Tensor:
    """RoIAlign: bilinear samples of the features in a box, averaged in side × side cells (He et al. 2017, section 3).

    Args:
        maps: (B, D, h, w) each, of the levels `lowest`, `lowest` + 1, …
        boxes: (n, 4) for each image, pixels.
        side: cells along an axis.
        level: (N,) int64, of each box of all images.
        lowest: level of the first map.
        ratio: samples along an axis of a cell; 0: as many as a cell has pixels of the map.
        aligned: pixels have their centres at ½; without, boxes are moved by half a pixel of the map and are at least
            one such pixel wide (Detectron's first RoIAlign, and torchvision's).

    Returns:
        (N, D, side, side), image by image in the order of the boxes.
    """
    from torchvision.ops import roi_align  # takes seconds to load: only these methods need it

    place = torch.cat([torch.full((len(b), 1), float(n), device=b.device) for n, b in enumerate(boxes)])
    rois = torch.cat([place, torch.cat(list(boxes))], 1).to(maps[0].dtype)
    order, found = [], []
    for k, features in enumerate(maps):
        index = (level == lowest + k).nonzero().flatten()
        order.append(index)
        found.append(roi_align(features, rois[index], side, 2.0 ** -(lowest + k), ratio, aligned))
    return torch.cat(found)[torch.cat(order).argsort()]

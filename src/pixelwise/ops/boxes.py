"""Bounding boxes: (…, 4) float, x1 y1 x2 y2 in pixels, the right and the lower edge exclusive."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LARGEST_STEP = math.log(1000 / 16)
"""Logarithm of the largest ratio of a decoded box to its anchor, in width and in height (detectron2, torchvision)."""

Weights = tuple[float, float, float, float]


def areas(boxes: Tensor) -> Tensor:
    """Areas of boxes, (…, 4) → (…,); 0 for a box whose edges are swapped."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def intersections(boxes: Tensor, others: Tensor) -> Tensor:
    """Areas of the intersections of all pairs, (N, 4), (M, 4) → (N, M)."""
    low = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return (high - low).clamp(min=0).prod(-1)


def overlaps(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of all pairs, in [0, 1], (N, 4), (M, 4) → (N, M); 0 where both boxes are empty."""
    shared = intersections(boxes, others)
    return shared / (areas(boxes)[:, None] + areas(others)[None] - shared).clamp(min=torch.finfo(shared.dtype).tiny)


def clip(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Clip boxes, (…, 4), to an image of this height and width."""
    height, width = size
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack([x1.clamp(0, width), y1.clamp(0, height), x2.clamp(0, width), y2.clamp(0, height)], -1)


def encode(boxes: Tensor, anchors: Tensor, weights: Weights = (1.0, 1.0, 1.0, 1.0)) -> Tensor:
    """Encode boxes as deltas to their anchors (R-CNN, Girshick et al. 2014, appendix C).

    Args:
        boxes, anchors: (N, 4), of positive width and height.
        weights: factors of dx, dy, dw and dh; 10, 10, 5, 5 are the inverse of the variances 0.1 and 0.2 of SSD.

    Returns:
        (N, 4): the offset of the centre in widths and heights of the anchor, and the logarithm of the ratio of sizes.
    """
    centre, size = _centre_size(boxes)
    anchor_centre, anchor_size = _centre_size(anchors)
    deltas = torch.cat([(centre - anchor_centre) / anchor_size, (size / anchor_size).log()], -1)
    return deltas * boxes.new_tensor(weights)


def decode(
    deltas: Tensor, anchors: Tensor, weights: Weights = (1.0, 1.0, 1.0, 1.0), largest: float = LARGEST_STEP
) -> Tensor:
    """Decode deltas to boxes, the inverse of `encode`.

    Args:
        deltas: (N, …, 4); the dimensions between are those of several boxes of one anchor.
        anchors: (N, 4).
        weights: as in `encode`.
        largest: limit of the logarithms, against overflow.

    Returns:
        (N, …, 4) boxes.
    """
    shape = (len(anchors), *[1] * (deltas.ndim - 2), 2)
    anchor_centre, anchor_size = _centre_size(anchors)
    anchor_centre, anchor_size = anchor_centre.reshape(shape), anchor_size.reshape(shape)
    deltas = deltas / deltas.new_tensor(weights)
    centre = deltas[..., :2] * anchor_size + anchor_centre
    half = deltas[..., 2:].clamp(max=largest).exp() * anchor_size / 2
    return torch.cat([centre - half, centre + half], -1)


def _centre_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Centre (x, y), and width and height."""
    size = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + size / 2, size

"""Boxes: (…, 4) float, x1 y1 x2 y2 in pixels, the right and the lower edge outside."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LARGEST_STEP = math.log(1000 / 16)
"""No decoded box is more than exp of this times as wide or high as its anchor (detectron2, torchvision)."""

Weights = tuple[float, float, float, float]


def areas(boxes: Tensor) -> Tensor:
    """(…, 4) → (…,): width times height, 0 for a box that is turned inside out."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def intersections(boxes: Tensor, others: Tensor) -> Tensor:
    """(N, 4), (M, 4) → (N, M): the area that each pair shares."""
    low = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return (high - low).clamp(min=0).prod(-1)


def overlaps(boxes: Tensor, others: Tensor) -> Tensor:
    """(N, 4), (M, 4) → (N, M): intersection over union in [0, 1]; 0 where both boxes are empty."""
    shared = intersections(boxes, others)
    return shared / (areas(boxes)[:, None] + areas(others)[None] - shared).clamp(min=torch.finfo(shared.dtype).tiny)


def clip(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """(…, 4) → the same inside an image of this height and width."""
    height, width = size
    return torch.stack([boxes[..., k].clamp(0, (width, height)[k % 2]) for k in range(4)], -1)


def encode(boxes: Tensor, anchors: Tensor, weights: Weights = (1.0, 1.0, 1.0, 1.0)) -> Tensor:
    """How far boxes lie from their anchors (R-CNN, Girshick et al. 2014, appendix C).

    Args:
        boxes, anchors: (N, 4), of positive width and height.
        weights: the factors of dx, dy, dw and dh; 10, 10, 5, 5 are one over the variances 0.1 and 0.2 of SSD.

    Returns:
        (N, 4): the distance of the centres in widths and heights of the anchor, and the logarithm of the ratios.
    """
    middle, side = _centred(boxes)
    anchor_middle, anchor_side = _centred(anchors)
    return torch.cat([(middle - anchor_middle) / anchor_side, (side / anchor_side).log()], -1) * boxes.new_tensor(
        weights
    )


def decode(
    deltas: Tensor, anchors: Tensor, weights: Weights = (1.0, 1.0, 1.0, 1.0), largest: float = LARGEST_STEP
) -> Tensor:
    """The inverse of `encode`.

    Args:
        deltas: (N, …, 4); several boxes of one anchor stand between.
        anchors: (N, 4).
        weights: as in `encode`.
        largest: limit of the logarithms, so that nothing overflows.
    """
    shape = (len(anchors), *[1] * (deltas.ndim - 2), 2)
    middle, side = (part.reshape(shape) for part in _centred(anchors))
    steps = deltas / deltas.new_tensor(weights)
    centre = steps[..., :2] * side + middle
    half = steps[..., 2:].clamp(max=largest).exp() * side / 2
    return torch.cat([centre - half, centre + half], -1)


def _centred(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Centre, and width and height."""
    side = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + side / 2, side

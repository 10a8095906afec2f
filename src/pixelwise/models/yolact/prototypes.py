"""Masks that are sums of prototypes: from the cells of the map to pixels and back (YOLACT, Bolya et al. 2019).

A map of h × w cells lies over an image of H × W pixels, the padding of its batch included. Boxes are x1 y1 x2 y2 in
pixels of that image; a mask is 0 outside its box, of which each side is moved outwards by one cell.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ...masks import Crop, Masks
from ...ops.resize import bilinear_weights

Size = tuple[int, int]


def windows(boxes: Tensor, size: Size, cells: Size) -> Tensor:
    """The cells that boxes let through.

    Args:
        boxes: (N, 4) float.
        size: height and width of the image, pixels.
        cells: height and width of the map.

    Returns:
        (N, 4) int64: the first column and row, and those after the last; none are left of a box outside.
    """
    limits = boxes.new_tensor([cells[1], cells[0]])
    corners = (boxes / boxes.new_tensor([size[1], size[0]] * 2)).unflatten(1, (2, 2)) * limits
    low, high = corners.amin(1) - 1, corners.amax(1) + 1
    return torch.cat([low.clamp(min=0), torch.minimum(high, limits)], 1).ceil().long()


def within(window: Tensor, cells: Size) -> Tensor:
    """(N, 4), as `windows` gives them → (N, h, w) bool: whether a cell lies in each."""
    x1, y1, x2, y2 = window.T[:, :, None]
    column, row = (torch.arange(length, device=window.device) for length in (cells[1], cells[0]))
    across: Tensor = (column >= x1) & (column < x2)
    down: Tensor = (row >= y1) & (row < y2)
    return down[:, :, None] & across[:, None, :]


def shrink(masks: Masks, size: Size, cells: Size) -> Tensor:
    """Masks at the size of the map: bilinear, and more than a half.

    Args:
        masks: of the image, or of its part without padding.
        size: height and width of the image, pixels.
        cells: height and width of the map.

    Returns:
        (N, h, w) bool.
    """
    device = masks.runs.device
    rows, columns = (bilinear_weights(n, pixels, pixels / n, device) for pixels, n in zip(size, cells, strict=True))
    small = torch.zeros(len(masks), *cells, dtype=torch.bool, device=device)
    for n in range(len(masks)):
        crop, (x, y) = masks.crop(n)
        height, width = crop.shape
        small[n] = rows[:, y : y + height] @ crop.float() @ columns[:, x : x + width].T > 0.5
    return small


def grow(prototypes: Tensor, coefficients: Tensor, boxes: Tensor, size: Size, shown: Size, whole: Size) -> Masks:
    """The masks of objects in the original image: more than a half of `soft_masks`, one object at a time."""
    soft = soft_masks(prototypes, coefficients, boxes, size, shown, whole)
    return Masks.from_crops(((mask > 0.5, corner) for mask, corner in soft), size, prototypes.device)


def soft_masks(
    prototypes: Tensor, coefficients: Tensor, boxes: Tensor, size: Size, shown: Size, whole: Size
) -> Iterator[Crop]:
    """σ(Σ coefficient · prototype) within each box (equation 1 there), bilinear at the size of the original image.

    Nothing is computed where a mask is 0.

    Args:
        prototypes: (D, h, w).
        coefficients: (N, D).
        boxes: (N, 4), in pixels of the image.
        size: height and width of the original image.
        shown: of the image in the image, which is to be resized to `size`.
        whole: of the image.

    Yields:
        For each object the part of its mask that is more than 0, (n, m) float in [0, 1]; and the column and the row
        where that begins.
    """
    cells = (prototypes.shape[1], prototypes.shape[2])
    steps = [cells[k] * shown[k] / (whole[k] * size[k]) for k in range(2)]
    rows, columns = (bilinear_weights(size[k], cells[k], steps[k], prototypes.device) for k in range(2))
    for coefficient, (x1, y1, x2, y2) in zip(coefficients, windows(boxes, whole, cells).tolist(), strict=True):
        down, across = _reached(y1, y2, steps[0], size[0]), _reached(x1, x2, steps[1], size[1])
        part = prototypes[:, y1:y2, x1:x2]
        soft = (coefficient @ part.flatten(1)).sigmoid().view(part.shape[1:])
        yield rows[down, y1:y2] @ soft @ columns[across, x1:x2].T, (across.start, down.start)


def _reached(first: int, end: int, step: float, length: int) -> slice:
    """The pixels along one axis that take something of the cells from `first` to `end`."""
    if first >= end:
        return slice(0, 0)
    start, stop = math.floor((first - 0.5) / step - 0.5), math.ceil((end + 0.5) / step - 0.5)
    return slice(min(max(0, start), length), max(0, min(length, stop)))

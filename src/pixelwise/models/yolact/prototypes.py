"""Masks as linear combinations of prototypes: from cells of the map to pixels and back (YOLACT, Bolya et al. 2019).

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


def crop_windows(boxes: Tensor, size: Size, cells: Size) -> Tensor:
    """The range of cells that masks are cropped to: those of their boxes and one more on each side.

    Args:
        boxes: (N, 4) float.
        size: height and width of the image, pixels.
        cells: height and width of the map.

    Returns:
        (N, 4) int64: the first column and row, and those after the last; the range is empty for a box outside.
    """
    limits = boxes.new_tensor([cells[1], cells[0]])
    corners = (boxes / boxes.new_tensor([size[1], size[0]] * 2)).unflatten(1, (2, 2)) * limits
    low, high = corners.amin(1) - 1, corners.amax(1) + 1
    return torch.cat([low.clamp(min=0), torch.minimum(high, limits)], 1).ceil().long()


def inside_windows(windows: Tensor, cells: Size) -> Tensor:
    """(N, 4) of `crop_windows` → (N, h, w) bool: True for the cells of each window."""
    x1, y1, x2, y2 = windows.T[:, :, None]
    row = torch.arange(cells[0], device=windows.device)
    column = torch.arange(cells[1], device=windows.device)
    across: Tensor = (column >= x1) & (column < x2)
    down: Tensor = (row >= y1) & (row < y2)
    return down[:, :, None] & across[:, None, :]


def downsample_masks(masks: Masks, size: Size, cells: Size) -> Tensor:
    """Resize masks to the size of the map, bilinearly, with a threshold of a half.

    Args:
        masks: of the padded image, or of its part without padding.
        size: height and width of the image, pixels.
        cells: height and width of the map.

    Returns:
        (N, h, w) bool.
    """
    device = masks.runs.device
    rows = bilinear_weights(cells[0], size[0], size[0] / cells[0], device)
    columns = bilinear_weights(cells[1], size[1], size[1] / cells[1], device)
    small = torch.zeros(len(masks), *cells, dtype=torch.bool, device=device)
    for n in range(len(masks)):
        crop, (x, y) = masks.crop(n)
        height, width = crop.shape
        small[n] = rows[:, y : y + height] @ crop.float() @ columns[:, x : x + width].T > 0.5
    return small


def assemble_masks(
    prototypes: Tensor, coefficients: Tensor, boxes: Tensor, size: Size, inner: Size, padded: Size
) -> Masks:
    """The masks of objects in the original image: `soft_masks` with a threshold of a half, one object at a time."""
    soft = soft_masks(prototypes, coefficients, boxes, size, inner, padded)
    return Masks.from_crops(((mask > 0.5, corner) for mask, corner in soft), size, prototypes.device)


def soft_masks(
    prototypes: Tensor, coefficients: Tensor, boxes: Tensor, size: Size, inner: Size, padded: Size
) -> Iterator[Crop]:
    """σ(Σ coefficient · prototype) within each box (equation 1 there), resized bilinearly to the original image.

    Only the part of a mask that can be above 0 is computed.

    Args:
        prototypes: (D, h, w).
        coefficients: (N, D).
        boxes: (N, 4), in pixels of the padded image.
        size: height and width of the original image.
        inner: height and width of the resized image without padding.
        padded: height and width of the padded image.

    Yields:
        For each object a crop that holds all of its mask, (n, m) float in [0, 1], and the column and row of its first
        pixel.
    """
    cells = (prototypes.shape[1], prototypes.shape[2])
    steps = [cells[k] * inner[k] / (padded[k] * size[k]) for k in range(2)]  # cells to a pixel of the original
    rows = bilinear_weights(size[0], cells[0], steps[0], prototypes.device)
    columns = bilinear_weights(size[1], cells[1], steps[1], prototypes.device)
    windows = crop_windows(boxes, padded, cells).tolist()
    for coefficient, (x1, y1, x2, y2) in zip(coefficients, windows, strict=True):
        down = _reached_pixels(y1, y2, steps[0], size[0])
        across = _reached_pixels(x1, x2, steps[1], size[1])
        part = prototypes[:, y1:y2, x1:x2]
        soft = (coefficient @ part.flatten(1)).sigmoid().view(part.shape[1:])
        yield rows[down, y1:y2] @ soft @ columns[across, x1:x2].T, (across.start, down.start)


def _reached_pixels(first: int, end: int, step: float, length: int) -> slice:
    """The pixels along one axis that depend on the cells from `first` to before `end`."""
    if first >= end:
        return slice(0, 0)
    start, stop = math.floor((first - 0.5) / step - 0.5), math.ceil((end + 0.5) / step - 0.5)
    return slice(min(max(0, start), length), max(0, min(length, stop)))

"""Pasting of soft masks, each of m × m cells over its box, into the pixels of the image.

The m cells of an axis share the box's length evenly, and a pixel takes, at its centre, the bilinear mean of the cells'
centres; outside they are 0, so that a mask fades out over half a cell around its box (Mask R-CNN, He et al. 2017,
section 3.1; the rule of detectron2). torchvision resizes the mask to whole pixels, which moves it by up to one:
`whole_pixels` does the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...masks import Masks

Array = NDArray[Any]


def paste(masks: Tensor, boxes: Tensor, size: tuple[int, int], *, whole_pixels: bool = False) -> Tensor:
    """Paste soft masks at the full size of the image, which takes 4 bytes for each pixel of each mask.

    Args:
        masks: (N, m, m) float in [0, 1], on any device.
        boxes: (N, 4) float, x1 y1 x2 y2 in pixels of the image; they may reach out of it.
        size: height and width of the image, pixels.
        whole_pixels: as torchvision's `paste_masks_in_image(masks, boxes, size, padding=1)`.

    Returns:
        (N, H, W) float32 in [0, 1], on the device of `masks`.
    """
    pasted = np.zeros((len(masks), *size), np.float32)  # pages that are never written to cost nothing
    for canvas, (crop, (x, y)) in zip(pasted, _crops(masks, boxes, size, whole_pixels), strict=True):
        canvas[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    return torch.from_numpy(pasted).to(masks.device)


def paste_masks(
    masks: Tensor, boxes: Tensor, size: tuple[int, int], *, threshold: float = 0.5, whole_pixels: bool = False
) -> Masks:
    """Paste soft masks and threshold them, without any dense mask of full size; on the device of `masks`.

    Args:
        masks: (N, m, m) float in [0, 1], on any device.
        boxes: (N, 4) float, x1 y1 x2 y2 in pixels of the image; they may reach out of it.
        size: height and width of the image, pixels.
        threshold: in (0, 1]; pixels that reach it belong to the mask.
        whole_pixels: see `paste`.
    """
    crops = _crops(masks, boxes, size, whole_pixels)
    binary = ((torch.from_numpy(crop >= threshold), corner) for crop, corner in crops)
    return Masks.from_crops(binary, size, masks.device)


def _crops(
    masks: Tensor, boxes: Tensor, size: tuple[int, int], whole_pixels: bool
) -> Iterator[tuple[Array, tuple[int, int]]]:
    """For each mask a crop that holds all of it, (h, w) float32, and the column and row of its first pixel."""
    soft, corners = masks.float().cpu().numpy(), boxes.float().cpu().numpy().reshape(-1, 2, 2)
    cells = soft.shape[-1]
    middle = (corners[:, 1] + corners[:, 0]) * np.float32(0.5)
    half = (corners[:, 1] - corners[:, 0]) * np.float32(0.5)
    half *= np.float32((cells + 2) / cells)  # a cell of 0 on each side
    starts, ends = middle - half, middle + half
    if whole_pixels:
        starts, ends = np.trunc(starts), np.trunc(ends) + 1
    across = _weights(starts[:, 0], ends[:, 0], cells, size[1])
    down = _weights(starts[:, 1], ends[:, 1], cells, size[0])
    for mask, (x, columns), (y, rows) in zip(soft, across, down, strict=True):
        yield rows @ mask @ columns.T, (x, y)


def _weights(starts: Array, ends: Array, cells: int, length: int) -> Iterator[tuple[int, Array]]:
    """For each mask, along one axis: the first pixel, and (n, cells), the weight of each cell in the n pixels from it.

    Args:
        starts, ends: (N,), sides of the boxes with a cell more on either side, pixels.
        cells: number of cells of a mask.
        length: length of the image, pixels.
    """
    # The pixels of all masks are computed in one array, one mask after the other, and split at the end.
    first = np.floor(starts).clip(0, length).astype(int)
    numbers = (np.ceil(ends).clip(0, length).astype(int) - first).clip(min=0)
    mask, last = np.repeat(np.arange(len(starts)), numbers), np.cumsum(numbers)
    pixel = np.arange(len(mask)) - (last - numbers - first)[mask]
    step = (cells + 2) / (ends - starts).clip(min=1e-6)
    place = ((pixel + 0.5 - starts[mask]) * step[mask] - 1.5).astype(np.float32)  # 0 is the first cell's centre
    weights = (1 - np.abs(place[:, None] - np.arange(cells, dtype=np.float32))).clip(min=0)
    return zip(first.tolist(), np.split(weights, last)[:-1], strict=True)

"""Soft masks, each of m × m cells over its box, brought back to the pixels of the image.

The m cells of an axis share the box's length evenly, and a pixel takes, at its centre, the bilinear mean of the cells'
centres; outside they are 0, so that a mask fades out over half a cell around its box (Mask R-CNN, He et al. 2017,
section 3.1; the rule of detectron2). torchvision resizes the mask to whole pixels, which moves it by up to one:
`whole_pixels` does the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..masks import Crop, Masks


def paste(masks: Tensor, boxes: Tensor, size: tuple[int, int], *, whole_pixels: bool = False) -> Tensor:
    """Soft masks at the full size of the image; 4 bytes for each pixel of each.

    Args:
        masks: (N, m, m) float in [0, 1], on any device.
        boxes: (N, 4) float, x1 y1 x2 y2 in pixels of the image; they may reach out of it.
        size: height and width of the image, pixels.
        whole_pixels: as torchvision's `paste_masks_in_image(masks, boxes, size, padding=1)`.

    Returns:
        (N, H, W) float32 in [0, 1], on the device of `masks`.
    """
    pasted = torch.zeros(len(masks), *size)
    for canvas, (crop, (x, y)) in zip(pasted, _crops(masks, boxes, size, whole_pixels), strict=True):
        canvas[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    return pasted.to(masks.device)


def paste_masks(
    masks: Tensor, boxes: Tensor, size: tuple[int, int], *, threshold: float = 0.5, whole_pixels: bool = False
) -> Masks:
    """The pixels where pasted masks reach `threshold`, without any mask at full size; on the device of `masks`.

    Args:
        masks: (N, m, m) float in [0, 1], on any device.
        boxes: (N, 4) float, x1 y1 x2 y2 in pixels of the image; they may reach out of it.
        size: height and width of the image, pixels.
        threshold: in (0, 1].
        whole_pixels: as torchvision has it.
    """
    crops = _crops(masks, boxes, size, whole_pixels)
    return Masks.from_crops(((crop >= threshold, corner) for crop, corner in crops), size, masks.device)


def _crops(masks: Tensor, boxes: Tensor, size: tuple[int, int], whole_pixels: bool) -> Iterator[Crop]:
    """Each mask where it may be more than 0, (h, w) float32 on the CPU; and where in the image that begins."""
    cells = masks.shape[-1]
    middle, half = (boxes[:, 2:] + boxes[:, :2]) * 0.5, (boxes[:, 2:] - boxes[:, :2]) * 0.5
    half *= (cells + 2) / cells  # a cell of 0 on each side
    edges = torch.stack([middle - half, middle + half]).float().cpu()
    if whole_pixels:
        edges = edges.trunc()
        edges[1] += 1
    across, down = (_weights(*edges[:, :, k], cells, size[1 - k]) for k in range(2))
    for mask, (x, columns), (y, rows) in zip(masks.float().cpu().mT, across, down, strict=True):
        yield (columns @ mask @ rows.T).T, (x, y)


def _weights(starts: Tensor, ends: Tensor, cells: int, length: int) -> Iterator[tuple[int, Tensor]]:
    """For each mask, along one axis: the first pixel, and (n, cells), the weight of each cell in the n pixels from it.

    Args:
        starts, ends: (N,) of the boxes with a cell more on either side, pixels.
        cells: of a mask.
        length: of the image, pixels.
    """
    first = starts.floor().clamp(0, length).long()
    numbers = (ends.ceil().clamp(0, length).long() - first).clamp(min=0)
    mask = torch.repeat_interleave(torch.arange(len(starts)), numbers)
    pixel = torch.arange(len(mask)) - (numbers.cumsum(0) - numbers - first)[mask]
    step = (cells + 2) / (ends - starts).clamp(min=1e-6)
    place = (pixel + 0.5 - starts[mask]) * step[mask] - 1.5
    weights = (1 - (place[:, None] - torch.arange(cells)).abs_()).clamp_(min=0)
    return zip(first.tolist(), weights.split(numbers.tolist()), strict=True)

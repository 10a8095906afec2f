"""U-Net's border weights: pixels between cells that nearly touch weigh more (Ronneberger et al. 2015, equation 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from ..segmentation import Segmentation
from .pixel import CrossEntropy

REACH = 6
"""Distances are computed up to this many σ; beyond it the weight is less than 2e-8 of w0 and is taken as 0."""


class BorderCrossEntropy(CrossEntropy):
    """Cross-entropy with the pixel weights of U-Net's equation 2: the class weight plus `border_weights`.

    The ground truths must tell touching objects apart; without instances it is the plain cross-entropy.

    Args:
        weights: (C,) class weights, w_c of the equation.
        w0: the weight between two cells that touch.
        sigma: decay of the weight with the distance, pixels.
    """

    def __init__(self, weights: Tensor | Sequence[float] | None = None, w0: float = 10.0, sigma: float = 5.0) -> None:
        super().__init__(weights)
        self.w0, self.sigma = w0, sigma

    def targets(self, truths: Sequence[Segmentation]) -> tuple[Tensor, ...]:
        """Make the class map and the border weights, (B, H, W) each: `target` and `pixel_weights` of `forward`."""
        borders = torch.stack([border_weights(truth, self.w0, self.sigma) for truth in truths])
        return (*super().targets(truths), borders)


def border_weights(truth: Segmentation, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """Compute w0·exp(−(d1 + d2)² / 2σ²), (H, W) float32: the second term of U-Net's equation 2.

    d1 and d2 are the distances from the centre of a pixel to that of the nearest pixel of the nearest and of the second
    nearest cell, 0 inside a cell. Cells are the segments of thing classes that are not crowd; with fewer than two of
    them the weights are 0. `pixel.CrossEntropy` takes them as `pixel_weights`.

    Args:
        truth: with one segment for each cell.
        w0: the weight between two cells that touch.
        sigma: decay of the weight with the distance, pixels.

    Raises:
        ValueError: sigma is not positive.
    """
    if sigma <= 0:
        raise ValueError(f"sigma is {sigma}: it is a distance in pixels, more than 0")
    from scipy import ndimage

    ids = truth.panoptic_map().cpu().numpy()
    cells = torch.tensor(truth.classes.things)[truth.labels.cpu()] & ~truth.crowd.cpu()
    # The distances to the nearest and the second nearest cell so far. Each cell changes them in a window around it
    # only: further away its weight would be 0.
    nearest = np.full(ids.shape, np.inf, np.float32)
    second = nearest.copy()
    reach = math.ceil(REACH * sigma)
    for n, box in enumerate(ndimage.find_objects(ids, len(truth))):
        if box is None or not cells[n]:
            continue
        window = tuple(slice(max(side.start - reach, 0), side.stop + reach) for side in box)
        distance = cv2.distanceTransform((ids[window] != n + 1).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        np.minimum(second[window], np.maximum(nearest[window], distance), out=second[window])
        np.minimum(nearest[window], distance, out=nearest[window])
    return torch.from_numpy(w0 * np.exp(-np.square(nearest + second) / (2 * sigma**2))).to(truth.labels.device)

"""U-Net's border weights: pixels between cells that nearly touch count more (Ronneberger et al. 2015, equation 2)."""

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
"""Distances are followed up to this many σ; what lies further adds less than 2e-8 of w0 and is left out."""


class BorderCrossEntropy(CrossEntropy):
    """Cross-entropy whose pixels weigh what U-Net's equation 2 says: their class's weight plus `border_weights`.

    The ground truths must tell touching objects apart; where they do not, it is the plain cross-entropy.

    Args:
        weights: (C,) one a class, w_c of the equation.
        w0: the weight between two cells that touch.
        sigma: how far it reaches, pixels.
    """

    def __init__(self, weights: Tensor | Sequence[float] | None = None, w0: float = 10.0, sigma: float = 5.0) -> None:
        super().__init__(weights)
        self.w0, self.sigma = w0, sigma

    def targets(self, truths: Sequence[Segmentation]) -> tuple[Tensor, ...]:
        """Make the class map and the border weights, (B, H, W) each: `target` and `pixel_weights` of `forward`."""
        borders = torch.stack([border_weights(truth, self.w0, self.sigma) for truth in truths])
        return (*super().targets(truths), borders)


def border_weights(truth: Segmentation, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """(H, W) float32: w0·exp(−(d1 + d2)² / 2σ²), the second term of U-Net's equation 2.

    d1 and d2 are the distances from the centre of a pixel to that of the nearest pixel of the nearest and of the second
    nearest cell, 0 inside a cell. The cells are the segments of countable classes (things) that are not crowd; with
    fewer than two of them the term is 0. Give it to `pixel.CrossEntropy` as `pixel_weights`.

    Args:
        truth: with one segment a cell.
        w0: the weight between two cells that touch.
        sigma: how far it reaches, pixels.

    Raises:
        ValueError: for a σ that is not positive.
    """
    if sigma <= 0:
        raise ValueError(f"sigma is {sigma}: it is a distance in pixels, more than 0")
    from scipy import ndimage

    ids = truth.panoptic_map().cpu().numpy()
    cells = torch.tensor(truth.classes.things)[truth.labels.cpu()] & ~truth.crowd.cpu()
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

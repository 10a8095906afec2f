"""Class balancing: class weights from pixel counts, against the dominance of frequent classes."""

from __future__ import annotations

import torch
from torch import Tensor

SCHEMES = ("none", "median", "enet", "inverse-sqrt")


def class_weights(counts: Tensor, scheme: str) -> Tensor:
    """Compute class weights, (C,) float32; classes without a pixel have weight 0.

    - "none": 1 for every class, those without a pixel too.
    - "median": median frequency balancing, median(f) / f_c. f_c is the number of pixels of class c divided by all
      pixels *of the images that contain c*; the median is over the classes that occur (Eigen and Fergus 2015, SegNet).
    - "enet": 1 / ln(1.02 + p_c), p_c the share of class c among all pixels: 1.4 to 50.5 (Paszke et al. 2016).
    - "inverse-sqrt": 1 / √p_c.

    Args:
        counts: (images, C), pixels of each class in each image, void left out.
        scheme: one of `SCHEMES`.

    Raises:
        ValueError: the scheme is unknown, or the counts have another shape or are all 0.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"there is no class balancing called {scheme!r}; there are: {', '.join(SCHEMES)}")
    counts = torch.as_tensor(counts).double()
    if counts.ndim != 2 or not bool(counts.sum() > 0):
        raise ValueError(
            f"class weights need counts (images, C) that are not all 0, not {tuple(counts.shape)} adding up to "
            f"{counts.sum():.0f} pixels"
        )
    pixels, present = counts.sum(0), counts.sum(0) > 0
    share = pixels / pixels.sum()
    if scheme == "none":
        return torch.ones(counts.shape[1])
    if scheme == "median":
        containing = ((counts > 0) * counts.sum(1, keepdim=True)).sum(0)  # all pixels of the images that contain c
        frequency = pixels / containing
        weights = frequency[present].quantile(0.5) / frequency
    elif scheme == "enet":
        weights = 1 / torch.log(1.02 + share)
    else:
        weights = share.rsqrt()
    return torch.where(present, weights, 0.0).float()

"""Copy-paste: objects of one sample put onto another, image and ground truth alike.

Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation", CVPR 2021: a random
subset of the objects of a second image, which was augmented by itself, is pasted with hard edges (their section 3
finds no gain in blending); what lies below loses these pixels, and objects of which nothing is left are dropped.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...masks import Masks
from ...sample import Sample
from ...segmentation import Segmentation

CHOSEN = 0.5
"""The probability with which each object of the second sample is pasted."""


def paste(sample: Sample, other: Sample, rng: np.random.Generator) -> Sample:
    """The sample with some of the objects of another one on top.

    Objects are the countable segments (`Classes.things`) that are no crowd; each is as visible as it was.

    Args:
        sample: with ground truth; kept as it is where nothing is pasted.
        other: with ground truth of the same classes, of the same size.
        rng: where the draws come from: one for each segment of `other`.

    Raises:
        ValueError: for samples of two sizes, of different classes, or without ground truth.
    """
    below, above = sample.truth, other.truth
    if below is None or above is None or below.classes != above.classes or sample.size != other.size:
        raise ValueError(
            f"objects of {other.name or 'a sample'} cannot be pasted into {sample.name or 'another'}: both must have a "
            "truth of the same classes and the same size"
        )
    drawn = rng.random(len(above)) < CHOSEN
    things = np.array(above.classes.things)[above.labels.numpy()]
    chosen = torch.from_numpy(drawn & things & ~above.crowd.numpy() & (above.areas().numpy() > 0))
    if not chosen.any():
        return sample
    pasted = above.select(chosen)
    covered = pasted.panoptic_map() > 0
    pixels = sample.image.permute(1, 2, 0).clone(memory_format=torch.contiguous_format)
    pixels[covered] = other.image.permute(1, 2, 0)[covered]
    return Sample(pixels.permute(2, 0, 1), _merged(below, pasted, covered), sample.name)


def _merged(below: Segmentation, pasted: Segmentation, covered: Tensor) -> Segmentation:
    """What is left of the segments below, then those pasted."""
    labels, scores, crowd = (
        torch.cat([getattr(below, name), getattr(pasted, name)]) for name in ("labels", "scores", "crowd")
    )
    if below.masks is not None:
        crops = (below.masks.crop(n) for n in range(len(below)))
        left = ((crop & ~covered[y:, x:][: crop.shape[0], : crop.shape[1]], (x, y)) for crop, (x, y) in crops)
        masks = Masks.joined([Masks.from_crops(left, below.size), pasted.as_masks()])
        merged = Segmentation(below.classes, labels, scores, masks=masks, crowd=crowd)
    else:
        ids = torch.where(covered, pasted.panoptic_map() + len(below), below.panoptic_map())
        merged = Segmentation(below.classes, labels, scores, ids=ids, crowd=crowd)
    return merged.select(merged.areas() > 0)

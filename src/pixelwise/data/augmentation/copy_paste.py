"""Copy-paste: objects of one sample pasted into another, image and ground truth alike.

Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation", CVPR 2021: a random
subset of the objects of a second image, which was augmented on its own, is pasted with hard edges (their section 3
finds no gain in blending); segments below lose the covered pixels, and segments of which nothing is left are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ...masks import Masks
from ...sample import Sample
from ...segmentation import Segmentation

PASTE_PROBABILITY = 0.5
"""The probability with which each object of the second sample is pasted."""


def paste(sample: Sample, other: Sample, rng: np.random.Generator) -> Sample:
    """Paste some of the objects of another sample on top of this one.

    Objects are the segments of things (`Classes.things`) that are no crowd; their visible pixels are pasted.

    Args:
        sample: with ground truth; returned unchanged if nothing is pasted.
        other: with ground truth of the same classes and the same size.
        rng: source of one draw for each segment of `other`.

    Raises:
        ValueError: the samples differ in size or classes, or lack ground truth.
    """
    below, above = sample.truth, other.truth
    if below is None or above is None or below.classes != above.classes or sample.size != other.size:
        raise ValueError(
            f"objects of {other.name or 'a sample'} cannot be pasted into {sample.name or 'another'}: both must have a "
            "truth of the same classes and the same size"
        )
    drawn = rng.random(len(above)) < PASTE_PROBABILITY
    things = np.array(above.classes.things)[above.labels.numpy()]
    chosen = torch.from_numpy(drawn & things & ~above.crowd.numpy() & (above.areas().numpy() > 0))
    if not chosen.any():
        return sample
    pasted = above.select(chosen)
    covered = pasted.panoptic_map() > 0
    pixels = sample.image.permute(1, 2, 0).clone(memory_format=torch.contiguous_format)
    pixels[covered] = other.image.permute(1, 2, 0)[covered]
    return Sample(pixels.permute(2, 0, 1), _merge(below, pasted, covered), sample.name)


def _merge(below: Segmentation, pasted: Segmentation, covered: Tensor) -> Segmentation:
    """The uncovered rest of the segments below, then the pasted ones."""
    labels = torch.cat([below.labels, pasted.labels])
    scores = torch.cat([below.scores, pasted.scores])
    crowd = torch.cat([below.crowd, pasted.crowd])
    if below.masks is not None:
        rest = Masks.from_crops(_uncovered(below.masks, covered), below.size)
        masks = Masks.joined([rest, pasted.as_masks()])
        merged = Segmentation(below.classes, labels, scores, masks=masks, crowd=crowd)
    else:
        ids = torch.where(covered, pasted.panoptic_map() + len(below), below.panoptic_map())
        merged = Segmentation(below.classes, labels, scores, ids=ids, crowd=crowd)
    return merged.select(merged.areas() > 0)


def _uncovered(masks: Masks, covered: Tensor) -> Iterator[tuple[Tensor, tuple[int, int]]]:
    """The crop of each mask and its place (x, y), without the covered pixels."""
    for n in range(len(masks)):
        crop, (x, y) = masks.crop(n)
        height, width = crop.shape
        yield crop & ~covered[y : y + height, x : x + width], (x, y)

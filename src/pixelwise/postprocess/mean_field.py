"""Mean-field inference in a fully connected CRF.

Krähenbühl, Koltun: "Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials", NIPS 2011, with the
lattice, the signs and the normalizations of pydensecrf, with which published parameters were tuned.

Differs from the paper, as every program does: a pixel sends a message to itself too, and the filter is normalized.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .permutohedral import Lattice

FLOOR = 1e-5
"""The smallest probability: lower ones are raised to it, so that no class is ever impossible (pydensecrf's rule)."""

MIN_MESSAGE = 1e-5
"""A class with no higher probability anywhere sends no message: it would change probabilities by some 1e-10."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """One Gaussian kernel between all pairs of pixels.

    Attributes:
        weight: the compatibility of the classes of near pixels. A number is the Potts model: equal classes gain that
            much. Tensors are *costs*, as in pydensecrf: (C,) for equal classes, (C, C) for pairs of classes, made
            symmetric. −w for every class, and −w times the identity, are the same as the number w.
        xy: the standard deviation of the position, pixels; one number, or (x, y).
        rgb: the standard deviation of the colour, for channels of 0 to 255, one number or three; None for a kernel of
            position alone.
        normalization: as in `Lattice`.
    """

    weight: float | Tensor
    xy: float | tuple[float, float]
    rgb: float | tuple[float, float, float] | None = None
    normalization: str = "symmetric"

    def lattice(self, image: Tensor, dtype: torch.dtype) -> Lattice:
        """Make the filter between the pixels of a (3, H, W) uint8 image; its features are x, y, red, green, blue."""
        height, width = image.shape[-2:]
        sx, sy = self.xy if isinstance(self.xy, tuple) else (self.xy, self.xy)
        x = torch.arange(width, dtype=dtype, device=image.device) / sx
        y = torch.arange(height, dtype=dtype, device=image.device) / sy
        planes = [x.expand(height, -1), y[:, None].expand(-1, width)]
        if self.rgb is not None:
            deviations = self.rgb if isinstance(self.rgb, tuple) else (self.rgb,) * 3
            planes += [channel.to(dtype) / s for channel, s in zip(image, deviations, strict=True)]
        return Lattice(torch.stack(planes, -1).flatten(0, 1), self.normalization)


def mean_field(probabilities: Tensor, images: Tensor, kernels: Sequence[Kernel], steps: int = 10) -> Tensor:
    """Infer by mean field: Q ← softmax(−U − Σ_k compatibility_k(filter_k(Q))), all pixels at once, from −U = log P.

    Gradients flow to the probabilities and to the weights of the kernels.

    Args:
        probabilities: (B, C, H, W) float.
        images: (B, 3, H, W) uint8, the original images at the size of the probabilities.
        kernels: the kernels, whose messages are added.
        steps: the number of updates.

    Returns:
        (B, C, H, W), float32 (float64 if given as float64): the probabilities after inference.

    Raises:
        ValueError: if the shapes do not fit, or images are not uint8.
    """
    check_images(probabilities, images)
    dtype = torch.promote_types(probabilities.dtype, torch.float32)
    scores = probabilities.to(dtype).clamp_min(FLOOR).log()
    weights = [kernel.weight for kernel in kernels]
    learns = torch.is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in (scores, *weights))
    infer = _infer if learns or any(isinstance(weight, Tensor) for weight in weights) else _infer_potts
    results = []  # (C, H, W) each
    # The classes last, (H, W, C): the lattice filters the columns of a matrix.
    for score, lattices in zip(scores.permute(0, 2, 3, 1), build_lattices(images, kernels, dtype), strict=True):
        weighted = list(zip(weights, lattices, strict=True))
        results.append(infer(score.contiguous(), weighted, steps).permute(2, 0, 1))
    return torch.stack(results)


def build_lattices(images: Tensor, kernels: Sequence[Kernel], dtype: torch.dtype) -> Iterator[list[Lattice]]:
    """Make the lattices of the kernels for each of the (B, 3, H, W) images; those of position alone are shared."""
    shared = [None if kernel.rgb is not None else kernel.lattice(images[0], dtype) for kernel in kernels]
    for image in images:
        yield [one or kernel.lattice(image, dtype) for one, kernel in zip(shared, kernels, strict=True)]


def check_images(maps: Tensor, images: Tensor) -> None:
    """Check that images are (B, 3, H, W) uint8 of the size of the (B, C, H, W) maps.

    Raises:
        ValueError: if they are not.
    """
    if images.dtype != torch.uint8:
        raise ValueError(f"the CRF takes images of uint8, as its widths count in 0 to 255, not {images.dtype}")
    if maps.ndim != 4 or images.shape != (len(maps), 3, *maps.shape[2:]):
        raise ValueError(
            f"maps of (B, C, H, W) take images of (B, 3, H, W), not {tuple(maps.shape)} and {tuple(images.shape)}"
        )


def _infer(score: Tensor, kernels: Sequence[tuple[float | Tensor, Lattice]], steps: int) -> Tensor:
    """Infer from (H, W, C) scores, differentiably, with any compatibility."""
    q = score.softmax(-1)
    for _ in range(steps):
        logits = score
        for weight, lattice in kernels:
            message = lattice.filter(q.flatten(0, 1)).view_as(score)
            if not isinstance(weight, Tensor):
                logits = logits + weight * message
            elif weight.ndim == 1:
                logits = logits - weight.to(score) * message
            else:
                logits = logits - message @ ((weight + weight.mT) / 2).to(score)
        q = logits.softmax(-1)
    return q


@torch.no_grad()
def _infer_potts(score: Tensor, kernels: Sequence[tuple[Any, Lattice]], steps: int) -> Tensor:
    """Infer from (H, W, C) scores with the Potts model: in place, and without messages of absent classes."""
    height, width, classes = score.shape
    score = score.view(-1, classes)
    q, logits = score.softmax(1), torch.empty_like(score)
    for _ in range(steps):
        logits.copy_(score)
        highest = q.view(height, -1).amax(0).view(width, classes).amax(0)  # in two steps: long rows are reduced fast
        present = (highest > MIN_MESSAGE).nonzero().view(-1)
        some_absent = len(present) < classes
        values, total = q, logits
        if some_absent:
            values, total = q.index_select(1, present), logits.index_select(1, present)
        for weight, lattice in kernels:
            lattice.add_filtered(total, values, weight)
        if some_absent:
            logits.index_copy_(1, present, total)
        torch.softmax(logits, 1, out=q)
    return q.view(height, width, classes)

"""The base class of all losses, and the checks and conversions that they share."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..segmentation import Segmentation


class Criterion(nn.Module, abc.ABC):
    """A loss between the logits of a semantic model and the ground truth.

    A batch is compared in two steps: `targets` makes maps of the ground truth once, the model brings them to the size
    of each of its score maps, and `forward` compares each score map with them.
    """

    def targets(self, truths: Sequence[Segmentation]) -> tuple[Tensor, ...]:
        """Make the maps (B, H, W) that `forward` takes after the logits: the class map, and others if it needs them.

        Args:
            truths: the ground truth of each image of the batch, all of one size.

        Returns:
            The class map, uint8, then maps of uint8 or floats, which every model can bring to the size of its logits.
        """
        return (torch.stack([truth.class_map() for truth in truths]),)

    @abc.abstractmethod
    def forward(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Compare logits (B, C, H, W) with classes (B, H, W) int64, 255 void; returns named scalars to be summed."""


def full_precision(logits: Tensor, target: Tensor) -> Tensor:
    """Convert logits to float32 (float64 stays), after checking that they fit the target.

    Raises:
        ValueError: for other shapes than (B, C, H, W) and (B, H, W), and for a single class.
    """
    if logits.ndim != 4 or (logits.shape[0], *logits.shape[2:]) != tuple(target.shape):
        raise ValueError(
            f"a loss compares logits (B, C, H, W) with a target (B, H, W), not {tuple(logits.shape)} with "
            f"{tuple(target.shape)}"
        )
    if logits.shape[1] < 2:
        raise ValueError(
            "the logits have one class, and a softmax over one class is always 1: an object on a background is two "
            "classes, so make the model with num_classes=2"
        )
    return logits.to(torch.promote_types(logits.dtype, torch.float32))

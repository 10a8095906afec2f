"""Normalisation of images, the first layer of every model: RGB in [0, 1] to the range that its weights expect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Normalize(nn.Module):
    """(x · scale − mean) / std for each channel, in RGB or BGR order.

    Args:
        mean, std: one number per channel, in the order that the *weights* expect (BGR if `bgr`), in units of `scale`.
        scale: 1 for weights trained on pixels in [0, 1], 255 for those trained on 0 to 255.
        bgr: whether the weights expect blue first.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0, 1.0),
        scale: float = 1.0,
        bgr: bool = False,
    ) -> None:
        super().__init__()
        self.arguments = {"mean": list(mean), "std": list(std), "scale": scale, "bgr": bgr}
        self.bgr = bgr
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1) / scale, persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1) / scale, persistent=False)

    def to_dict(self) -> dict[str, Any]:
        """The arguments as plain values, for the record of a checkpoint."""
        return dict(self.arguments)

    def forward(self, images: Tensor) -> Tensor:
        """Normalise (B, 3, H, W) float RGB in [0, 1]."""
        channels = images.flip(1) if self.bgr else images
        return (channels - self.mean) / self.std

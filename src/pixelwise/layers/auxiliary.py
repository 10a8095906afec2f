"""Auxiliary head (deep supervision): a second classifier on an earlier feature map, used in training only."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from .conv import conv_norm_relu


class AuxiliaryHead(nn.Module):
    """A 3×3 convolution to a quarter of the channels, dropout and a 1×1 classifier (torchvision's FCN head).

    Args:
        channels: of the feature map, usually the last but one of the backbone.
        num_classes: background included.
        dropout: probability of a value to be dropped before the classifier.
    """

    def __init__(self, channels: int, num_classes: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.conv = conv_norm_relu(channels, channels // 4)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Conv2d(channels // 4, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) → logits (B, C, h, w)."""
        return cast(Tensor, self.head(self.dropout(self.conv(x))))

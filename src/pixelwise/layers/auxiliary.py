"""The second classifier that helps training, and that nobody uses afterwards."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from .conv import conv_norm_relu


class AuxiliaryHead(nn.Module):
    """A 3×3 convolution to a quarter of the channels, and a classifier (PSPNet; the FCN head of torchvision).

    Args:
        channels: of the map that it looks at, the last but one of the backbone.
        num_classes: of the scores.
        dropout: before the classifier.
    """

    def __init__(self, channels: int, num_classes: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.conv = conv_norm_relu(channels, channels // 4)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Conv2d(channels // 4, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) → (B, C, h, w)."""
        return cast(Tensor, self.head(self.dropout(self.conv(x))))

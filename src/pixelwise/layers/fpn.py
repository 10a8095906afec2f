"""Feature pyramid network: semantically strong features at all scales (Lin et al. 2017, arXiv 1612.03144)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class FPN(nn.Module):
    """Lateral 1×1 convolutions, a top-down pathway, and a 3×3 convolution of each sum (figure 3).

    Args:
        channels: of the maps of the backbone, the finest first.
        width: channels of every level.
        norm: batch normalisation after each convolution, which then has no bias (torchvision's second version).
        smooth: upsampling in the top-down pathway is bilinear instead of nearest (YOLACT).
        relu: ReLU after the 3×3 convolutions (YOLACT).
        pooled: number of further levels, each the previous one subsampled by 2 (P6 of Mask R-CNN and SOLO).
        strided: number of further levels after those, each a 3×3 convolution of stride 2 (P6 and P7 of YOLACT).
    """

    def __init__(
        self,
        channels: Sequence[int],
        width: int = 256,
        *,
        norm: bool = False,
        smooth: bool = False,
        relu: bool = False,
        pooled: int = 0,
        strided: int = 0,
    ) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(_conv(before, width, 1, norm) for before in channels)
        self.output = nn.ModuleList(_conv(width, width, 3, norm) for _ in channels)
        self.strided = nn.ModuleList(nn.Conv2d(width, width, 3, stride=2) for _ in range(strided))
        self.smooth, self.relu, self.pooled = smooth, relu, pooled
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                # Uniform in ±√(3 / fan-in), as in detectron2 and torchvision.
                nn.init.kaiming_uniform_(layer.weight, a=1)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """(B, channels[i], h, w) each, the finest first → (B, width, h, w) each, and the further levels."""
        lateral = [layer(x) for layer, x in zip(self.lateral, maps, strict=True)]
        for i in reversed(range(len(lateral) - 1)):
            lateral[i] = lateral[i] + self._upsample(lateral[i + 1], lateral[i])
        levels = [layer(x) for layer, x in zip(self.output, lateral, strict=True)]
        if self.relu:
            levels = [F.relu(x) for x in levels]
        for _ in range(self.pooled):
            levels.append(levels[-1][:, :, ::2, ::2])
        for layer in self.strided:
            # Padded separately: oneDNN's own padding of a single pixel makes bfloat16 gradients NaN.
            levels.append(layer(F.pad(levels[-1], (1, 1, 1, 1))))
        return levels

    def _upsample(self, coarse: Tensor, fine: Tensor) -> Tensor:
        if self.smooth:
            return F.interpolate(coarse, fine.shape[-2:], mode="bilinear", align_corners=False)
        return F.interpolate(coarse, fine.shape[-2:], mode="nearest")


def _conv(channels: int, width: int, kernel: int, norm: bool) -> nn.Module:
    conv = nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=not norm)
    return nn.Sequential(conv, nn.BatchNorm2d(width)) if norm else conv

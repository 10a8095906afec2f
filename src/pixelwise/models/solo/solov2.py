"""SOLOv2: SOLO whose cells give the filter that finds their mask (Wang et al. 2020, 2003.10152).

The image has one map of mask features; each cell of the grids gives its class and a kernel, and its mask is what the
kernel finds in those features.

Differs from the paper:
- masks are computed where they are wanted, for the cells of objects and for the cells that found something;
- the ranges of size shrink with images whose shorter side is below 800 pixels, unless `scale` is given (see `solo`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...layers.conv import conv_group_relu
from ...ops.resize import resize
from .coordinates import coordinates
from .solo import GRIDS, STRIDES, LocationModel, Outputs, begin, doubt, resize_levels, tower

MASK_STRIDE = 4


class MaskFeatures(nn.Module):
    """Section 3.2.2: P2 to P5, each brought to stride 4 by convolutions and bilinear steps, and summed.

    Args:
        channels: of the levels.
        width: of the sum.
        out: channels of what comes out.
    """

    def __init__(self, channels: int, width: int, out: int) -> None:
        super().__init__()
        inputs = (channels, channels, channels, channels + 2)  # the coarsest level knows where it is
        self.levels = nn.ModuleList(
            nn.ModuleList(conv_group_relu(before if n == 0 else width, width) for n in range(max(1, level)))
            for level, before in enumerate(inputs)
        )
        self.project = conv_group_relu(width, out, kernel=1)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """P2 to P5 → (B, out, H / 4, W / 4), nowhere negative."""
        *finer, coarsest = levels
        total = None
        for level, x in enumerate([*finer, torch.cat([coarsest, coordinates(coarsest)], 1)]):
            for conv in cast(nn.ModuleList, self.levels[level]):
                x = conv(x)
                if level:
                    x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            total = x if total is None else total + x
        return cast(Tensor, self.project(total))


class SOLOv2(LocationModel):
    """SOLO with dynamic kernels.

    Args:
        num_classes, backbone, grids, pyramid, scale: as `LocationModel` has them.
        convs: in each of the two branches; the paper has 4, the authors' light models 2.
        width: channels of the branches; light 256.
        features: channels of the map of mask features, so the length of a kernel; light 128 (with `scale` 7/12,
            shorter side 448).
    """

    contested = True

    def __init__(
        self,
        num_classes: int,
        backbone: str = "resnet50",
        grids: Sequence[int] = GRIDS,
        convs: int = 4,
        width: int = 512,
        features: int = 256,
        pyramid: int = 256,
        scale: float | None = None,
    ) -> None:
        super().__init__(num_classes, backbone, grids, pyramid, scale)
        self.categories = tower(pyramid, width, convs)
        self.kernels = tower(pyramid + 2, width, convs)
        self.filters = nn.Conv2d(width, features, 3, padding=1)
        self.features = MaskFeatures(pyramid, pyramid // 2, features)
        self.head = nn.Conv2d(width, num_classes - 1, 3, padding=1)
        for part in (self.categories, self.kernels, self.filters, self.features, self.head):
            begin(part)
        doubt(self.head)

    def forward(self, images: Tensor) -> Outputs:
        """(B, 3, H, W) of any size → logits of the cells' classes; five of (B, D, S, S) kernels, (B, D, H/4, W/4)."""
        levels = self.pyramid(images)  # P2 to P6
        categories, kernels = [], []
        for x, grid in zip(resize_levels(levels), self.grids, strict=True):
            x = resize(torch.cat([x, coordinates(x)], 1), (grid, grid))  # (B, pyramid + 2, S, S)
            kernels.append(self.filters(self.kernels(x)))  # (B, D, S, S)
            categories.append(self.head(self.categories(x[:, :-2])))  # (B, C − 1, S, S)
        return Outputs(tuple(categories), (*kernels, self.features(levels[:4])))

    def strides(self) -> tuple[int, ...]:
        return (MASK_STRIDE,) * len(STRIDES)

    def padded(self, outputs: Outputs) -> tuple[int, int]:
        height, width = outputs.masks[-1].shape[-2:]
        return height * MASK_STRIDE, width * MASK_STRIDE

    def soft_masks(self, outputs: Outputs, image: int, level: int, cells: Tensor, size: tuple[int, int]) -> Tensor:
        features = outputs.masks[-1][image].float()  # (D, H / 4, W / 4)
        kernels = outputs.masks[level][image].float().flatten(1)[:, cells]  # (D, N)
        return resize((kernels.T @ features.flatten(1)).unflatten(1, features.shape[1:]).sigmoid()[None], size)[0]

"""SOLOv2: SOLO whose cells predict the convolution kernel that gives their mask (Wang et al. 2020, 2003.10152).

The image has one map of mask features. Each cell of the grids predicts its class and a kernel, and its mask is the
convolution of those features with that kernel.

- Section 3.2 (kernel branch, mask feature branch, dynamic convolution): `SOLOv2`, `MaskFeatures`.
- Section 3.3 (Matrix NMS): `matrix_nms.py`.

Differs from the paper:
- masks are computed for the cells of objects and for candidates only;
- the ranges of size shrink with images whose shorter side is below 800 pixels, unless `scale` is given (see `solo.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...layers.conv import conv_group_relu
from ...ops.resize import resize
from .branches import conv_tower, resize_levels
from .coordinates import coordinates
from .decoding import Size
from .location_model import CENTRE_REGION, GRIDS, RANGES, STRIDES, LocationModel

FEATURE_STRIDE = 4
"""Pixels of the image to one of the mask features."""


class SOLOv2Outputs(NamedTuple):
    """Outputs of SOLOv2 for a batch of B images."""

    categories: tuple[Tensor, ...]  # (B, C − 1, S, S) logits, level by level
    kernels: tuple[Tensor, ...]  # (B, D, S, S), level by level: a 1×1 kernel for each cell
    features: Tensor  # (B, D, H / 4, W / 4) of the padded images, not negative


class MaskFeatures(nn.Module):
    """Mask feature branch (section 3.2.2): P2 to P5 are brought to stride 4 by convolutions and upsampling, and summed.

    Args:
        channels: channels of the levels.
        width: channels of the sum.
        out: channels of the result.
    """

    def __init__(self, channels: int, width: int, out: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        for level in range(4):
            before = channels + 2 if level == 3 else channels  # the coarsest level sees its coordinates
            convs = [conv_group_relu(before, width)]
            for _ in range(level - 1):
                convs.append(conv_group_relu(width, width))
            self.levels.append(nn.ModuleList(convs))
        self.project = conv_group_relu(width, out, kernel=1)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """P2 to P5, (B, channels, h, w) each → (B, out, H / 4, W / 4), not negative."""
        *finer, coarsest = levels
        total = None
        for level, x in enumerate([*finer, torch.cat([coarsest, coordinates(coarsest)], 1)]):
            for conv in cast(nn.ModuleList, self.levels[level]):
                x = conv(x)
                if level:
                    x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            total = x if total is None else total + x
        return cast(Tensor, self.project(total))


class SOLOv2(LocationModel[SOLOv2Outputs]):
    """SOLO with dynamic convolution.

    Args:
        num_classes, backbone, grids, pyramid, scale, ranges, centre_region: see `LocationModel`.
        convs: convolutions of each of the two branches; 4 in the paper, 2 in the authors' light models.
        width: channels of the branches; 256 in the light models.
        features: channels of the mask features, and so the length of a kernel; 128 in the light models (with `scale`
            7/12, shorter side 448).
    """

    learns_all_owners = True

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
        ranges: Sequence[Sequence[float | None]] = RANGES,
        centre_region: float = CENTRE_REGION,
    ) -> None:
        super().__init__(
            num_classes, backbone, grids, ranges, centre_region, scale, pyramid=pyramid, width=width, convs=convs
        )
        self.kernels = conv_tower(pyramid + 2, width, convs)
        self.filters = nn.Conv2d(width, features, 3, padding=1)
        self.features = MaskFeatures(pyramid, pyramid // 2, features)
        self.add_category_head(width, self.kernels, self.filters, self.features)

    def forward(self, images: Tensor) -> SOLOv2Outputs:
        """(B, 3, H, W) of any size → logits of the cells' classes; five of (B, D, S, S) kernels, (B, D, H/4, W/4)."""
        levels = self.pyramid_levels(images)  # P2 to P6
        categories, kernels = [], []
        for x, grid in zip(resize_levels(levels), self.grids, strict=True):
            x = resize(torch.cat([x, coordinates(x)], 1), (grid, grid))  # (B, pyramid + 2, S, S)
            kernels.append(self.filters(self.kernels(x)))  # (B, D, S, S)
            categories.append(self.head(self.categories(x[:, :-2])))  # (B, C − 1, S, S)
        return SOLOv2Outputs(tuple(categories), tuple(kernels), self.features(levels[:4]))

    def mask_strides(self) -> tuple[int, ...]:
        return (FEATURE_STRIDE,) * len(STRIDES)

    def padded_size(self, outputs: SOLOv2Outputs) -> Size:
        height, width = outputs.features.shape[-2:]
        return height * FEATURE_STRIDE, width * FEATURE_STRIDE

    def soft_masks(self, outputs: SOLOv2Outputs, image: int, level: int, cells: Tensor, size: Size) -> Tensor:
        features = outputs.features[image].float()  # (D, H / 4, W / 4)
        kernels = outputs.kernels[level][image].float().flatten(1)[:, cells]  # (D, N)
        logits = (kernels.T @ features.flatten(1)).unflatten(1, features.shape[1:])  # (N, H / 4, W / 4)
        return resize(logits.sigmoid()[None], size)[0]

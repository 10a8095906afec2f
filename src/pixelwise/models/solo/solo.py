"""SOLO: segmenting objects by locations, without boxes (Wang et al. 2019, 1912.04488).

A grid lies on the image, and the cell that an object's centre falls into predicts its class and its whole mask. Five
grids on five levels of a pyramid learn objects of five ranges of size.

- Section 3.1 (figure 2; category branch and mask branch): `SOLO.forward`.
- Section 3.2 (CoordConv, pyramid): `coordinates`, `LocationModel.pyramid_levels`, `resize_levels`.
- Section 3.3 (label assignment, focal and Dice loss): `locations.py`, `losses.py`, `LocationModel.loss`.
- Inference: `decoding.py`, `LocationModel.decode`.

Differs from the paper:
- masks are computed for the cells of objects and for candidates only, not for all 3,872 cells of an image; the numbers
  are the same;
- overlapping masks lose score by Matrix NMS, as in the authors' code, which replaced the first paper's suppression;
- the ranges of size shrink with images whose shorter side is below 800 pixels, to a half at most, unless `scale` is
  given;
- the coarsest range has no upper end, where the authors' is far above what fits in their images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...ops.resize import resize
from .branches import conv_tower, init_prior_bias, resize_levels
from .coordinates import coordinates
from .decoding import Size
from .location_model import CENTRE_REGION, GRIDS, RANGES, STRIDES, LocationModel


class SOLOOutputs(NamedTuple):
    """Outputs of SOLO, level by level, for a batch of B images."""

    categories: tuple[Tensor, ...]  # (B, C − 1, S, S) logits
    features: tuple[Tensor, ...]  # (B, width, h, w): the last 1×1 convolution has a filter for each cell's mask


class SOLO(LocationModel[SOLOOutputs]):
    """SOLO as in the paper ("vanilla"): S² mask channels on each level, one for each cell.

    Args:
        num_classes, backbone, grids, scale, ranges, centre_region: see `LocationModel`.
        convs: convolutions of each of the two branches; 7 in the paper.
        width: channels of the pyramid and of the branches.
    """

    def __init__(
        self,
        num_classes: int,
        backbone: str = "resnet50",
        grids: Sequence[int] = GRIDS,
        convs: int = 7,
        width: int = 256,
        scale: float | None = None,
        ranges: Sequence[Sequence[float | None]] = RANGES,
        centre_region: float = CENTRE_REGION,
    ) -> None:
        super().__init__(
            num_classes, backbone, grids, ranges, centre_region, scale, pyramid=width, width=width, convs=convs
        )
        self.masks = conv_tower(width + 2, width, convs)
        self.locations = nn.ModuleList(nn.Conv2d(width, grid * grid, 1) for grid in grids)
        self.add_category_head(width, self.masks, self.locations)
        init_prior_bias(*self.locations)

    def forward(self, images: Tensor) -> SOLOOutputs:
        """(B, 3, H, W) of any size → logits of the cells' classes, and (B, width, h, w) of each level for masks."""
        levels = resize_levels(self.pyramid_levels(images))  # strides 8, 8, 16, 32, 32
        categories = self.category_logits(levels)  # (B, C − 1, S, S) each
        features = [self.masks(torch.cat([x, coordinates(x)], 1)) for x in levels]  # (B, width, h, w) each
        return SOLOOutputs(categories, tuple(features))

    def padded_size(self, outputs: SOLOOutputs) -> Size:
        height, width = outputs.features[0].shape[-2:]
        return height * STRIDES[0], width * STRIDES[0]

    def soft_masks(self, outputs: SOLOOutputs, image: int, level: int, cells: Tensor, size: Size) -> Tensor:
        features = outputs.features[level][image].float()  # (width, h, w)
        conv = cast(nn.Conv2d, self.locations[level])
        weight, bias = conv.weight.flatten(1)[cells], cast(Tensor, conv.bias)[cells]
        logits = torch.addmm(bias[:, None], weight, features.flatten(1)).unflatten(1, features.shape[1:])  # (N, h, w)
        larger = F.interpolate(logits[:, None], scale_factor=2, mode="bilinear", align_corners=False)
        return resize(larger.sigmoid(), size)[:, 0]  # (N, *size)

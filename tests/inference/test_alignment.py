"""Where a mask lies: rendered, resized, padded, predicted by a model that sees all, and brought back."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pixelwise.inference.predictor import Predictor
from pixelwise.models.base import InstanceModel
from pixelwise.models.mask_rcnn.paste import paste_masks
from pixelwise.ops.resize import Resizing, resize
from pixelwise.segmentation import Segmentation

RESIZINGS = [
    Resizing(),
    Resizing(short_side=64),
    Resizing(short_side=100),
    Resizing(short_side=257),
    Resizing(long_side=99),
    Resizing(short_side=800, long_side=333),
]


class WholeMask(InstanceModel):
    """What is bright is an object: its soft mask as large as the image it sees, as SOLO and YOLACT have theirs."""

    stride = 32

    def __init__(self, resizing: Resizing) -> None:
        super().__init__(2)
        self.resizing = resizing

    def forward(self, images: Tensor) -> Tensor:
        assert images.shape[-1] % 32 == images.shape[-2] % 32 == 0
        return images[:, :1]

    def decode(self, outputs: Tensor, sizes: Sequence[tuple[int, int]]) -> list[Segmentation]:
        height, width = self.resizing.size(*sizes[0])
        masks = resize(outputs[:, :, :height, :width], sizes[0])[0] >= 0.5
        return [Segmentation(self.classes, torch.tensor([1]), torch.tensor([0.9]), masks=masks)]

    def loss(self, outputs, truths):
        raise NotImplementedError("it is only used for prediction")


class BoxMask(WholeMask):
    """The same with a box that ends between pixels, and a mask of 112×112 cells in it, as Mask R-CNN has them."""

    def decode(self, outputs: Tensor, sizes: Sequence[tuple[int, int]]) -> list[Segmentation]:
        soft, (height, width) = outputs[0, 0], sizes[0]
        rows, columns = (soft > 0.5).nonzero().T
        ends = [float(value) for value in (columns.min(), rows.min(), columns.max(), rows.max())]
        box = torch.tensor(ends) + torch.tensor([-2.3, -1.7, 3.6, 2.8])
        steps = (torch.arange(112) + 0.5) / 112
        x, y = box[0] + steps * (box[2] - box[0]), box[1] + steps * (box[3] - box[1])
        place = torch.stack(
            [(2 * x / soft.shape[1] - 1).expand(112, 112), (2 * y / soft.shape[0] - 1)[:, None].expand(112, 112)], -1
        )
        cells = F.grid_sample(outputs, place[None], align_corners=False)[0]
        seen = self.resizing.size(height, width)
        box = box * torch.tensor([width / seen[1], height / seen[0]] * 2)
        masks = paste_masks(cells, box[None], (height, width))
        return [Segmentation(self.classes, torch.tensor([1]), torch.tensor([0.9]), masks=masks)]


@pytest.mark.parametrize("kind", [WholeMask, BoxMask])
@pytest.mark.parametrize("resizing", RESIZINGS, ids=str)
@pytest.mark.parametrize("size", [(150, 210), (230, 171)])
def test_a_mask_is_brought_back_to_within_half_a_pixel(kind, resizing, size):
    x, y = torch.arange(size[1]) + 0.5, torch.arange(size[0])[:, None] + 0.5
    inside = 40.3 - ((x - 0.45 * size[1] - 0.2) ** 2 + (y - 0.5 * size[0] + 0.3) ** 2).sqrt()  # of a disk
    image = ((inside > 0) * 255).to(torch.uint8).expand(3, *size)
    found = Predictor(kind(resizing))(image)
    mask = found.mask(0)
    sure = inside.abs() > 0.5
    assert torch.equal(mask[sure], (inside > 0)[sure])
    for place, length in ((x.expand(size), size[1]), (y.expand(size), size[0])):
        middle, true = (float(place[where].double().mean()) for where in (mask, inside > 0))
        assert abs(middle - true) < 0.06, f"moved along the side of {length}"

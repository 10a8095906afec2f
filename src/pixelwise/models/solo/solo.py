"""SOLO: an object is known by where it is and how large; no boxes (Wang et al. 2019, 1912.04488).

A grid lies on the image, and the cell that an object's centre falls into says its class and gives its whole mask;
five grids on five levels of a pyramid take objects of five ranges of size.

Differs from the paper:
- masks are computed where they are wanted, for the cells of objects and for the cells that found something, not for all
  3,872 cells of an image; the numbers are the same;
- masks that overlap surer ones lose score by Matrix NMS, as in the authors' program, not in the first paper;
- the ranges of size shrink with images whose shorter side is below 800 pixels, to a half at most, unless `scale` is
  given;
- the coarsest range has no upper end, where the authors' is far above what fits in their images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...layers.backbone import Backbone
from ...layers.conv import conv_group_relu
from ...layers.fpn import FPN
from ...masks import Masks
from ...ops.pad import pad_to
from ...ops.resize import resize
from ...segmentation import Segmentation
from ..base import InstanceModel
from .coordinates import coordinates
from .enlarge import enlarge_masks
from .locations import cells_of_objects, centres_of_mass, latest_owners, shrink, suppress_neighbours
from .matrix_nms import matrix_nms

STRIDES = (8, 8, 16, 32, 32)
"""Pixels of the image to one of each level that the branches see."""
GRIDS = (40, 36, 24, 16, 12)
RANGES = ((0.0, 96.0), (48.0, 192.0), (96.0, 384.0), (192.0, 768.0), (384.0, math.inf))
"""√(width · height) of the boxes that each level learns from, pixels, at a shorter side of 800; they overlap."""
SIDE = 800
SMALLEST = 0.5
"""Smaller the ranges do not become by themselves: masks of coarse levels, whose strides stay, would be a few pixels."""
PRIOR = 0.01
"""How sure a new network is that there is something (focal loss, Lin et al. 2017)."""
MASK_WEIGHT = 3.0
SMOOTH = 0.001
CANDIDATE = 0.1
"""Cells less sure of a class than this are not looked at."""
CANDIDATES = 500
"""So many masks are compared."""
THRESHOLD = 0.5
"""What is above belongs to a mask."""
VALUES = 1 << 24
"""So many values of masks are there at once, where memory would grow with the number of masks."""


class Outputs(NamedTuple):
    """What a batch's images say, level by level."""

    categories: tuple[Tensor, ...]  # (B, C − 1, S, S) logits each
    masks: tuple[Tensor, ...]  # what the masks of the cells are made of


class LocationModel(InstanceModel):
    """What SOLO and its successors share: pyramid, targets, losses and the way from cells to objects.

    Args:
        num_classes: background included, which is class 0 and has no logits.
        backbone: a network of timm with maps of stride 4 to 32.
        grids: cells along each side, level by level.
        pyramid: channels of the feature pyramid.
        scale: factor of `RANGES`; when not given, the shorter side of the batch over 800, from 0.5 to 1, and the
            smallest area of a mask shrinks likewise. 1 is what the authors train and test with at 800 pixels.

    Raises:
        ValueError: for a backbone without such maps, other than five grids, or a scale that is not above 0.
    """

    stride = 32
    contested: ClassVar[bool] = False
    """Whether a cell that several objects have is to find each one's mask, or only that of the last."""

    def __init__(
        self, num_classes: int, backbone: str, grids: Sequence[int], pyramid: int, scale: float | None
    ) -> None:
        super().__init__(num_classes)
        if len(grids) != len(STRIDES) or min(grids) < 1:
            raise ValueError(f"grids is {tuple(grids)}: give the cells along a side of {len(STRIDES)} levels")
        if scale is not None and scale <= 0:
            raise ValueError(f"scale is {scale}: it must be above 0")
        self.backbone = Backbone(backbone)
        if self.backbone.strides[-4:] != (4, 8, 16, 32):
            raise ValueError(f"backbone {backbone!r} has maps of stride {self.backbone.strides}: 4, 8, 16, 32 it takes")
        self.normalize = self.backbone.normalize()
        self.fpn = FPN(self.backbone.channels[-4:], pyramid, pooled=1)
        self.grids, self.scale = tuple(grids), scale

    def pyramid(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) of any size → P2 to P6 of the image padded to a multiple of 32."""
        x = pad_to(self.normalize(images), self.stride)
        return cast(list[Tensor], self.fpn(self.backbone(x)[-4:]))

    def forward(self, images: Tensor) -> Outputs:
        """(B, 3, H, W) of any size → what each level says of its cells."""
        raise TypeError(f"{type(self).__name__} has no forward")

    def soft_masks(self, outputs: Outputs, image: int, level: int, cells: Tensor, size: tuple[int, int]) -> Tensor:
        """The masks of some cells of a level.

        Args:
            outputs: of `forward`.
            image: which of the batch.
            level: which of the grids.
            cells: (N,) int64, row · S + column.
            size: height and width to resize them to.

        Returns:
            (N, *size) float32 in [0, 1].
        """
        raise TypeError(f"{type(self).__name__} has no soft_masks")

    def strides(self) -> tuple[int, ...]:
        """Pixels of the image to one of the masks that each level is trained with."""
        return tuple(stride // 2 for stride in STRIDES)

    def padded(self, outputs: Outputs) -> tuple[int, int]:
        """Height and width of the images that the levels have seen."""
        raise TypeError(f"{type(self).__name__} has no padded")

    def loss(self, outputs: Outputs, truths: Sequence[Segmentation]) -> dict[str, Tensor]:
        """`category`: focal loss of all cells, by the number of positive ones and one; `mask`: 3 · Dice of those.

        Crowds are no objects here, as with the authors.
        """
        logits = torch.cat([scores.flatten(2) for scores in outputs.categories], 2).float()  # (B, C − 1, cells)
        target = torch.zeros_like(logits)
        dices, positives = [], 0
        for image, truth in enumerate(truths):
            masks, labels, first = truth.as_masks().to("cpu"), truth.labels.cpu(), 0
            for level, pairs in enumerate(self.owners(masks, truth.crowd.cpu(), self.padded(outputs))):
                owners = latest_owners(pairs)
                cells, objects = owners.T
                target[image, (labels[objects] - 1).to(target.device), (cells + first).to(target.device)] = 1
                dices += self._dices(outputs, image, level, pairs if self.contested else owners, masks)
                positives, first = positives + len(cells), first + self.grids[level] ** 2
        dice = torch.cat(dices)
        certainty = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        wrong = (target - logits.sigmoid()).abs()  # the focal loss, Lin et al. 2017, α = 0.25, γ = 2
        focal = ((0.75 - target / 2) * wrong**2 * certainty).sum()
        return {"category": focal / (positives + 1), "mask": MASK_WEIGHT * dice.sum() / max(1, len(dice))}

    def owners(self, masks: Masks, crowd: Tensor, size: tuple[int, int]) -> list[Tensor]:
        """(K, 2) int64 for each level: a cell, and an object that it is to find.

        Args:
            masks: of the objects, on the CPU; empty ones are left out.
            crowd: (N,) bool: regions that are left out too.
            size: height and width of the padded image.
        """
        boxes, centres = masks.boxes().double(), centres_of_mass(masks)
        objects = (~crowd & (masks.areas() > 0)).nonzero().flatten()
        side = (boxes[:, 2:] - boxes[:, :2]).prod(1).sqrt() / self.factor(size)
        found = []
        for grid, (low, high) in zip(self.grids, RANGES, strict=True):
            mine = objects[(side[objects] >= low) & (side[objects] <= high)]
            pairs = cells_of_objects(centres[mine], boxes[mine], size, grid)
            found.append(torch.stack([pairs[:, 0], mine[pairs[:, 1]]], 1))
        return found

    def factor(self, size: tuple[int, int]) -> float:
        """Of the ranges of size, for an image of this height and width."""
        return self.scale or min(1.0, max(SMALLEST, min(size) / SIDE))

    def _dices(self, outputs: Outputs, image: int, level: int, pairs: Tensor, masks: Masks) -> list[Tensor]:
        """(N,) in parts: 1 − Dice of each cell of a level and its object; an empty part where there is none."""
        height, width = (side // self.strides()[level] for side in self.padded(outputs))
        device = outputs.categories[level].device
        objects, which = pairs[:, 1].unique(return_inverse=True)
        true = shrink(masks, objects, self.strides()[level], (height, width)).to(device)

        def compare(cells: Tensor, which: Tensor) -> Tensor:
            found = self.soft_masks(outputs, image, level, cells, (height, width))
            return 1 - dice(found.flatten(1), true[which].flatten(1))

        number = max(1, VALUES // (height * width))
        parts = list(zip(pairs[:, 0].to(device).split(number), which.to(device).split(number), strict=True))
        if len(parts) == 1:
            return [compare(*parts[0])]
        return [checkpoint(compare, *part, use_reentrant=False) for part in parts]

    def decode(self, outputs: Outputs, sizes: Sequence[tuple[int, int]]) -> list[Segmentation]:
        """The surest objects, their masks as large as the original images."""
        with torch.no_grad():
            return [self._objects(outputs, image, size) for image, size in enumerate(sizes)]

    def _objects(self, outputs: Outputs, image: int, size: tuple[int, int]) -> Segmentation:
        places, labels, scores = self._candidates(outputs, image)
        cells, which = places.unique(return_inverse=True)
        areas, sureness = torch.zeros(2, len(cells), device=places.device)
        for part, soft in self._parts(outputs, image, cells):
            inside = soft > THRESHOLD
            areas[part] = inside.sum((1, 2)).float()
            sureness[part] = (soft * inside).sum((1, 2)) / areas[part].clamp(min=1)
        least = areas.new_tensor(STRIDES)[self._levels(cells)]
        if self.scale is None:
            least = least * self.factor(self.padded(outputs)) ** 2
        scores = scores * (sureness * (areas > least))[which]
        order = scores.argsort(descending=True, stable=True)[:CANDIDATES]
        order = order[scores[order] > 0]
        places, labels, scores = places[order], labels[order], scores[order]
        inside = torch.zeros(len(places), *self._quarter(outputs), dtype=torch.bool, device=places.device)
        for part, soft in self._parts(outputs, image, places):
            inside[part] = soft > THRESHOLD
        scores = matrix_nms(inside, labels, scores)
        order = scores.argsort(descending=True, stable=True)[: self.max_detections]
        order = order[scores[order] >= self.score_threshold]
        masks = self._whole(outputs, image, places[order], size)
        found = Segmentation(self.classes, labels[order], scores[order].clamp(max=1), masks=masks)
        return found.select(found.areas() > 0)

    def _candidates(self, outputs: Outputs, image: int) -> tuple[Tensor, Tensor, Tensor]:
        """(N,) each: cell, counted through all levels; label; score."""
        scores = [suppress_neighbours(level[image : image + 1].float().sigmoid()) for level in outputs.categories]
        table = torch.cat([level[0].flatten(1) for level in scores], 1).T  # (cells, C − 1)
        places, labels = (table > CANDIDATE).nonzero(as_tuple=True)
        return places, labels + 1, table[places, labels]

    def _levels(self, places: Tensor) -> Tensor:
        """(N,): the level of each cell."""
        ends = torch.tensor([grid * grid for grid in self.grids], device=places.device).cumsum(0)
        return torch.bucketize(places, ends, right=True)

    def _quarter(self, outputs: Outputs) -> tuple[int, int]:
        """Height and width of a quarter of the padded image, at which masks are compared."""
        height, width = self.padded(outputs)
        return height // 4, width // 4

    def _parts(self, outputs: Outputs, image: int, places: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """The masks of cells a part at a time: which they are, and (n, H / 4, W / 4) float32."""
        size = self._quarter(outputs)
        levels, first = self._levels(places), 0
        for level, grid in enumerate(self.grids):
            for part in (levels == level).nonzero().flatten().split(max(1, VALUES // (size[0] * size[1]))):
                if len(part):
                    yield part, self.soft_masks(outputs, image, level, places[part] - first, size)
            first += grid * grid

    def _whole(self, outputs: Outputs, image: int, places: Tensor, size: tuple[int, int]) -> Masks:
        """The masks of cells at the size of the original image."""
        inner = self.resizing.size(*size)
        found, order = [Masks.from_crops((), size, places.device)], [places[:0]]
        for part, soft in self._parts(outputs, image, places):
            found.append(Masks.from_crops(enlarge_masks(soft, 4, inner, size, THRESHOLD), size, places.device))
            order.append(part)
        return Masks.joined(found).select(torch.cat(order).argsort())


def dice(found: Tensor, true: Tensor) -> Tensor:
    """(N, P) float in [0, 1], (N, P) bool → (N,): 2 Σ pq / (Σ p² + Σ q²), in [0, 1]."""
    both = (found * true).sum(1)
    return 2 * both / (found.square().sum(1) + true.sum(1) + 2 * SMOOTH)


def tower(channels: int, width: int, convs: int) -> nn.Sequential:
    """3×3 convolutions with group normalisation, one after the other."""
    return nn.Sequential(*(conv_group_relu(channels if n == 0 else width, width) for n in range(convs)))


def begin(model: nn.Module) -> None:
    """Small Gaussian weights in all convolutions, zero biases, in place (as RetinaNet, Lin et al. 2017)."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.01)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def doubt(*layers: nn.Conv2d) -> None:
    """The biases with which these layers give `PRIOR` everywhere, in place."""
    for layer in layers:
        nn.init.constant_(cast(Tensor, layer.bias), -math.log((1 - PRIOR) / PRIOR))


def resize_levels(levels: Sequence[Tensor]) -> list[Tensor]:
    """P2 to P6 → five maps of stride 8, 8, 16, 32 and 32 (figure 4's levels, as the authors' program has them)."""
    p2, p3, p4, p5, p6 = levels
    like = [(p.shape[-2], p.shape[-1]) for p in (p3, p5)]
    return [resize(p2, like[0]), p3, p4, p5, resize(p6, like[1])]


class SOLO(LocationModel):
    """The paper's own: a channel of each level's masks for each of its cells.

    Args:
        num_classes, backbone, grids, scale: as `LocationModel` has them.
        convs: in each of the two branches; the paper has 7.
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
    ) -> None:
        super().__init__(num_classes, backbone, grids, width, scale)
        self.categories = tower(width, width, convs)
        self.masks = tower(width + 2, width, convs)
        self.locations = nn.ModuleList(nn.Conv2d(width, grid * grid, 1) for grid in grids)
        self.head = nn.Conv2d(width, num_classes - 1, 3, padding=1)
        for part in (self.categories, self.masks, self.locations, self.head):
            begin(part)
        doubt(self.head, *cast(list[nn.Conv2d], list(self.locations)))

    def forward(self, images: Tensor) -> Outputs:
        """(B, 3, H, W) of any size → logits of the cells' classes, and (B, width, h, w) of each level for masks."""
        levels = resize_levels(self.pyramid(images))  # strides 8, 8, 16, 32, 32
        categories = [
            self.head(self.categories(resize(x, (s, s)))) for x, s in zip(levels, self.grids, strict=True)
        ]  # (B, C − 1, S, S)
        masks = [self.masks(torch.cat([x, coordinates(x)], 1)) for x in levels]  # (B, width, h, w)
        return Outputs(tuple(categories), tuple(masks))

    def padded(self, outputs: Outputs) -> tuple[int, int]:
        height, width = outputs.masks[0].shape[-2:]
        return height * STRIDES[0], width * STRIDES[0]

    def soft_masks(self, outputs: Outputs, image: int, level: int, cells: Tensor, size: tuple[int, int]) -> Tensor:
        features = outputs.masks[level][image].float()  # (width, h, w)
        conv = cast(nn.Conv2d, self.locations[level])
        weight, bias = conv.weight.flatten(1)[cells], cast(Tensor, conv.bias)[cells]
        logits = torch.addmm(bias[:, None], weight, features.flatten(1)).unflatten(1, features.shape[1:])  # (N, h, w)
        larger = F.interpolate(logits[:, None], scale_factor=2, mode="bilinear", align_corners=False)
        return resize(larger.sigmoid(), size)[:, 0]  # (N, *size)

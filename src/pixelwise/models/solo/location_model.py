"""The base of SOLO, Decoupled SOLO and SOLOv2: pyramid, category branch, targets, losses and the steps of inference."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...layers.backbone import Backbone
from ...layers.fpn import FPN
from ...masks import Masks
from ...ops.pad import pad_to
from ...ops.resize import resize
from ...segmentation import Segmentation
from ..base import InstanceModel
from .branches import conv_tower, init_normal, init_prior_bias
from .decoding import MASK_STRIDE, CellMasks, Size, find_candidates, masks_at_once, weight_by_mask
from .locations import cells_of_objects, centres_of_mass, latest_owners, objects_by_level, shrink
from .losses import dice_coefficients, focal_loss
from .matrix_nms import matrix_nms

STRIDES = (8, 8, 16, 32, 32)
"""Pixels of the image to one of each level that the branches see."""

GRIDS = (40, 36, 24, 16, 12)
"""The paper's number of cells along each side, level by level."""

Range = tuple[float, float | None]
"""The smallest and the largest √(width · height) of a bounding box, pixels; None where there is no upper end."""

RANGES: tuple[Range, ...] = ((0, 96), (48, 192), (96, 384), (192, 768), (384, None))
"""The paper's sizes of the objects that each level learns, for images of `REFERENCE_SIDE`; they overlap."""

REFERENCE_SIDE = 800
"""Shorter side of the images that `RANGES` are for, pixels."""

MIN_SCALE = 0.5
"""Ranges shrink with the image no further: masks of coarse levels, whose strides stay, would be a few pixels."""

CENTRE_REGION = 0.2
"""The paper's ε: sides of an object's centre region as a share of those of its bounding box."""

MASK_WEIGHT = 3.0
"""Weight λ of the mask loss (section 3.3)."""

MAX_CANDIDATES = 500
"""The number of masks that Matrix NMS compares."""

CANDIDATES_PER_DETECTION = 4
"""Candidates that take part in Matrix NMS for each detection at least: up to 125 detections, the authors' 500 do."""


class CellOutputs(Protocol):
    """The part of the outputs that all these models share."""

    @property
    def categories(self) -> tuple[Tensor, ...]:
        """(B, C − 1, S, S) logits of each level."""


OutputsT = TypeVar("OutputsT", bound=CellOutputs)


class LocationModel(InstanceModel, ABC, Generic[OutputsT]):
    """The parts that SOLO and its successors share; a subclass adds its mask branch.

    Args:
        num_classes: background included, which is class 0 and has no logits.
        backbone: a network of timm with maps of strides 4 to 32.
        grids: number of cells along each side, level by level.
        ranges: smallest and largest size of the objects that each level learns, √(width · height) of the bounding box,
            pixels at a shorter side of 800; None in place of the largest for no upper end.
        centre_region: sides of the centre region of an object, whose cells are positive, as a share of those of its
            bounding box.
        scale: factor of `ranges`; when not given, the shorter side of the batch over 800, from 0.5 to 1, and the
            smallest area of a mask shrinks likewise. 1 is what the authors train and test with at 800 pixels.
        pyramid: channels of the feature pyramid.
        width: channels of the category branch.
        convs: convolutions of the category branch.

    Attributes:
        learns_all_owners: whether a cell that is positive for several objects learns the mask of each of them; if not,
            it learns that of the last.

    Raises:
        ValueError: for a backbone without such maps, other than five grids or ranges, a range or a centre region that
            makes no sense, or a scale that is not above 0.
    """

    stride = 32
    learns_all_owners: ClassVar[bool] = False

    def __init__(
        self,
        num_classes: int,
        backbone: str,
        grids: Sequence[int],
        ranges: Sequence[Sequence[float | None]],
        centre_region: float,
        scale: float | None,
        *,
        pyramid: int,
        width: int,
        convs: int,
    ) -> None:
        super().__init__(num_classes)
        if len(grids) != len(STRIDES) or min(grids) < 1:
            raise ValueError(f"grids is {tuple(grids)}: give the cells along a side of {len(STRIDES)} levels")
        if scale is not None and scale <= 0:
            raise ValueError(f"scale is {scale}: it must be above 0")
        if not 0 < centre_region <= 1:
            raise ValueError(f"centre_region is {centre_region}: it is a share of the bounding box, above 0 to 1")
        self.grids, self.scale, self.centre_region = tuple(grids), scale, centre_region
        self.ranges = _checked_ranges(ranges)
        self.backbone = Backbone(backbone)
        if self.backbone.strides[-4:] != (4, 8, 16, 32):
            raise ValueError(
                f"backbone {backbone!r} has maps of stride {self.backbone.strides}: it must have those of 4, 8, 16, 32"
            )
        self.normalize = self.backbone.normalize()
        self.fpn = FPN(self.backbone.channels[-4:], pyramid, pooled=1)
        self.categories = conv_tower(pyramid, width, convs)

    def add_category_head(self, width: int, *mask_branch: nn.Module) -> None:
        """Add the last layer of the category branch, and initialise it, the rest of the branch and the mask branch.

        Args:
            width: channels of the category branch.
            mask_branch: the parts of the subclass's mask branch.
        """
        self.head = nn.Conv2d(width, len(self.classes) - 1, 3, padding=1)
        init_normal(self.categories, *mask_branch, self.head)
        init_prior_bias(self.head)

    @abstractmethod
    def forward(self, images: Tensor) -> OutputsT:
        """(B, 3, H, W) of any size → the logits of the cells' classes, and the maps that masks are computed from."""

    @abstractmethod
    def soft_masks(self, outputs: OutputsT, image: int, level: int, cells: Tensor, size: Size) -> Tensor:
        """The masks of some cells of a level.

        Args:
            outputs: of `forward`.
            image: index in the batch.
            level: index of the grid.
            cells: (N,) int64, row · S + column.
            size: height and width to resize the masks to.

        Returns:
            (N, *size) float32 in [0, 1].
        """

    @abstractmethod
    def padded_size(self, outputs: OutputsT) -> Size:
        """Height and width of the padded images, pixels."""

    def mask_strides(self) -> tuple[int, ...]:
        """Pixels of the image to one of the masks that each level is trained with."""
        return tuple(stride // 2 for stride in STRIDES)

    def pyramid_levels(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) of any size → P2 to P6 of the images padded to a multiple of 32."""
        x = pad_to(self.normalize(images), self.stride)
        levels: list[Tensor] = self.fpn(self.backbone(x)[-4:])
        return levels

    def category_logits(self, levels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """(B, D, h, w) of each level → (B, C − 1, S, S): each level is resized to its grid."""
        logits = []
        for x, grid in zip(levels, self.grids, strict=True):
            logits.append(self.head(self.categories(resize(x, (grid, grid)))))
        return tuple(logits)

    def loss(self, outputs: OutputsT, truths: Sequence[Segmentation]) -> dict[str, Tensor]:
        """Section 3.3: `category`, the focal loss of all cells; `mask`, λ times 1 − Dice of the positive ones.

        The former is divided by the number of positive cells and one, the latter by that of masks. Crowds are not
        learned, as in the authors' code.
        """
        logits = torch.cat([level.flatten(2) for level in outputs.categories], 2).float()  # (B, C − 1, cells)
        target = torch.zeros_like(logits)
        mask_losses: list[Tensor] = []
        positives = 0
        for image, truth in enumerate(truths):
            masks, labels = truth.as_masks().to("cpu"), truth.labels.cpu()
            first = 0  # the number of the level's first cell
            for level, pairs in enumerate(self.cell_targets(masks, truth.crowd.cpu(), self.padded_size(outputs))):
                unique = latest_owners(pairs)
                cells, objects = unique.T
                target[image, (labels[objects] - 1).to(target.device), (cells + first).to(target.device)] = 1
                learned = pairs if self.learns_all_owners else unique
                mask_losses += self._mask_losses(outputs, image, level, learned, masks)
                positives += len(cells)
                first += self.grids[level] ** 2
        mask_loss = torch.cat(mask_losses)
        return {
            "category": focal_loss(logits, target) / (positives + 1),
            "mask": MASK_WEIGHT * mask_loss.sum() / max(1, len(mask_loss)),
        }

    def cell_targets(self, masks: Masks, crowd: Tensor, size: Size) -> list[Tensor]:
        """Assign objects to cells: (K, 2) int64 for each level, a cell and an object whose mask it must predict.

        Args:
            masks: of all segments, on the CPU; empty ones are left out.
            crowd: (N,) bool: segments that are left out too.
            size: height and width of the padded image.
        """
        boxes, centres = masks.boxes().double(), centres_of_mass(masks)
        targets = []
        by_level = objects_by_level(masks, crowd, self.ranges, self.range_scale(size))
        for grid, objects in zip(self.grids, by_level, strict=True):
            pairs = cells_of_objects(centres[objects], boxes[objects], size, grid, self.centre_region)
            targets.append(torch.stack([pairs[:, 0], objects[pairs[:, 1]]], 1))
        return targets

    def range_scale(self, size: Size) -> float:
        """Factor of `ranges` for a padded image of this height and width."""
        return self.scale or min(1.0, max(MIN_SCALE, min(size) / REFERENCE_SIDE))

    def _mask_losses(self, outputs: OutputsT, image: int, level: int, pairs: Tensor, masks: Masks) -> list[Tensor]:
        """1 − Dice of each cell of a level and its object, (N,) in parts; one empty part if there is no pair."""
        stride = self.mask_strides()[level]
        height, width = self.padded_size(outputs)
        size = (height // stride, width // stride)
        device = outputs.categories[level].device
        objects, which = pairs[:, 1].unique(return_inverse=True)
        truth = shrink(masks, objects, stride, size).to(device)

        def compare(cells: Tensor, which: Tensor) -> Tensor:
            soft = self.soft_masks(outputs, image, level, cells, size)
            return 1 - dice_coefficients(soft.flatten(1), truth[which].flatten(1))

        number = masks_at_once(size)
        parts = list(zip(pairs[:, 0].to(device).split(number), which.to(device).split(number), strict=True))
        if len(parts) == 1:
            return [compare(*parts[0])]
        # Masks of many objects would not fit into memory together: they are computed again for the backward pass.
        return [checkpoint(compare, *part, use_reentrant=False) for part in parts]

    @torch.no_grad()
    def decode(self, outputs: OutputsT, sizes: Sequence[Size]) -> list[Segmentation]:
        """The objects of each image, in descending order of their scores, with masks at the size of the original."""
        return [self._decode_image(outputs, image, size) for image, size in enumerate(sizes)]

    def _decode_image(self, outputs: OutputsT, image: int, size: Size) -> Segmentation:
        """Weight candidates by their masks, suppress overlapping ones by Matrix NMS, enlarge the masks of the rest."""
        height, width = self.padded_size(outputs)
        compute = partial(self.soft_masks, outputs, image)
        masks = CellMasks(compute, self.grids, (height // MASK_STRIDE, width // MASK_STRIDE))
        candidates = find_candidates([level[image] for level in outputs.categories])
        limit = max(MAX_CANDIDATES, CANDIDATES_PER_DETECTION * self.max_detections)
        candidates = weight_by_mask(candidates, masks, self._min_areas((height, width))).best(limit)
        candidates = candidates.select(candidates.scores > 0)
        scores = matrix_nms(masks.binary(candidates.cells), candidates.labels, candidates.scores)
        objects = candidates._replace(scores=scores).best(self.max_detections)
        objects = objects.select(objects.scores >= self.score_threshold)
        whole = masks.enlarged(objects.cells, self.resizing.size(*size), size)
        result = Segmentation(self.classes, objects.labels, objects.scores.clamp(max=1), masks=whole)
        return result.select(result.areas() > 0)

    def _min_areas(self, size: Size) -> list[float]:
        """The area that a mask of each level must exceed, in pixels of the compared masks.

        The authors' code takes the stride of the level as that number of pixels; it shrinks as the ranges do.
        """
        factor = 1.0 if self.scale is not None else self.range_scale(size) ** 2
        return [stride * factor for stride in STRIDES]


def _checked_ranges(ranges: Sequence[Sequence[float | None]]) -> tuple[tuple[float, float], ...]:
    """The ranges as floats, infinity for None; a ValueError says what is wrong with them."""
    if len(ranges) != len(STRIDES):
        raise ValueError(f"ranges are {list(ranges)}: give the smallest and largest size of {len(STRIDES)} levels")
    checked = []
    for pair in ranges:
        if len(pair) != 2 or pair[0] is None:
            raise ValueError(f"the range {pair} is not a smallest and a largest size, pixels (null for no upper end)")
        low = float(pair[0])
        high = math.inf if pair[1] is None else float(pair[1])
        if not 0 <= low < high:
            raise ValueError(f"the range {pair} is empty: its first size must be below its second, and 0 or more")
        checked.append((low, high))
    return tuple(checked)

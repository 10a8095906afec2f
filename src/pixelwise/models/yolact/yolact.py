"""YOLACT: masks as sums of prototypes (Bolya, Zhou, Xiao and Lee 2019, arXiv 1904.02689).

Section 3.1, prototypes: `Protonet`. Section 3.1, coefficients, and figure 4: `PredictionHead`. Section 3.2, assembly:
`ops.prototypes`. Section 3.3, Fast NMS: `ops.fast_nms`. Section 4, backbone, pyramid, anchors, semantic loss:
`YOLACT`. Section 3 and SSD (Liu et al. 2016), the losses: `losses.multibox`.

Differs from the paper where its authors' code does: three anchors a place, of which their published weights know but
square ones (`variant`); a ReLU after the first three levels of the pyramid; an anchor whose best class is under 0.05
finds nothing, but less probable classes of the others do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...layers.backbone import Backbone
from ...layers.fpn import FPN
from ...layers.normalize import Normalize
from ...masks import Masks
from ...ops.boxes import areas, decode, encode, intersections, overlaps
from ...ops.names import suggest
from ...ops.pad import pad_to
from ...segmentation import Segmentation
from ..base import InstanceModel
from .anchor_grid import anchor_grid
from .fast_nms import fast_nms
from .greedy_matching import match_greedily
from .multibox import hard_class_loss, mask_loss, semantic_loss
from .prototypes import grow, shrink, windows, within

SIDE = 550
"""The paper's images, pixels; its anchors are for these."""

RATIOS = (1.0, 0.5, 2.0)
STRIDES = (8, 16, 32)
VARIANCES = (10.0, 10.0, 5.0, 5.0)
"""One over the variances 0.1 of a box's place and 0.2 of its size."""

LEAST_BEST = 0.05
"""An anchor whose best class is less probable finds nothing."""

POSITIVE, NEGATIVE, CROWD = 0.5, 0.4, 0.7
"""Overlaps: above the first an anchor finds an object, under the second nothing; above the third a crowd."""

BOX_WEIGHT, MASK_WEIGHT = 1.5, 6.125


@dataclass(frozen=True)
class Variant:
    """What differs between the paper and its authors' configurations.

    Attributes:
        scales: of the anchors of each level, pixels of an image of 550.
        square: all anchors are as high as they are wide, √ratio times their scale.
        own_pixels: pixels are normalised as the authors do it, not as the backbone's weights of timm want it.
    """

    scales: tuple[int, ...] = (24, 48, 96, 192, 384)
    square: bool = False
    own_pixels: bool = False


VARIANTS = {
    "paper": Variant(),
    "authors": Variant(square=True, own_pixels=True),
    "pascal": Variant(scales=(32, 64, 128, 256, 512), own_pixels=True),
}


class Outputs(NamedTuple):
    """What the network says of a batch of images of H × W pixels with A anchors.

    The prototypes are maps of a quarter of the sides, and the semantic maps, which only training needs, of an eighth.
    """

    boxes: Tensor  # (B, A, 4): how far each box lies from its anchor
    logits: Tensor  # (B, A, C), the background first
    coefficients: Tensor  # (B, A, 32) in [-1, 1]
    prototypes: Tensor  # (B, 32, h, w), not negative
    anchors: Tensor  # (A, 4), x1 y1 x2 y2 in pixels of the images
    size: Tensor  # (2,) int64 on the CPU: H and W
    semantic: tuple[Tensor, ...] = ()  # (B, C - 1, h / 2, w / 2): logits of the classes but the background


class Found(NamedTuple):
    """The objects of one image, the best first."""

    boxes: Tensor  # (N, 4), x1 y1 x2 y2 in pixels of the image
    labels: Tensor  # (N,) int64, 1 to C - 1
    scores: Tensor  # (N,) in [0, 1]
    coefficients: Tensor  # (N, 32)


class Targets(NamedTuple):
    """What the anchors of one image are to find."""

    labels: Tensor  # (A,) int64: a class; 0 for nothing, -1 where either is fine
    owner: Tensor  # (A,) int64: which of N objects, where the anchor finds one
    boxes: Tensor  # (N, 4) of the objects, x1 y1 x2 y2 in pixels
    classes: Tensor  # (N,) int64, 1 to C - 1
    masks: Masks  # N


class Protonet(nn.Sequential):
    """Figure 3: three 3×3 convolutions, twice the size, one more, and a 1×1 convolution to the prototypes."""

    def __init__(self, width: int, prototypes: int) -> None:
        def conv() -> list[nn.Module]:
            return [nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True)]

        larger = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        last = nn.Conv2d(width, prototypes, 1)
        super().__init__(*conv(), *conv(), *conv(), larger, *conv(), last, nn.ReLU(inplace=True))


class PredictionHead(nn.Module):
    """Figure 4: boxes, classes and mask coefficients of the anchors of a level, from one map that they share."""

    def __init__(self, width: int, num_classes: int, prototypes: int) -> None:
        super().__init__()
        anchors = len(RATIOS)
        self.shared = nn.Conv2d(width, width, 3, padding=1)
        self.boxes = nn.Conv2d(width, anchors * 4, 3, padding=1)
        self.head = nn.Conv2d(width, anchors * num_classes, 3, padding=1)
        self.coefficients = nn.Conv2d(width, anchors * prototypes, 3, padding=1)

    def forward(self, level: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, D, h, w) → (B, 3 · h · w, 4), (…, C) and (…, 32); rows first, then columns, then ratios."""
        x = F.relu(self.shared(level))  # (B, D, h, w)
        maps = self.boxes(x), self.head(x), self.coefficients(x)
        flat = (m.permute(0, 2, 3, 1).reshape(len(x), -1, m.shape[1] // len(RATIOS)) for m in maps)
        boxes, logits, coefficients = flat
        return boxes, logits, coefficients.tanh()


class SemanticHead(nn.Module):
    """Section 3.4, semantic segmentation loss: a 1×1 convolution of the finest level, without the background."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(width, num_classes - 1, 1)

    def forward(self, level: Tensor) -> Tensor:
        """(B, D, h, w) → (B, C - 1, h, w)."""
        return cast(Tensor, self.head(level))


class YOLACT(InstanceModel):
    """YOLACT.

    Anchors are so many pixels of the images that the network is given, whether these were resized or not: those of the
    paper times `size` / 550, in whole pixels. So `size` says how large the images, or the crops of the training, are;
    the authors' are squeezed to 550×550 (or 400, or 700), which is `model.resizing = Resizing(square=550)`.

    An image without objects adds to the semantic loss only, as the negatives are three for each positive.

    Args:
        num_classes: background included.
        backbone: a network of timm with maps of strides 8, 16 and 32.
        variant: "paper"; "authors", what their files for COCO were trained with; "pascal", their configuration for
            that: a row of `VARIANTS`.
        size: side of the images that the anchors are for, pixels.
        prototypes: how many there are.
        width: channels of the pyramid and of all after it.

    Attributes:
        score_threshold: 0, as no second threshold follows that of 0.05 for an anchor's best class in the authors' code.
        most_masks: of the anchors of an image that find objects, so many learn masks in a step (300 in the authors'
            configuration for 700 pixels).
    """

    score_threshold = 0.0
    most_masks: int = 100

    def __init__(
        self,
        num_classes: int,
        backbone: str = "resnet101",
        variant: str = "paper",
        size: int = SIDE,
        prototypes: int = 32,
        width: int = 256,
    ) -> None:
        super().__init__(num_classes)
        if variant not in VARIANTS:
            raise ValueError(f"there is no variant {variant!r} of yolact: {suggest(variant, VARIANTS)}")
        self.choices = VARIANTS[variant]
        self.scales = tuple(int(scale / SIDE * size) for scale in self.choices.scales)
        if min(self.scales) < 1:
            raise ValueError(f"size is {size}: the smallest anchors would be less than a pixel; 23 is the least")
        self.backbone = Backbone(backbone)
        if missing := [stride for stride in STRIDES if stride not in self.backbone.strides]:
            raise ValueError(f"backbone {backbone!r} has maps of strides {self.backbone.strides}, but not of {missing}")
        self.taken = [max(k for k, s in enumerate(self.backbone.strides) if s == stride) for stride in STRIDES]
        self.stride = self.backbone.multiple
        self.normalize = self._normalize()
        self.fpn = FPN([self.backbone.channels[k] for k in self.taken], width, smooth=True, relu=True, strided=2)
        self.protonet = Protonet(width, prototypes)
        self.prediction = PredictionHead(width, num_classes, prototypes)
        self.semantic = SemanticHead(width, num_classes)
        for part in (self.fpn, self.protonet, self.prediction, self.semantic):
            for layer in part.modules():
                if isinstance(layer, nn.Conv2d):
                    nn.init.xavier_uniform_(layer.weight)
                    nn.init.zeros_(cast(Tensor, layer.bias))

    def _normalize(self) -> Normalize:
        """What the weights expect; the authors' Darknet gets pixels as they are, and leaks more than timm's."""
        if not self.choices.own_pixels:
            return self.backbone.normalize()
        if self.backbone.name != "darknet53":
            return Normalize((123.68, 116.78, 103.94), (58.40, 57.12, 57.38), scale=255)
        for layer in self.backbone.modules():
            if isinstance(layer, nn.LeakyReLU):
                layer.negative_slope = 0.1
        return Normalize()

    def forward(self, images: Tensor) -> Outputs:
        """(B, 3, H, W) of any size → the outputs; H and W are those after padding to the backbone's multiple."""
        x = pad_to(self.normalize(images), self.stride)  # (B, 3, H, W)
        size = (x.shape[-2], x.shape[-1])
        maps = self.backbone(x)
        levels = self.fpn([maps[k] for k in self.taken])  # (B, D, H / 8, W / 8) … (B, D, H / 128, W / 128)
        boxes, logits, coefficients = (
            torch.cat(parts, 1) for parts in zip(*(self.prediction(x) for x in levels), strict=True)
        )
        shapes = tuple((level.shape[-2], level.shape[-1]) for level in levels)
        return Outputs(
            boxes,
            logits,
            coefficients,
            self.protonet(levels[0]),  # (B, 32, H / 4, W / 4)
            torch.tensor(anchor_grid(size, shapes, self.scales, RATIOS, self.choices.square), device=x.device),
            torch.tensor(size),
            (self.semantic(levels[0]),) if self.auxiliary_heads else (),  # (B, C - 1, H / 8, W / 8)
        )

    def loss(self, outputs: Outputs, truths: Sequence[Segmentation]) -> dict[str, Tensor]:
        """`class`, `box` and `mask`, each over the number of anchors that find objects, and `semantic` over images."""
        targets = [targets_of(outputs.anchors, truth) for truth in truths]
        labels = torch.stack([target.labels for target in targets])
        found = (labels > 0).sum().clamp(min=1)
        parts = {
            "class": hard_class_loss(outputs.logits.float(), labels) / found,
            "box": torch.stack([_box_loss(outputs, n, own) for n, own in enumerate(targets)]).sum() / found,
            "mask": torch.stack([self._mask_loss(outputs, n, own) for n, own in enumerate(targets)]).sum() / found,
        }
        if outputs.semantic:
            logits, size = outputs.semantic[0].float(), _size(outputs)
            small = [shrink(own.masks, size, (logits.shape[2], logits.shape[3])) for own in targets]
            each = [
                semantic_loss(*one) for one in zip(logits, small, [own.classes - 1 for own in targets], strict=True)
            ]
            parts["semantic"] = torch.stack(each).mean()
        return parts

    def _mask_loss(self, outputs: Outputs, n: int, targets: Targets) -> Tensor:
        """Of image n; of more than `most_masks` anchors some are drawn, and stand for the others."""
        size, prototypes = _size(outputs), outputs.prototypes[n].float()
        cells = (prototypes.shape[1], prototypes.shape[2])
        index = (targets.labels > 0).nonzero().flatten()
        chosen = index
        if len(index) > self.most_masks:
            chosen = index[torch.randperm(len(index))[: self.most_masks].to(index.device)]
        owner = targets.owner[chosen]
        logits = (outputs.coefficients[n, chosen].float() @ prototypes.flatten(1)).unflatten(1, cells)
        boxes = targets.boxes[owner]
        inside = within(windows(boxes, size, cells), cells)
        truths = shrink(targets.masks, size, cells)[owner]
        share = (cells[0] * cells[1]) / (size[0] * size[1])
        total = mask_loss(logits, truths, inside, areas(boxes) * share)
        return MASK_WEIGHT * total * (len(index) / max(len(chosen), 1))

    def found(self, outputs: Outputs, n: int) -> Found:
        """The objects of image n, before their masks are made."""
        logits, least = outputs.logits[n].float(), max(LEAST_BEST, self.score_threshold)
        # No class is more probable than σ(its logit − the background's): most anchors need no softmax.
        likely = (logits[:, 1:].amax(1) - logits[:, 0] >= -math.log(1 / least - 0.999)).nonzero().flatten()
        scores = logits[likely].softmax(1)[:, 1:]
        sure = scores.amax(1) > least
        likely, scores = likely[sure], scores[sure]
        boxes = decode(outputs.boxes[n, likely].float(), outputs.anchors[likely], VARIANCES)
        index, label, score = fast_nms(boxes, scores.T, most=self.max_detections)
        kept = score >= self.score_threshold
        index = index[kept]
        return Found(boxes[index], label[kept] + 1, score[kept], outputs.coefficients[n, likely[index]].float())

    def decode(self, outputs: Outputs, sizes: Sequence[tuple[int, int]]) -> list[Segmentation]:
        """The objects of each image with their masks; of some, the mask may be empty."""
        results = []
        for n, size in enumerate(sizes):
            found, shown = self.found(outputs, n), self.resizing.size(*size)
            prototypes = outputs.prototypes[n].float()
            masks = grow(prototypes, found.coefficients, found.boxes, size, shown, _size(outputs))
            results.append(Segmentation(self.classes, found.labels, found.scores, masks=masks))
        return results


def targets_of(anchors: Tensor, truth: Segmentation) -> Targets:
    """What each anchor is to find.

    Args:
        anchors: (A, 4), x1 y1 x2 y2 in pixels.
        truth: background, segments without pixels and crowds are no objects. An anchor that finds none and lies in a
            crowd by more than `CROWD` of its area does not count.
    """
    masks = truth.as_masks()
    there = (masks.areas() > 0) & (truth.labels > 0)
    boxes = masks.boxes().to(anchors)
    index = (there & ~truth.crowd).nonzero().flatten()
    objects, classes = boxes[index], truth.labels[index]
    owner, overlap = match_greedily(overlaps(objects, anchors))
    labels = classes[owner] if len(index) else owner
    labels = torch.where(overlap < POSITIVE, -1, labels).masked_fill(overlap < NEGATIVE, 0)
    if len(crowds := boxes[there & truth.crowd]):
        share = (intersections(anchors, crowds) / areas(anchors)[:, None]).amax(1)
        labels = labels.masked_fill((labels <= 0) & (share > CROWD), -1)
    return Targets(labels, owner, objects, classes, masks.select(index))


def _box_loss(outputs: Outputs, n: int, targets: Targets) -> Tensor:
    """Of image n."""
    index = (targets.labels > 0).nonzero().flatten()
    wanted = encode(targets.boxes[targets.owner[index]], outputs.anchors[index], VARIANCES)
    return BOX_WEIGHT * F.smooth_l1_loss(outputs.boxes[n, index].float(), wanted, reduction="sum")


def _size(outputs: Outputs) -> tuple[int, int]:
    height, width = outputs.size.tolist()
    return height, width

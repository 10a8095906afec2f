"""YOLACT: masks as linear combinations of prototypes (Bolya, Zhou, Xiao and Lee 2019, arXiv 1904.02689).

- Section 3.1, prototypes: `Protonet`; mask coefficients, and figure 4: `PredictionHead`.
- Section 3.2, mask assembly: `prototypes.py`; losses: `multibox.py`, with those of SSD (Liu et al. 2016).
- Section 3.3, Fast NMS: `fast_nms.py`.
- Section 3.4, semantic segmentation loss: `SemanticHead`.
- Section 4, backbone, pyramid, anchors: `YOLACT`, `anchor_grid.py`.

Differs from the paper where its authors' code does: three anchors a place, which are square in their published weights
(`variant`); a ReLU after the first three levels of the pyramid; an anchor whose best class is under 0.05 is dropped,
but less probable classes of the others are kept.
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
from ...ops.boxes import areas, decode, encode
from ...ops.names import suggest
from ...ops.pad import pad_to
from ...segmentation import Segmentation
from ..base import InstanceModel
from .anchor_grid import anchor_grid
from .fast_nms import fast_nms
from .multibox import hard_class_loss, mask_loss, semantic_loss
from .prototypes import assemble_masks, crop_windows, downsample_masks, inside_windows
from .targets import Targets, assign_targets

REFERENCE_SIZE = 550
"""Side of the paper's images, pixels, which `Variant.scales` are for."""

RATIOS = (1.0, 0.5, 2.0)
"""The authors' width over height of the anchors at a place."""

STRIDES = (8, 16, 32)
"""Strides of the maps of the backbone that the pyramid stands on."""

NUM_LEVELS = 5

BOX_CODER_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
"""Weights of the deltas: 1 over SSD's variances, 0.1 of a box's place and 0.2 of its size."""

PRE_NMS_THRESHOLD = 0.05
"""An anchor takes part in NMS if the probability of its best class is above this."""

CANDIDATES = 200
"""Anchors of a class that take part in NMS; twice the number of detections where more than 100 are kept."""

BOX_WEIGHT, MASK_WEIGHT = 1.5, 6.125
"""Weights of the losses of section 3.2."""

MAX_MASKS = 100
"""Anchors of an image that learn masks in a step, in the authors' configuration for 550 pixels."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Choices in which the paper and its authors' configurations differ.

    Attributes:
        scales: scale of the anchors of each level, pixels of an image of 550.
        square: all anchors are as high as they are wide, √ratio times their scale.
        own_pixels: pixels are normalised as in the authors' code, not as timm's weights of the backbone expect it.
    """

    scales: tuple[int, ...] = (24, 48, 96, 192, 384)
    square: bool = False
    own_pixels: bool = False


VARIANTS = {
    "paper": Variant(),
    "authors": Variant(square=True, own_pixels=True),
    "pascal": Variant(scales=(32, 64, 128, 256, 512), own_pixels=True),
}
"""The variants, by the name that the constructor takes."""


class Outputs(NamedTuple):
    """Outputs of YOLACT for a batch of B padded images of H × W pixels with A anchors and D prototypes."""

    boxes: Tensor  # (B, A, 4): deltas of each box from its anchor
    logits: Tensor  # (B, A, C), the background first
    coefficients: Tensor  # (B, A, D) in [−1, 1]
    prototypes: Tensor  # (B, D, H / 4, W / 4), not negative
    anchors: Tensor  # (A, 4), x1 y1 x2 y2 in pixels of the images
    size: Tensor  # (2,) int64 on the CPU: H and W
    semantic: tuple[Tensor, ...] = ()  # one (B, C − 1, H / 8, W / 8) map of logits while the auxiliary head is on


class Detections(NamedTuple):
    """Detected objects of one image, in descending order of their scores."""

    boxes: Tensor  # (N, 4), x1 y1 x2 y2 in pixels of the padded image
    labels: Tensor  # (N,) int64, 1 to C − 1
    scores: Tensor  # (N,) in [0, 1]
    coefficients: Tensor  # (N, D)


class Protonet(nn.Sequential):
    """Figure 3: three 3×3 convolutions, upsampling by 2, one more, and a 1×1 convolution to the prototypes."""

    def __init__(self, width: int, prototypes: int) -> None:
        def conv() -> list[nn.Module]:
            return [nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True)]

        upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        last = nn.Conv2d(width, prototypes, 1)
        super().__init__(*conv(), *conv(), *conv(), upsample, *conv(), last, nn.ReLU(inplace=True))


class PredictionHead(nn.Module):
    """Figure 4: boxes, classes and mask coefficients of the anchors of a level, from one shared map.

    Args:
        width: channels of the pyramid.
        num_classes: background included.
        prototypes: number of prototypes.
        anchors: anchors at a place.
    """

    def __init__(self, width: int, num_classes: int, prototypes: int, anchors: int) -> None:
        super().__init__()
        self.anchors = anchors
        self.shared = nn.Conv2d(width, width, 3, padding=1)
        self.boxes = nn.Conv2d(width, anchors * 4, 3, padding=1)
        self.head = nn.Conv2d(width, anchors * num_classes, 3, padding=1)
        self.coefficients = nn.Conv2d(width, anchors * prototypes, 3, padding=1)

    def forward(self, level: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, width, h, w) → (B, A · h · w, 4), (…, C) and (…, D); rows first, then columns, then the A anchors."""
        x = F.relu(self.shared(level))  # (B, width, h, w)
        boxes = self._by_anchor(self.boxes(x))
        logits = self._by_anchor(self.head(x))
        coefficients = self._by_anchor(self.coefficients(x))
        return boxes, logits, coefficients.tanh()

    def _by_anchor(self, maps: Tensor) -> Tensor:
        """(B, A · values, h, w) → (B, A · h · w, values)."""
        return maps.permute(0, 2, 3, 1).reshape(len(maps), -1, maps.shape[1] // self.anchors)


class SemanticHead(nn.Module):
    """Auxiliary head of section 3.4: a 1×1 convolution of the finest level to the classes but the background."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(width, num_classes - 1, 1)

    def forward(self, level: Tensor) -> Tensor:
        """(B, width, h, w) → (B, C − 1, h, w)."""
        return cast(Tensor, self.head(level))


class YOLACT(InstanceModel):
    """YOLACT.

    The anchors' sides are a fixed number of pixels of the images that the network is given, resized or not: `scales`
    times `size` / 550, in whole pixels. So `size` says how large the images, or the crops of the training, are. The
    authors squeeze all images to 550×550 (or 400, or 700), which is `model.resizing = Resizing(square=550)`.

    An image without objects adds to the semantic loss only, as there are three negatives for each positive.

    Args:
        num_classes: background included.
        backbone: a network of timm with maps of strides 8, 16 and 32.
        variant: "paper"; "authors", the configuration of their files for COCO; "pascal", their configuration for that:
            a row of `VARIANTS`.
        size: side of the images that the anchors are for, pixels.
        prototypes: number of prototypes.
        width: channels of the pyramid and of all layers after it.
        scales: scale of the anchors of each of the five levels, pixels of an image of 550; the variant's when not
            given.
        ratios: width over height of the anchors at a place.
        max_masks: positive anchors of an image that learn masks in a step; of more, some are sampled (300 in the
            authors' configuration for 700 pixels).

    Attributes:
        score_threshold: 0, as no second threshold follows that of 0.05 for an anchor's best class in the authors' code.

    Raises:
        ValueError: for a variant that does not exist, a backbone without these maps, or anchors or a number of masks
            that make no sense.
    """

    score_threshold = 0.0

    def __init__(
        self,
        num_classes: int,
        backbone: str = "resnet101",
        variant: str = "paper",
        size: int = REFERENCE_SIZE,
        prototypes: int = 32,
        width: int = 256,
        scales: Sequence[float] | None = None,
        ratios: Sequence[float] = RATIOS,
        max_masks: int = MAX_MASKS,
    ) -> None:
        super().__init__(num_classes)
        if variant not in VARIANTS:
            raise ValueError(f"there is no variant {variant!r} of yolact: {suggest(variant, VARIANTS)}")
        if max_masks < 1:
            raise ValueError(f"max_masks is {max_masks}: at least one must be learned from")
        self.variant, self.max_masks = VARIANTS[variant], max_masks
        self.scales = _scaled(self.variant.scales if scales is None else scales, size)
        self.ratios = _checked_ratios(ratios)
        self.backbone = Backbone(backbone)
        self.level_indices = _level_indices(self.backbone)
        self.stride = self.backbone.multiple
        self.normalize = _adapt_backbone(self.backbone, self.variant)
        channels = [self.backbone.channels[index] for index in self.level_indices]
        self.fpn = FPN(channels, width, smooth=True, relu=True, strided=NUM_LEVELS - len(STRIDES))
        self.protonet = Protonet(width, prototypes)
        self.prediction = PredictionHead(width, num_classes, prototypes, len(self.ratios))
        self.semantic = SemanticHead(width, num_classes)
        for part in (self.fpn, self.protonet, self.prediction, self.semantic):
            _init_xavier(part)

    def forward(self, images: Tensor) -> Outputs:
        """(B, 3, H, W) of any size → the outputs; H and W are those after padding to the backbone's multiple."""
        x = pad_to(self.normalize(images), self.stride)  # (B, 3, H, W)
        size = (x.shape[-2], x.shape[-1])
        maps = self.backbone(x)
        levels = self.fpn([maps[index] for index in self.level_indices])  # (B, width, H / 8, W / 8) … (…, W / 128)
        boxes, logits, coefficients = [], [], []
        for level in levels:
            level_boxes, level_logits, level_coefficients = self.prediction(level)
            boxes.append(level_boxes)
            logits.append(level_logits)
            coefficients.append(level_coefficients)
        shapes = tuple((level.shape[-2], level.shape[-1]) for level in levels)
        anchors = anchor_grid(size, shapes, self.scales, self.ratios, self.variant.square)
        return Outputs(
            torch.cat(boxes, 1),
            torch.cat(logits, 1),
            torch.cat(coefficients, 1),
            self.protonet(levels[0]),  # (B, D, H / 4, W / 4)
            torch.tensor(anchors, device=x.device),
            torch.tensor(size),
            (self.semantic(levels[0]),) if self.auxiliary_heads else (),  # (B, C − 1, H / 8, W / 8)
        )

    def loss(self, outputs: Outputs, truths: Sequence[Segmentation]) -> dict[str, Tensor]:
        """Section 3.2: `class`, `box` and `mask`, each over the number of positive anchors; `semantic` over images.

        The last is missing when the outputs were computed without the auxiliary head.
        """
        targets = [assign_targets(outputs.anchors, truth) for truth in truths]
        labels = torch.stack([one.labels for one in targets])
        normalizer = (labels > 0).sum().clamp(min=1)
        box_losses, mask_losses = [], []
        for image, one in enumerate(targets):
            box_losses.append(_box_loss(outputs, image, one))
            mask_losses.append(self._mask_loss(outputs, image, one))
        parts = {
            "class": hard_class_loss(outputs.logits.float(), labels) / normalizer,
            "box": torch.stack(box_losses).sum() / normalizer,
            "mask": torch.stack(mask_losses).sum() / normalizer,
        }
        if outputs.semantic:
            parts["semantic"] = _semantic_loss(outputs, targets)
        return parts

    def _mask_loss(self, outputs: Outputs, image: int, targets: Targets) -> Tensor:
        """The mask loss of one image; of more than `max_masks` positive anchors, sampled ones stand for all."""
        size, prototypes = _size(outputs), outputs.prototypes[image].float()
        cells = (prototypes.shape[1], prototypes.shape[2])
        positive = targets.positive()
        chosen = positive
        if len(positive) > self.max_masks:
            chosen = positive[torch.randperm(len(positive))[: self.max_masks].to(positive.device)]
        owner = targets.owner[chosen]
        logits = (outputs.coefficients[image, chosen].float() @ prototypes.flatten(1)).unflatten(1, cells)
        boxes = targets.boxes[owner]
        inside = inside_windows(crop_windows(boxes, size, cells), cells)
        truths = downsample_masks(targets.masks, size, cells)[owner]
        cells_per_pixel = (cells[0] * cells[1]) / (size[0] * size[1])
        total = mask_loss(logits, truths, inside, areas(boxes) * cells_per_pixel)
        return MASK_WEIGHT * total * (len(positive) / max(len(chosen), 1))

    def detect(self, outputs: Outputs, image: int) -> Detections:
        """Section 3.3: the objects of one image of the batch, without masks."""
        logits = outputs.logits[image].float()
        threshold = max(PRE_NMS_THRESHOLD, self.score_threshold)
        # No class is more probable than σ(its logit − the background's): most anchors need no softmax.
        margin = logits[:, 1:].amax(1) - logits[:, 0]
        anchors = (margin >= -math.log(1 / threshold - 0.999)).nonzero().flatten()
        scores = logits[anchors].softmax(1)[:, 1:]
        likely = scores.amax(1) > threshold
        anchors, scores = anchors[likely], scores[likely]
        boxes = decode(outputs.boxes[image, anchors].float(), outputs.anchors[anchors], BOX_CODER_WEIGHTS)
        candidates = max(CANDIDATES, 2 * self.max_detections)
        index, label, score = fast_nms(boxes, scores.T, candidates=candidates, max_detections=self.max_detections)
        kept = score >= self.score_threshold
        index = index[kept]
        coefficients = outputs.coefficients[image, anchors[index]].float()
        return Detections(boxes[index], label[kept] + 1, score[kept], coefficients)

    def decode(self, outputs: Outputs, sizes: Sequence[tuple[int, int]]) -> list[Segmentation]:
        """The objects of each image with masks at the size of the original; some masks may be empty."""
        results = []
        for image, size in enumerate(sizes):
            one = self.detect(outputs, image)
            prototypes = outputs.prototypes[image].float()
            inner = self.resizing.size(*size)
            masks = assemble_masks(prototypes, one.coefficients, one.boxes, size, inner, _size(outputs))
            results.append(Segmentation(self.classes, one.labels, one.scores, masks=masks))
        return results


def _scaled(scales: Sequence[float], size: int) -> tuple[int, ...]:
    """The scales of anchors for images of this size, pixels; a ValueError says what is wrong with them."""
    if len(scales) != NUM_LEVELS:
        raise ValueError(f"scales are {list(scales)}: give {NUM_LEVELS} in pixels, one a level")
    scaled = tuple(int(scale / REFERENCE_SIZE * size) for scale in scales)
    if min(scaled) < 1:
        smallest = math.ceil(REFERENCE_SIZE / min(scales)) if min(scales) > 0 else REFERENCE_SIZE
        raise ValueError(
            f"size is {size}: the smallest anchors would be less than a pixel, as the scales are {list(scales)}; the "
            f"smallest size for these is {smallest}"
        )
    return scaled


def _checked_ratios(ratios: Sequence[float]) -> tuple[float, ...]:
    """The ratios as floats; a ValueError if there is none, or one is not above 0."""
    if not ratios or min(ratios) <= 0:
        raise ValueError(f"ratios are {list(ratios)}: give one width over height or more, each above 0")
    return tuple(float(ratio) for ratio in ratios)


def _level_indices(backbone: Backbone) -> list[int]:
    """The indices of the backbone's maps that have the strides of the pyramid; of each stride, the deepest.

    Raises:
        ValueError: a stride is missing.
    """
    index_of = {stride: index for index, stride in enumerate(backbone.strides)}
    missing = [stride for stride in STRIDES if stride not in index_of]
    if missing:
        raise ValueError(f"backbone {backbone.name!r} has maps of strides {backbone.strides}, but not of {missing}")
    return [index_of[stride] for stride in STRIDES]


def _adapt_backbone(backbone: Backbone, variant: Variant) -> Normalize:
    """Change a backbone in place into that of a variant, and return the normalisation that it expects."""
    if not variant.own_pixels:
        return backbone.normalize()
    if backbone.name != "darknet53":
        return Normalize((123.68, 116.78, 103.94), (58.40, 57.12, 57.38), scale=255)
    # The authors' Darknet gets pixels in [0, 1] as they are, and its LeakyReLU has a steeper slope than timm's.
    for layer in backbone.modules():
        if isinstance(layer, nn.LeakyReLU):
            layer.negative_slope = 0.1
    return Normalize()


def _init_xavier(part: nn.Module) -> None:
    """Set the weights of all convolutions by Xavier's uniform rule, and their biases to 0, as the authors do."""
    for layer in part.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(cast(Tensor, layer.bias))


def _box_loss(outputs: Outputs, image: int, targets: Targets) -> Tensor:
    """Smooth L1 loss of the deltas of the positive anchors of one image."""
    positive = targets.positive()
    matched = targets.boxes[targets.owner[positive]]
    target_deltas = encode(matched, outputs.anchors[positive], BOX_CODER_WEIGHTS)
    return BOX_WEIGHT * F.smooth_l1_loss(outputs.boxes[image, positive].float(), target_deltas, reduction="sum")


def _semantic_loss(outputs: Outputs, targets: Sequence[Targets]) -> Tensor:
    """The semantic segmentation loss (section 3.4), averaged over the images."""
    logits, size = outputs.semantic[0].float(), _size(outputs)
    losses = []
    for image, one in enumerate(targets):
        masks = downsample_masks(one.masks, size, (logits.shape[2], logits.shape[3]))
        losses.append(semantic_loss(logits[image], masks, one.classes - 1))
    return torch.stack(losses).mean()


def _size(outputs: Outputs) -> tuple[int, int]:
    """Height and width of the padded images."""
    height, width = outputs.size.tolist()
    return height, width

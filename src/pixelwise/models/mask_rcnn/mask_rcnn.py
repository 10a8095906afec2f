"""Mask R-CNN: Faster R-CNN with RoIAlign and a branch that predicts the mask of each object within its box.

He, Gkioxari, Dollár, Girshick: Mask R-CNN. arXiv 1703.06870, 2017.

- Section 3 (L = L_cls + L_box + L_mask; a binary mask for each class, of which only that of the true class is trained;
  RoIAlign; figure 4, right, the head on a pyramid): `MaskBranch`, `MaskRCNN.loss`; the rest is `faster_rcnn.py`.
- Section 3.1 (inference: masks of the 100 best boxes only, 28 × 28, resized to the box, at least 0.5):
  `MaskRCNN.detect`, `MaskRCNN.predict_masks`, `MaskRCNN.decode`.

`VARIANTS` says in what the implementations differ: torchvision (two versions) and detectron2. "aligned", the default,
has detectron2's geometry, and the colours and strides of ResNets trained on ImageNet.

Differs from the paper:
- of the last 1×1 convolution, only the channel of the class that counts is computed;
- the fully convolutional head is that of the pyramid; the one on a single map of stride 16 is not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...layers.backbone import Backbone
from ...layers.conv import conv_norm_relu
from ...layers.fpn import FPN
from ...layers.normalize import Normalize
from ...layers.resnet import is_resnet, stride_in_first_convolution
from ...masks import Masks
from ...ops.names import suggest
from ...ops.pad import pad_to
from ...ops.resize import Resizing
from ...segmentation import Segmentation
from ..base import InstanceModel
from .faster_rcnn import (
    RATIOS,
    BoxBranch,
    BoxVariant,
    Detections,
    Objects,
    ProposalNetwork,
    Regions,
    Size,
    pool_regions,
    truth_objects,
)
from .paste import paste_masks

STRIDES = (4, 8, 16, 32)
"""Strides of the maps of the backbone that the pyramid stands on."""

ANCHORS = (32, 64, 128, 256, 512)
"""The paper's side of the anchors on each level, pixels."""

REGIONS = 512
"""The paper's number of regions of an image that are learned from."""

SIDE = 28
"""Cells of a mask along an axis."""

PRE_NMS_PREDICTING = 1000
"""Proposals of a level that take part in NMS in prediction, in all variants."""

PROPOSALS_PER_DETECTION = 4
"""Proposals that are kept for each detection at least: up to 250 detections, the usual 1,000 are enough."""


@dataclass(frozen=True, kw_only=True)
class Variant(BoxVariant):
    """Choices in which the implementations of Mask R-CNN differ, besides those of `BoxVariant`.

    Attributes:
        mask_norm: batch normalisation in the mask branch and in the pyramid.
        soft_targets: mask targets are the share of a cell that the object covers, not whether it is at least a half.
        whole_pixels: masks are resized to whole pixels of their box, see `paste.py`.
        frozen_exactly: the backbone's batch normalisation adds nothing to the variance.
        caffe: the ResNet has its strides in the 1×1 convolutions, and sees BGR of 0 to 255 with its mean subtracted.
    """

    mask_norm: bool = False
    soft_targets: bool = False
    whole_pixels: bool = False
    frozen_exactly: bool = False
    caffe: bool = False


def _torchvision(*, second: bool) -> Variant:
    """torchvision's Mask R-CNN, or its second version."""
    return Variant(
        shared_convs=2 if second else 1,
        rounded_anchors=True,
        rank_by_probability=True,
        min_proposal_size=1e-3,
        min_box_size=1e-2,
        post_nms=2000,
        fixed_normalizer=False,
        beta=1 / 9,
        sampling_ratio=2,
        aligned=False,
        ratio_epsilon=0.0,
        level_epsilon=1e-6,
        box_convs=4 if second else 0,
        mask_norm=second,
        soft_targets=True,
        whole_pixels=True,
        frozen_exactly=not second,
    )


VARIANTS = {
    "aligned": Variant(),
    "detectron2": Variant(caffe=True),
    "torchvision": _torchvision(second=False),
    "torchvision_v2": _torchvision(second=True),
}
"""The variants, by the name that the constructor takes."""


class RegionOutputs(NamedTuple):
    """Outputs of the first stage for a batch of B images, with A anchors a place; the finest stride is 4."""

    levels: tuple[Tensor, ...]  # (B, D, h, w) each: P2 to P6
    logits: tuple[Tensor, ...]  # (B, A, h, w) each: objectness of each anchor
    deltas: tuple[Tensor, ...]  # (B, 4A, h, w) each: from each anchor to its object's box


class MaskBranch(nn.Module):
    """Figure 4, right: four 3×3 convolutions on 14 × 14 cells, one transposed, and a 1×1 to a mask for each class.

    Args:
        width: channels.
        number: number of masks: the classes with the background, or 1.
        variant: choices of the implementation.
    """

    def __init__(self, width: int, number: int, variant: Variant) -> None:
        super().__init__()
        self.variant = variant
        self.convs = nn.Sequential(*(_conv(width, variant.mask_norm) for _ in range(4)))
        self.up = nn.ConvTranspose2d(width, width, 2, stride=2)
        self.head = nn.Conv2d(width, number, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        nn.init.normal_(self.head.weight, std=0.001)

    def forward(self, maps: Sequence[Tensor], boxes: Sequence[Tensor], labels: Tensor) -> Tensor:
        """The maps P2 to P5, (n, 4) boxes of each image, (N,) the class of each → logits (N, 28, 28)."""
        x = pool_regions(maps, boxes, SIDE // 2, self.variant).contiguous(memory_format=torch.channels_last)
        x = self.convs(x)  # (N, width, 14, 14)
        x = self.up(x).relu_()  # (N, width, 28, 28)
        # Each region needs the mask of one class: its own row of the 1×1 convolution, instead of all C channels.
        channel = labels if len(self.head.weight) > 1 else torch.zeros_like(labels)
        weight, bias = self.head.weight[channel, :, 0, 0], self.head.bias[channel]  # type: ignore[index]
        logits: Tensor = torch.bmm(weight[:, None], x.flatten(2)).view(-1, SIDE, SIDE)
        return logits + bias[:, None, None]

    @torch.no_grad()
    def targets(self, regions: Regions, truths: Sequence[Objects]) -> Tensor:
        """(N, 28, 28): the mask of the object of each positive region, within the region's box."""
        targets = [torch.cat(regions.boxes).new_zeros(0, SIDE, SIDE)]
        for boxes, labels, owners, truth in zip(*regions, truths, strict=True):
            positive = labels > 0
            targets.append(self._image_targets(boxes[positive], owners[positive], truth))
        soft = torch.cat(targets)
        return soft if self.variant.soft_targets else (soft >= 0.5).float()

    def _image_targets(self, boxes: Tensor, owners: Tensor, truth: Objects) -> Tensor:
        """(n, 28, 28): the mask of object `owners[i]` within `boxes[i]`, soft."""
        from torchvision.ops import roi_align  # a late import: it takes seconds

        cells = boxes.new_zeros(len(boxes), SIDE, SIDE)
        for owner in owners.unique().tolist():
            # A margin of one pixel, for bilinear samples at the border of the crop.
            crop, corner = truth.masks.crop(int(truth.indices[owner]), margin=1)
            index = (owners == owner).nonzero().flatten()
            rois = boxes[index] - boxes.new_tensor([*corner, *corner])
            pixels = crop[None, None].to(boxes)
            cells[index] = roi_align(pixels, [rois], SIDE, 1.0, -1, self.variant.aligned)[:, 0]
        return cells


def _conv(width: int, norm: bool) -> nn.Sequential:
    """A 3×3 convolution of the mask branch, with or without batch normalisation."""
    if norm:
        return conv_norm_relu(width, width)
    return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True))


class MaskRCNN(InstanceModel):
    """Mask R-CNN on a feature pyramid.

    Args:
        num_classes: background included, which is class 0.
        backbone: a network of timm with maps of strides 4, 8, 16 and 32; the paper's ResNet-50 when not given.
        variant: "aligned", "torchvision", "torchvision_v2" or "detectron2", a row of `VARIANTS`. In "torchvision" the
            backbone's normalisation divides by the variance as it is, for its published weights: train another, or with
            `norm: frozen`.
        class_agnostic: one mask for whatever the class is, instead of one for each.
        width: channels of the pyramid and of the branches; the fully connected layers have four times as many neurons.
        anchors: side of the anchors on each level, pixels; smaller ones for small objects.
        regions: regions of an image that are learned from; at most a quarter of them hold objects. The paper's 512 suit
            images of 800 pixels; 64 are enough for small ones and take an eighth of the time.
        ratios: height over width of the anchors at a place.

    Raises:
        ValueError: for a variant that does not exist, a backbone without these maps, or anchors, ratios or a number of
            regions that make no sense.
    """

    score_threshold = 0.05

    def __init__(
        self,
        num_classes: int,
        backbone: str | None = None,
        variant: str = "aligned",
        class_agnostic: bool = False,
        width: int = 256,
        anchors: Sequence[float] = ANCHORS,
        regions: int = REGIONS,
        ratios: Sequence[float] = RATIOS,
    ) -> None:
        super().__init__(num_classes)
        self.variant = _variant(variant, regions)
        _check_anchors(anchors, ratios)
        self.backbone = Backbone(backbone or "resnet50")
        self.level_indices = _level_indices(self.backbone)
        self.normalize = _adapt_backbone(self.backbone, self.variant)
        channels = [self.backbone.channels[index] for index in self.level_indices]
        self.fpn = FPN(channels, width, norm=self.variant.mask_norm, pooled=1)
        self.proposals = ProposalNetwork(width, anchors, ratios, self.variant)
        self.boxes = BoxBranch(width, num_classes, self.variant)
        self.masks = MaskBranch(width, 1 if class_agnostic else num_classes, self.variant)

    def forward(self, images: Tensor) -> RegionOutputs:
        """(B, 3, H, W) of any size → the levels of the pyramid, and the logits and deltas of the proposal network."""
        x = pad_to(self.normalize(images), STRIDES[-1])  # (B, 3, H', W')
        x = x.contiguous(memory_format=torch.channels_last)  # faster everywhere
        maps = self.backbone(x)  # (B, D, ⌈H / stride⌉, ⌈W / stride⌉) each
        levels = self.fpn([maps[index] for index in self.level_indices])  # (B, width, h, w) each, P2 to P6
        logits, deltas = self.proposals(levels)  # (B, A, h, w), (B, 4A, h, w) each
        return RegionOutputs(tuple(levels), tuple(logits), tuple(deltas))

    def loss(self, outputs: RegionOutputs, truths: Sequence[Segmentation]) -> dict[str, Tensor]:
        """Section 3: L_cls + L_box + L_mask of sampled regions, and the two losses of the proposal network."""
        levels, logits, deltas = _for_roi_align(outputs)
        objects = [truth_objects(truth) for truth in truths]
        objectness_loss, proposal_loss = self.proposals.loss(logits, deltas, objects)
        sizes = [truth.size for truth in truths]
        proposals = self.proposals.propose(logits, deltas, sizes, self.variant.pre_nms, self.variant.post_nms)
        regions = self.boxes.sample_regions(proposals, objects)
        class_logits, box_deltas = self.boxes(levels[:-1], regions.boxes)
        class_loss, box_loss = self.boxes.loss(class_logits, box_deltas, regions, objects)
        return {
            "objectness": objectness_loss,
            "proposals": proposal_loss,
            "classes": class_loss,
            "boxes": box_loss,
            "masks": self._mask_loss(levels[:-1], regions, objects),
        }

    def _mask_loss(self, maps: Sequence[Tensor], regions: Regions, objects: Sequence[Objects]) -> Tensor:
        """Mean binary cross-entropy of the masks of the positive regions."""
        positive = [boxes[labels > 0] for boxes, labels in zip(regions.boxes, regions.labels, strict=True)]
        labels = torch.cat(regions.labels)
        logits = self.masks(maps, positive, labels[labels > 0])
        targets = self.masks.targets(regions, objects)
        return F.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / max(1, targets.numel())

    @torch.no_grad()
    def detect(
        self, outputs: RegionOutputs, sizes: Sequence[Size], score_threshold: float, max_detections: int
    ) -> list[Detections]:
        """Section 3.1: the boxes of each image, without masks.

        Args:
            outputs: of `forward`.
            sizes: height and width of each image within the batch.
            score_threshold: scores must be above this.
            max_detections: boxes of an image that are kept.
        """
        levels, logits, deltas = _for_roi_align(outputs)
        needed = PROPOSALS_PER_DETECTION * max_detections
        pre_nms, post_nms = max(PRE_NMS_PREDICTING, needed), max(self.variant.post_nms_predicting, needed)
        proposals = self.proposals.propose(logits, deltas, sizes, pre_nms, post_nms)
        class_logits, box_deltas = self.boxes(levels[:-1], proposals)
        return self.boxes.detect(class_logits, box_deltas, proposals, sizes, score_threshold, max_detections)

    @torch.no_grad()
    def predict_masks(self, outputs: RegionOutputs, detections: Sequence[Detections]) -> list[Tensor]:
        """The soft masks of detected boxes, within these: (N, 28, 28) in [0, 1] for each image."""
        boxes = [one.boxes for one in detections]
        labels = torch.cat([one.labels for one in detections])
        logits = self.masks(_for_roi_align(outputs).levels[:-1], boxes, labels)
        return list(logits.sigmoid().split([len(one) for one in boxes]))

    def decode(self, outputs: RegionOutputs, sizes: Sequence[Size]) -> list[Segmentation]:
        """Section 3.1: the objects of each image, with masks at the size of the original."""
        return self.segment(outputs, sizes, self.resizing, self.score_threshold, self.max_detections)

    def segment(
        self,
        outputs: RegionOutputs,
        sizes: Sequence[Size],
        resizing: Resizing,
        score_threshold: float,
        max_detections: int,
    ) -> list[Segmentation]:
        """Predict boxes, then the masks of these boxes, then their pixels in the original images.

        Args:
            outputs: of `forward`.
            sizes: height and width of each original image.
            resizing: how the images were resized.
            score_threshold, max_detections: as in `detect`.
        """
        outputs = _for_roi_align(outputs)
        inner = [resizing.size(*size) for size in sizes]
        detections = self.detect(outputs, inner, score_threshold, max_detections)
        soft_masks = self.predict_masks(outputs, detections)
        results = []
        for one, soft, (height, width), size in zip(detections, soft_masks, inner, sizes, strict=True):
            down, across = size[0] / height, size[1] / width
            boxes = one.boxes * one.boxes.new_tensor([across, down, across, down])
            masks = self.paste(boxes, soft, size)
            results.append(Segmentation(self.classes, one.labels, one.scores, masks=masks))
        return results

    def paste(self, boxes: Tensor, soft: Tensor, size: Size) -> Masks:
        """(N, 4) boxes and (N, 28, 28) soft masks → the pixels at which the masks are at least 0.5."""
        return paste_masks(soft, boxes, size, whole_pixels=self.variant.whole_pixels)


def _variant(name: str, regions: int) -> Variant:
    """The variant of a name, with this number of sampled regions."""
    if name not in VARIANTS:
        raise ValueError(f"there is no variant {name!r} of mask_rcnn: {suggest(name, VARIANTS)}")
    if regions < 1:
        raise ValueError(f"regions is {regions}: at least one must be learned from")
    return replace(VARIANTS[name], regions_sampled=regions)


def _check_anchors(anchors: Sequence[float], ratios: Sequence[float]) -> None:
    """Raise a ValueError for sides or ratios of anchors that make no sense."""
    if len(anchors) != len(STRIDES) + 1 or min(anchors) <= 0:
        raise ValueError(f"anchors are {tuple(anchors)}: give {len(STRIDES) + 1} sides in pixels, one a level")
    if not ratios or min(ratios) <= 0:
        raise ValueError(f"ratios are {tuple(ratios)}: give one height over width or more, each above 0")


def _adapt_backbone(backbone: Backbone, variant: Variant) -> Normalize:
    """Change a backbone in place into that of a variant, and return the normalisation that it expects."""
    if variant.frozen_exactly:
        for layer in backbone.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eps = torch.finfo(torch.float32).tiny  # some versions of torch refuse 0
    if not variant.caffe:
        return backbone.normalize()
    if is_resnet(backbone.net):
        stride_in_first_convolution(backbone.net)
    return Normalize((103.53, 116.28, 123.675), (1.0, 1.0, 1.0), scale=255.0, bgr=True)


def _for_roi_align(outputs: RegionOutputs) -> RegionOutputs:
    """The outputs in float32 and contiguous, as RoIAlign needs them; the same tensors if they already are."""
    return RegionOutputs(_contiguous(outputs.levels), _contiguous(outputs.logits), _contiguous(outputs.deltas))


def _contiguous(maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(x.float().contiguous() for x in maps)


def _level_indices(backbone: Backbone) -> list[int]:
    """The indices of the backbone's maps that have the strides of the pyramid; of each stride, the deepest.

    Raises:
        ValueError: a stride is missing.
    """
    index_of = {stride: k for k, stride in enumerate(backbone.strides)}
    missing = [stride for stride in STRIDES if stride not in index_of]
    if missing:
        raise ValueError(
            f"backbone {backbone.name!r} has maps of strides {', '.join(map(str, backbone.strides))}, but the pyramid "
            f"needs {', '.join(map(str, missing))} too: choose a network of stages, resnet50 for example"
        )
    return [index_of[stride] for stride in STRIDES]

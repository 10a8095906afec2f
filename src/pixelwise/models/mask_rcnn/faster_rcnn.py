"""Faster R-CNN, as far as Mask R-CNN needs it: proposals, and a branch that classifies and refines them.

Ren, He, Girshick, Sun: Faster R-CNN: Towards Real-Time Object Detection with Region Proposal Networks. arXiv
1506.01497, 2015; on a pyramid as Lin, Dollár, Girshick, He, Hariharan, Belongie: Feature Pyramid Networks for Object
Detection. arXiv 1612.03144, 2017.

- 3.1 (proposals): `ProposalNetwork`; 3.1.1 (anchors): `anchors.py`; 3.1.2 (matching, sampling, loss):
  `ProposalNetwork.loss`; 3.3 (suppression of proposals): `ProposalNetwork.propose`.
- FPN 4.2 and appendix (regions pooled from levels, two fully connected layers): `regions.py`, `BoxBranch`.

Differs from the papers:
- the anchors on the levels P2 to P6 have one size a level and, by default, three ratios; those that cross the border of
  the image learn too;
- regions of crowds are no negatives: neither anchors nor proposals of which 0.7 lies in one (Detectron does so with
  proposals; detectron2 and torchvision forget crowds while training).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...layers.conv import conv_norm_relu
from ...masks import Masks
from ...ops.boxes import clip, decode, encode
from ...segmentation import Segmentation
from .anchors import level_anchors
from .box_loss import smooth_l1
from .matching import inside, match, sample
from .regions import box_levels, grouped_nms, roi_align_levels

LOWEST, HIGHEST = 2, 5
"""Levels that regions are pooled from; the anchors lie on one more, P6."""

RATIOS = (0.5, 1.0, 2.0)
"""The paper's height over width of the anchors."""

BOX_CODER_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
"""Weights of the deltas of the second stage: 1 over their usual standard deviations."""

PROPOSAL_POSITIVE, PROPOSAL_NEGATIVE = 0.7, 0.3
"""An anchor is positive from this overlap with an object on (IoU), and negative below the second."""

PROPOSAL_NMS, DETECTION_NMS = 0.7, 0.5
"""Overlap (IoU) above which the less confident of two proposals, or of two detections of a class, is suppressed."""

REGION_POSITIVE = 0.5
"""A proposal is positive from this overlap with an object on (IoU), and negative below it."""

CROWD_SHARE = 0.7
"""A negative of whose area at least this share lies in a crowd is ignored."""

POOLED = 7
"""Cells along an axis that a region is pooled to in the box branch."""

Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class BoxVariant:
    """Choices in which the implementations of Faster R-CNN differ.

    Attributes:
        shared_convs: 3×3 convolutions before the two outputs of the proposal network.
        rounded_anchors: corners of anchors are whole pixels, and strides are the image's side divided by the map's,
            rounded down.
        rank_by_probability: proposals are ranked by their probability, which saturates, instead of their logit.
        min_proposal_size: proposals whose width or height is not above this are dropped before NMS, pixels.
        min_box_size: detections whose width or height is not above this are dropped before NMS, pixels.
        pre_nms: proposals of a level that take part in NMS in training; 1000 in prediction.
        post_nms: proposals of an image that are kept after NMS in training.
        post_nms_predicting: proposals of an image that are kept after NMS in prediction.
        anchors_sampled: anchors of an image that are learned from; at most half of them are positive.
        regions_sampled: regions of an image that are learned from; at most a quarter of them are positive.
        fixed_normalizer: losses of the proposals are divided by `anchors_sampled`, not by the number really sampled.
        beta: of the smooth L1 loss of both stages; 0 for L1.
        sampling_ratio, aligned: of RoIAlign, see `regions.roi_align_levels`.
        ratio_epsilon, level_epsilon: of the assignment of levels, see `regions.box_levels`.
        box_convs: 3×3 convolutions with batch normalisation in the box branch, before one fully connected layer; 0 for
            two fully connected layers alone.
    """

    shared_convs: int = 1
    rounded_anchors: bool = False
    rank_by_probability: bool = False
    min_proposal_size: float = 0.0
    min_box_size: float = -1.0  # below 0: even boxes without area take part in NMS; those are dropped afterwards
    pre_nms: int = 2000
    post_nms: int = 1000
    post_nms_predicting: int = 1000
    anchors_sampled: int = 256
    regions_sampled: int = 512
    fixed_normalizer: bool = True
    beta: float = 0.0
    sampling_ratio: int = 0
    aligned: bool = True
    ratio_epsilon: float = 1e-8
    level_epsilon: float = 0.0
    box_convs: int = 0


class Objects(NamedTuple):
    """The ground truth of an image, in the form that the losses need."""

    boxes: Tensor  # (T, 4) float32, of the objects that have a pixel
    labels: Tensor  # (T,) int64, 1 to C − 1
    crowds: Tensor  # (R, 4) float32, boxes of the crowds
    masks: Masks  # of every segment of the ground truth
    indices: Tensor  # (T,) int64: the index of each object's mask


class Regions(NamedTuple):
    """Proposals that were sampled to learn from, image by image."""

    boxes: list[Tensor]  # (n, 4) each
    labels: list[Tensor]  # (n,) int64 each, 0 for background; the positives come first
    owners: list[Tensor]  # (n,) int64 each: index of the matched object; meaningless for background


class Detections(NamedTuple):
    """Detected boxes of an image, in descending order of their scores."""

    boxes: Tensor  # (N, 4)
    labels: Tensor  # (N,) int64, 1 to C − 1
    scores: Tensor  # (N,) in [0, 1]


def truth_objects(truth: Segmentation) -> Objects:
    """The objects and the crowds of a ground truth, without background and segments that have no pixel."""
    masks = truth.as_masks()
    boxes, visible = masks.boxes().float(), masks.areas() > 0
    index = (visible & (truth.labels > 0) & ~truth.crowd).nonzero().flatten()
    return Objects(boxes[index], truth.labels[index], boxes[visible & truth.crowd], masks, index)


class ProposalNetwork(nn.Module):
    """Region proposal network (section 3.1): the objectness and the deltas of each anchor at each place of each level.

    Args:
        width: channels of the pyramid.
        sizes: side of the anchors of each level, pixels.
        ratios: height over width of the anchors at a place.
        variant: choices of the implementation.
    """

    def __init__(self, width: int, sizes: Sequence[float], ratios: Sequence[float], variant: BoxVariant) -> None:
        super().__init__()
        self.sizes, self.ratios = tuple(map(float, sizes)), tuple(map(float, ratios))
        self.variant = variant
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(variant.shared_convs))
        self.objectness = nn.Conv2d(width, len(self.ratios), 1)
        self.deltas = nn.Conv2d(width, 4 * len(self.ratios), 1)
        for layer in [*self.convs, self.objectness, self.deltas]:
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, maps: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """(B, width, h, w) of each level → logits (B, A, h, w) and deltas (B, 4A, h, w), A anchors a place."""
        logits, deltas = [], []
        for x in maps:
            for conv in self.convs:
                x = conv(x).relu_()  # (B, width, h, w)
            logits.append(self.objectness(x))
            deltas.append(self.deltas(x))
        return logits, deltas

    def anchors(self, logits: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """(h · w · A, 4) of each level; the finest map has a stride of 4."""
        grids = tuple((int(x.shape[-2]), int(x.shape[-1])) for x in logits)
        strides = tuple((2 ** (LOWEST + k),) * 2 for k in range(len(grids)))
        if self.variant.rounded_anchors:
            size = [side * 2**LOWEST for side in grids[0]]
            strides = tuple((size[0] // h, size[1] // w) for h, w in grids)
        return level_anchors(self.sizes, self.ratios, grids, strides, self.variant.rounded_anchors, logits[0].device)

    @torch.no_grad()
    def propose(
        self, logits: Sequence[Tensor], deltas: Sequence[Tensor], sizes: Sequence[Size], pre_nms: int, post_nms: int
    ) -> list[Tensor]:
        """Section 3.3: the best boxes of each image, none overlapping another of its level by more than 0.7.

        Args:
            logits, deltas: of each level, float32.
            sizes: height and width of each image within the batch.
            pre_nms, post_nms: proposals that are kept of a level before NMS, and of an image after it.

        Returns:
            (n, 4) for each image, pixels.
        """
        boxes, scores, levels = [], [], []
        by_level = zip(self.anchors(logits), _by_anchor(logits, 1), _by_anchor(deltas, 4), strict=True)
        for k, (anchors, level_logits, level_deltas) in enumerate(by_level):
            best, index = level_logits[..., 0].topk(min(pre_nms, level_logits.shape[1]), 1)
            best_deltas = level_deltas.gather(1, index[..., None].expand(-1, -1, 4))
            decoded = decode(best_deltas.flatten(0, 1), anchors[index].flatten(0, 1))
            boxes.append(decoded.view_as(best_deltas))
            scores.append(best.sigmoid() if self.variant.rank_by_probability else best)
            levels.append(torch.full_like(index[0], k))
        level = torch.cat(levels)
        proposals = []
        for image_boxes, image_scores, size in zip(torch.cat(boxes, 1), torch.cat(scores, 1), sizes, strict=True):
            clipped = clip(image_boxes, size)
            large = _larger(clipped, self.variant.min_proposal_size)
            clipped = clipped[large]
            kept = grouped_nms(clipped, image_scores[large], level[large], PROPOSAL_NMS)
            proposals.append(clipped[kept[:post_nms]])
        return proposals

    def loss(
        self, logits: Sequence[Tensor], deltas: Sequence[Tensor], truths: Sequence[Objects]
    ) -> tuple[Tensor, Tensor]:
        """Section 3.1.2: cross-entropy of the sampled anchors, and smooth L1 of the deltas of the positive ones."""
        anchors = torch.cat(self.anchors(logits))
        all_logits = torch.cat(_by_anchor(logits, 1), 1)[..., 0]  # (B, anchors)
        all_deltas = torch.cat(_by_anchor(deltas, 4), 1)  # (B, anchors, 4)
        sampled_logits, labels, positive_deltas, target_deltas = [], [], [], []
        for image, truth in enumerate(truths):
            owner, label = match(truth.boxes, anchors, PROPOSAL_POSITIVE, PROPOSAL_NEGATIVE, nearest=True)
            label = _ignore_crowds(label, anchors, truth)
            positive, negative = sample(label, self.variant.anchors_sampled, 0.5)
            index = torch.cat([positive, negative])
            sampled_logits.append(all_logits[image, index])
            labels.append(label[index])
            positive_deltas.append(all_deltas[image, positive])
            target_deltas.append(encode(truth.boxes[owner[positive]], anchors[positive]))
        normalizer = sum(map(len, sampled_logits))
        if self.variant.fixed_normalizer:
            normalizer = self.variant.anchors_sampled * len(truths)
        class_loss = F.binary_cross_entropy_with_logits(
            torch.cat(sampled_logits), torch.cat(labels).float(), reduction="sum"
        )
        box_loss = smooth_l1(torch.cat(positive_deltas), torch.cat(target_deltas), self.variant.beta)
        return class_loss / max(1, normalizer), box_loss / max(1, normalizer)


class BoxPredictor(nn.Module):
    """The layers of the box branch that depend on the classes: a score and four deltas for each class.

    Args:
        width: neurons of the layer before.
        num_classes: background included.
    """

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.scores = nn.Linear(width, num_classes)
        self.deltas = nn.Linear(width, 4 * num_classes)
        nn.init.normal_(self.scores.weight, std=0.01)
        nn.init.normal_(self.deltas.weight, std=0.001)
        nn.init.zeros_(self.scores.bias)
        nn.init.zeros_(self.deltas.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, width) → (N, C) logits and (N, C, 4) deltas."""
        return self.scores(x), self.deltas(x).view(len(x), -1, 4)


class BoxBranch(nn.Module):
    """Second stage: the class and the refined box of each region, from its pooled features.

    Args:
        width: channels of the pyramid; the fully connected layers have four times as many neurons.
        num_classes: background included, which is 0.
        variant: choices of the implementation.
    """

    def __init__(self, width: int, num_classes: int, variant: BoxVariant) -> None:
        super().__init__()
        self.variant = variant
        self.convs = nn.Sequential(*(conv_norm_relu(width, width) for _ in range(variant.box_convs)))
        widths = [POOLED * POOLED * width, 4 * width]
        if not variant.box_convs:
            widths.append(4 * width)
        self.full = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))
        self.head = BoxPredictor(4 * width, num_classes)
        for module in self.convs.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        for layer in self.full:
            nn.init.kaiming_uniform_(layer.weight, a=1)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, maps: Sequence[Tensor], boxes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The maps P2 to P5, and (n, 4) boxes of each image → (N, C) logits and (N, C, 4) deltas."""
        x = pool_regions(maps, boxes, POOLED, self.variant)  # (N, width, 7, 7)
        if self.variant.box_convs:
            x = self.convs(x.contiguous(memory_format=torch.channels_last))
        x = x.flatten(1)  # (N, 49 · width)
        for layer in self.full:
            x = layer(x).relu_()  # (N, 4 · width)
        logits, deltas = self.head(x)
        return logits, deltas

    @torch.no_grad()
    def sample_regions(self, proposals: Sequence[Tensor], truths: Sequence[Objects]) -> Regions:
        """Sample proposals to learn from, and the boxes of the objects themselves, which are added to them."""
        regions = Regions([], [], [])
        for boxes, truth in zip(proposals, truths, strict=True):
            boxes = torch.cat([boxes, truth.boxes])
            owner, label = match(truth.boxes, boxes, REGION_POSITIVE, REGION_POSITIVE)
            label = _ignore_crowds(label, boxes, truth)
            positive, negative = sample(label, self.variant.regions_sampled, 0.25)
            index = torch.cat([positive, negative])
            regions.boxes.append(boxes[index])
            regions.owners.append(owner[index])
            regions.labels.append(torch.cat([truth.labels[owner[positive]], torch.zeros_like(negative)]))
        return regions

    def loss(
        self, logits: Tensor, deltas: Tensor, regions: Regions, truths: Sequence[Objects]
    ) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the sampled regions, and smooth L1 of the deltas of the positive ones."""
        labels, boxes = torch.cat(regions.labels), torch.cat(regions.boxes)
        matched = []
        for truth, owners, image_labels in zip(truths, regions.owners, regions.labels, strict=True):
            matched.append(truth.boxes[owners[image_labels > 0]])
        positive = (labels > 0).nonzero().flatten()
        target_deltas = encode(torch.cat(matched), boxes[positive], BOX_CODER_WEIGHTS)
        box_loss = smooth_l1(deltas[positive, labels[positive]], target_deltas, self.variant.beta)
        normalizer = max(1, len(labels))
        return F.cross_entropy(logits, labels, reduction="sum") / normalizer, box_loss / normalizer

    def detect(
        self,
        logits: Tensor,
        deltas: Tensor,
        proposals: Sequence[Tensor],
        sizes: Sequence[Size],
        score_threshold: float,
        max_detections: int,
    ) -> list[Detections]:
        """Classes of regions whose score is above the threshold, with refined boxes, after NMS of each class.

        Args:
            logits, deltas: of `forward`, float32.
            proposals: (n, 4) for each image, the boxes that `forward` was given.
            sizes: height and width of each image within the batch, which boxes are clipped to.
            score_threshold: a class of a region must have a probability above this.
            max_detections: boxes of an image that are kept.
        """
        numbers = [len(boxes) for boxes in proposals]
        probabilities = logits.softmax(-1)[:, 1:].split(numbers)
        detections = []
        for p, d, boxes, size in zip(probabilities, deltas.split(numbers), proposals, sizes, strict=True):
            region, label = (p > score_threshold).nonzero().unbind(1)
            refined = clip(decode(d[region, label + 1], boxes[region], BOX_CODER_WEIGHTS), size)
            large = _larger(refined, self.variant.min_box_size)
            refined, label, score = refined[large], label[large] + 1, p[region, label][large]
            best = grouped_nms(refined, score, label, DETECTION_NMS)[:max_detections]
            best = best[_larger(refined[best], 0.0)]
            detections.append(Detections(refined[best], label[best], score[best]))
        return detections


def pool_regions(maps: Sequence[Tensor], boxes: Sequence[Tensor], side: int, variant: BoxVariant) -> Tensor:
    """Pool the features of boxes, each from the level of P2 to P5 that suits its size: (N, D, side, side).

    Args:
        maps: P2 to P5, (B, D, h, w) each.
        boxes: (n, 4) for each image, pixels.
        side: cells along an axis.
        variant: choices of the implementation.
    """
    level = box_levels(
        torch.cat(list(boxes)),
        LOWEST,
        HIGHEST,
        ratio_epsilon=variant.ratio_epsilon,
        level_epsilon=variant.level_epsilon,
    )
    return roi_align_levels(
        maps, boxes, side, level, LOWEST, sampling_ratio=variant.sampling_ratio, aligned=variant.aligned
    )


def _by_anchor(maps: Sequence[Tensor], values: int) -> list[Tensor]:
    """(B, A · values, h, w) of each level → (B, h · w · A, values), in the order of the anchors."""
    return [x.unflatten(1, (-1, values)).permute(0, 3, 4, 1, 2).flatten(1, 3) for x in maps]


def _ignore_crowds(label: Tensor, boxes: Tensor, truth: Objects) -> Tensor:
    """The labels, with −1 for negatives that lie in a crowd."""
    if not len(truth.crowds):
        return label
    return torch.where((label == 0) & (inside(boxes, truth.crowds) >= CROWD_SHARE), -1, label)


def _larger(boxes: Tensor, min_size: float) -> Tensor:
    """(N,) bool: True for boxes whose width and height are both above `min_size`, False for NaN."""
    return ((boxes[:, 2:] - boxes[:, :2]) > min_size).all(1)

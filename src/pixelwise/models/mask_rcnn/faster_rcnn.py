"""Faster R-CNN: boxes that may hold an object are proposed, and each is looked at again. What Mask R-CNN needs of it.

Ren, He, Girshick, Sun: Faster R-CNN: Towards Real-Time Object Detection with Region Proposal Networks. arXiv
1506.01497, 2015; on a pyramid as Lin, Dollár, Girshick, He, Hariharan, Belongie: Feature Pyramid Networks for Object
Detection. arXiv 1612.03144, 2017.

- 3.1 (proposals): `ProposalNetwork`; 3.1.1 (anchors): `anchors.py`; 3.1.2 (matching, sampling, loss):
  `ProposalNetwork.loss`; 3.3 (suppression of proposals): `ProposalNetwork.propose`.
- FPN 4.2 and appendix (regions taken from levels, two fully connected layers): `regions.py`, `BoxBranch`.

Differs from the papers:
- the boxes on the levels P2 to P6 have one size a level and three shapes, those at the border of the image too;
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
from .regions import levels, pool, suppress

LOWEST, HIGHEST = 2, 5
"""Levels that regions are taken from; the anchors lie on one more, P6."""

RATIOS = (0.5, 1.0, 2.0)
"""Height over width of the anchors."""

STEPS = (10.0, 10.0, 5.0, 5.0)
"""Weights of a box's corrections in the second stage: 1 over their usual deviations."""

CROWDED = 0.7
"""What lies so far in a crowd is no negative."""

Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class BoxChoices:
    """Where those who programmed a Faster R-CNN chose differently.

    Attributes:
        shared_convs: 3×3 convolutions before the two outputs of the proposal network.
        rounded_anchors: their corners are whole pixels, and the step between them is the image's side over that of
            the map, without the rest.
        by_probability: proposals are put in order by their probability, which runs out of digits, not by their logit.
        least_proposal, least_side: boxes must be wider and higher before suppression, pixels: proposals, and found
            ones, of which those without area go afterwards.
        before, after: proposals that are kept of a level before and of all after suppression, to train.
        after_used: the latter, to predict (1000 before).
        anchors_sampled, regions_sampled: that learn from an image; half, and a quarter, are positive at most.
        fixed_mean: losses of the proposals are divided by the number of anchors that were asked for, not found.
        beta: where the box losses of both stages become quadratic, proposals' and regions'.
        ratio, aligned: of RoIAlign, see `ops.regions.pool`.
        inner, outer: of the rule of levels, see `ops.regions.levels`.
        box_convs: 3×3 convolutions with batch normalisation in the box branch; without any it has two full layers.
    """

    shared_convs: int = 1
    rounded_anchors: bool = False
    by_probability: bool = False
    least_proposal: float = 0.0
    least_side: float = -1.0
    before: int = 2000
    after: int = 1000
    after_used: int = 1000
    anchors_sampled: int = 256
    regions_sampled: int = 512
    fixed_mean: bool = True
    beta: float = 0.0
    ratio: int = 0
    aligned: bool = True
    inner: float = 1e-8
    outer: float = 0.0
    box_convs: int = 0


class Objects(NamedTuple):
    """What is true in an image, as the losses want it."""

    boxes: Tensor  # (T, 4) float32, objects with at least a pixel
    labels: Tensor  # (T,) int64, 1 and up
    crowds: Tensor  # (R, 4) float32
    masks: Masks  # of every segment of the ground truth
    places: Tensor  # (T,) int64: which of them each object is


class Regions(NamedTuple):
    """Proposals that were drawn to learn from, image by image."""

    boxes: list[Tensor]  # (n, 4) each
    labels: list[Tensor]  # (n,) int64 each, 0 for background; the positives come first
    owners: list[Tensor]  # (n,) int64 each, which object; meaningless for background


class Found(NamedTuple):
    """The boxes found in an image, the surest first."""

    boxes: Tensor  # (N, 4)
    labels: Tensor  # (N,) int64
    scores: Tensor  # (N,)


def objects(truth: Segmentation) -> Objects:
    """The objects of a ground truth, without background, crowds and what has no pixel."""
    masks = truth.as_masks()
    boxes, seen = masks.boxes().float(), masks.areas() > 0
    index = (seen & (truth.labels > 0) & ~truth.crowd).nonzero().flatten()
    return Objects(boxes[index], truth.labels[index], boxes[seen & truth.crowd], masks, index)


class ProposalNetwork(nn.Module):
    """Section 3.1: at each place of each level, whether each anchor holds an object, and how to correct it.

    Args:
        width: channels of the pyramid.
        sizes: of the anchors of each level, pixels.
        choices: of the variant.
    """

    def __init__(self, width: int, sizes: Sequence[float], choices: BoxChoices) -> None:
        super().__init__()
        self.sizes, self.choices = tuple(map(float, sizes)), choices
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(choices.shared_convs))
        self.objectness = nn.Conv2d(width, len(RATIOS), 1)
        self.deltas = nn.Conv2d(width, 4 * len(RATIOS), 1)
        for layer in [*self.convs, self.objectness, self.deltas]:
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, maps: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """(B, width, h, w) each → logits (B, 3, h, w) and corrections (B, 12, h, w) of each level."""
        logits, deltas = [], []
        for x in maps:
            for conv in self.convs:
                x = conv(x).relu_()  # (B, width, h, w)
            logits.append(self.objectness(x))
            deltas.append(self.deltas(x))
        return logits, deltas

    def anchors(self, logits: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """(h · w · 3, 4) for each level; the finest map has a stride of 4."""
        grids = tuple((int(x.shape[-2]), int(x.shape[-1])) for x in logits)
        strides = tuple((2 ** (LOWEST + k),) * 2 for k in range(len(grids)))
        if self.choices.rounded_anchors:
            size = [side * 2**LOWEST for side in grids[0]]
            strides = tuple((size[0] // h, size[1] // w) for h, w in grids)
        return level_anchors(self.sizes, RATIOS, grids, strides, self.choices.rounded_anchors, logits[0].device)

    @torch.no_grad()
    def propose(
        self, logits: Sequence[Tensor], deltas: Sequence[Tensor], sizes: Sequence[Size], before: int, after: int
    ) -> list[Tensor]:
        """Section 3.3: the best boxes of each image, none overlapping another of its level by more than 0.7.

        Args:
            logits, deltas: of each level, float32.
            sizes: height and width of each image within the batch.
            before, after: how many are kept of a level before, and of all after suppression.

        Returns:
            (n, 4) for each image, pixels.
        """
        boxes, scores, level = [], [], []
        for k, (anchors, x, d) in enumerate(zip(self.anchors(logits), _flat(logits, 1), _flat(deltas, 4), strict=True)):
            best, index = x[..., 0].topk(min(before, x.shape[1]), 1)
            steps = d.gather(1, index[..., None].expand(-1, -1, 4))
            boxes.append(decode(steps.flatten(0, 1), anchors[index].flatten(0, 1)).view_as(steps))
            scores.append(best.sigmoid() if self.choices.by_probability else best)
            level.append(torch.full_like(index[0], k))
        found, score, levels = torch.cat(boxes, 1), torch.cat(scores, 1), torch.cat(level)
        proposals = []
        for b, s, size in zip(found, score, sizes, strict=True):
            b = clip(b, size)
            wide = _wider(b, self.choices.least_proposal)
            b = b[wide]
            proposals.append(b[suppress(b, s[wide], levels[wide], 0.7)[:after]])
        return proposals

    def loss(
        self, logits: Sequence[Tensor], deltas: Sequence[Tensor], truths: Sequence[Objects]
    ) -> tuple[Tensor, Tensor]:
        """Section 3.1.2: cross-entropy of the anchors drawn, and the distance of the positive ones to their objects."""
        anchors = torch.cat(self.anchors(logits))
        every, steps = torch.cat(list(_flat(logits, 1)), 1)[..., 0], torch.cat(list(_flat(deltas, 4)), 1)
        chosen, wanted, found, aims = [], [], [], []
        for n, truth in enumerate(truths):
            owner, label = match(truth.boxes, anchors, 0.7, 0.3, nearest=True)
            label = _uncrowded(label, anchors, truth)
            positive, negative = sample(label, self.choices.anchors_sampled, 0.5)
            index = torch.cat([positive, negative])
            chosen.append(every[n, index])
            wanted.append(label[index])
            found.append(steps[n, positive])
            aims.append(encode(truth.boxes[owner[positive]], anchors[positive]))
        asked = self.choices.anchors_sampled * len(truths) if self.choices.fixed_mean else sum(map(len, chosen))
        target = torch.cat(wanted).float()
        scored = F.binary_cross_entropy_with_logits(torch.cat(chosen), target, reduction="sum")
        placed = smooth_l1(torch.cat(found), torch.cat(aims), self.choices.beta)
        return scored / max(1, asked), placed / max(1, asked)


class BoxPredictor(nn.Module):
    """What depends on the classes: the score of each, and the corrections of a box if it is one of that class."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.scores = nn.Linear(width, num_classes)
        self.deltas = nn.Linear(width, 4 * num_classes)
        nn.init.normal_(self.scores.weight, std=0.01)
        nn.init.normal_(self.deltas.weight, std=0.001)
        nn.init.zeros_(self.scores.bias)
        nn.init.zeros_(self.deltas.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, width) → (N, C) logits and (N, C, 4) corrections."""
        return self.scores(x), self.deltas(x).view(len(x), -1, 4)


class BoxBranch(nn.Module):
    """Each region's features to a class and a box.

    Args:
        width: channels of the pyramid; four times as many neurons are in the full layers.
        num_classes: background included, which is 0.
        choices: of the variant.
    """

    def __init__(self, width: int, num_classes: int, choices: BoxChoices) -> None:
        super().__init__()
        self.choices = choices
        self.convs = nn.Sequential(*(conv_norm_relu(width, width) for _ in range(choices.box_convs)))
        widths = [7 * 7 * width, *[4 * width] * (1 if choices.box_convs else 2)]
        self.full = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.head = BoxPredictor(4 * width, num_classes)
        for module in self.convs.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        for layer in self.full:
            nn.init.kaiming_uniform_(layer.weight, a=1)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, maps: Sequence[Tensor], boxes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The maps P2 to P5, and (n, 4) boxes of each image → (N, C) logits and (N, C, 4) corrections."""
        x = taken(maps, boxes, 7, self.choices)  # (N, width, 7, 7)
        if self.choices.box_convs:
            x = self.convs(x.contiguous(memory_format=torch.channels_last))
        x = x.flatten(1)  # (N, 49 · width)
        for layer in self.full:
            x = layer(x).relu_()  # (N, 4 · width)
        scores, deltas = self.head(x)
        return scores, deltas

    @torch.no_grad()
    def draw(self, proposals: Sequence[Tensor], truths: Sequence[Objects]) -> Regions:
        """Proposals, and the objects themselves, to learn from: positive from an overlap of 0.5 on."""
        regions = Regions([], [], [])
        for boxes, truth in zip(proposals, truths, strict=True):
            boxes = torch.cat([boxes, truth.boxes])
            owner, label = match(truth.boxes, boxes, 0.5, 0.5)
            positive, negative = sample(_uncrowded(label, boxes, truth), self.choices.regions_sampled, 0.25)
            index = torch.cat([positive, negative])
            regions.boxes.append(boxes[index])
            regions.owners.append(owner[index])
            regions.labels.append(torch.cat([truth.labels[owner[positive]], torch.zeros_like(negative)]))
        return regions

    def loss(
        self, scores: Tensor, deltas: Tensor, regions: Regions, truths: Sequence[Objects]
    ) -> tuple[Tensor, Tensor]:
        """Cross-entropy of all regions drawn, and the distance of the positive ones to their objects."""
        labels, boxes = torch.cat(regions.labels), torch.cat(regions.boxes)
        aims = [truth.boxes[o[y > 0]] for truth, o, y in zip(truths, regions.owners, regions.labels, strict=True)]
        positive = (labels > 0).nonzero().flatten()
        wanted = encode(torch.cat(aims), boxes[positive], STEPS)
        placed = smooth_l1(deltas[positive, labels[positive]], wanted, self.choices.beta)
        number = max(1, len(labels))
        return F.cross_entropy(scores, labels, reduction="sum") / number, placed / number

    def detect(
        self,
        scores: Tensor,
        deltas: Tensor,
        proposals: Sequence[Tensor],
        sizes: Sequence[Size],
        score_threshold: float,
        most: int,
    ) -> list[Found]:
        """Every class of a region that is sure enough, at its corrected box; overlaps of a class above 0.5 go."""
        numbers, found = [len(boxes) for boxes in proposals], []
        probabilities = scores.softmax(-1)[:, 1:].split(numbers)
        for p, d, boxes, size in zip(probabilities, deltas.split(numbers), proposals, sizes, strict=True):
            region, label = (p > score_threshold).nonzero().unbind(1)
            placed = clip(decode(d[region, label + 1], boxes[region], STEPS), size)
            wide = _wider(placed, self.choices.least_side)
            placed, label, score = placed[wide], label[wide] + 1, p[region, label][wide]
            best = suppress(placed, score, label, 0.5)[:most]
            best = best[_wider(placed[best], 0.0)]
            found.append(Found(placed[best], label[best], score[best]))
        return found


def taken(maps: Sequence[Tensor], boxes: Sequence[Tensor], side: int, choices: BoxChoices) -> Tensor:
    """(N, D, side, side): the features of boxes, each from the level of P2 to P5 that suits its size."""
    level = levels(torch.cat(list(boxes)), LOWEST, HIGHEST, inner=choices.inner, outer=choices.outer)
    return pool(maps, boxes, side, level, LOWEST, ratio=choices.ratio, aligned=choices.aligned)


def _flat(maps: Sequence[Tensor], numbers: int) -> list[Tensor]:
    """(B, 3 · numbers, h, w) each → (B, h · w · 3, numbers) each, in the order of the anchors."""
    return [x.unflatten(1, (-1, numbers)).permute(0, 3, 4, 1, 2).flatten(1, 3) for x in maps]


def _uncrowded(label: Tensor, boxes: Tensor, truth: Objects) -> Tensor:
    """The labels, −1 for negatives that lie in a crowd."""
    if not len(truth.crowds):
        return label
    return torch.where((label == 0) & (inside(boxes, truth.crowds) >= CROWDED), -1, label)


def _wider(boxes: Tensor, least: float) -> Tensor:
    """(N,) bool: which boxes are wider and higher than `least`; none that is not a number."""
    return ((boxes[:, 2:] - boxes[:, :2]) > least).all(1)

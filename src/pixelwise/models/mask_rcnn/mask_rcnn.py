"""Mask R-CNN: Faster R-CNN with a small network that paints each object within its box, and RoIAlign.

He, Gkioxari, Dollár, Girshick: Mask R-CNN. arXiv 1703.06870, 2017.

- Section 3 (L = L_cls + L_box + L_mask; a binary mask for each class, only that of the true class is taught; RoIAlign;
  figure 4, right, the head on a pyramid): `MaskBranch`, `MaskRCNN.loss`; the rest is `faster_rcnn.py`.
- Section 3.1 (inference: masks of the 100 best boxes only, 28 × 28, resized to the box, at least 0.5):
  `MaskRCNN.detect`, `MaskRCNN.decode`.

Those who programmed it differ, and `VARIANTS` says in what: torchvision (two versions) and detectron2. "aligned", which
is taken when no variant is given, has detectron2's geometry and the colours and strides of ImageNet's networks.

Differs from the paper:
- only the channel of the class that counts is computed of the last 1×1 convolution;
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
from ...segmentation import Segmentation
from ..base import InstanceModel
from .faster_rcnn import BoxBranch, BoxChoices, Found, Objects, ProposalNetwork, Regions, Size, objects, taken
from .paste import paste_masks

STRIDES = (4, 8, 16, 32)
"""Of the maps of the backbone that the pyramid stands on."""

SIDE = 28
"""Cells of a mask along an axis."""


@dataclass(frozen=True, kw_only=True)
class Variant(BoxChoices):
    """Where those who programmed a Mask R-CNN chose differently, besides what `BoxChoices` says.

    Attributes:
        mask_norm: batch normalisation in the mask branch, and in the pyramid.
        soft_targets: what is taught is how much of a cell the object covers, not whether it is half or more.
        whole_pixels: masks are resized to whole pixels of their box, see `ops.paste`.
        frozen_exactly: the backbone's batch normalisation adds nothing to the variance.
        caffe: the ResNet strides in its 1×1 convolutions and sees BGR of 0 to 255, with its mean removed.
    """

    mask_norm: bool = False
    soft_targets: bool = False
    whole_pixels: bool = False
    frozen_exactly: bool = False
    caffe: bool = False


def _torchvision(second: bool) -> Variant:
    return Variant(
        shared_convs=2 if second else 1,
        rounded_anchors=True,
        by_probability=True,
        least_proposal=1e-3,
        least_side=1e-2,
        after=2000,
        fixed_mean=False,
        beta=1 / 9,
        ratio=2,
        aligned=False,
        inner=0.0,
        outer=1e-6,
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
"""One row a variant."""


class RegionOutputs(NamedTuple):
    """What a two-stage model says of a batch before it looks at regions. The finest level has a stride of 4."""

    levels: tuple[Tensor, ...]  # (B, D, h, w) each: P2 to P6
    logits: tuple[Tensor, ...]  # (B, 3, h, w) each: whether an anchor holds an object
    deltas: tuple[Tensor, ...]  # (B, 12, h, w) each: how to correct it


class MaskBranch(nn.Module):
    """Figure 4, right: four 3×3 convolutions on 14 × 14 cells, one transposed, and a 1×1 to a mask for each class.

    Args:
        width: channels.
        number: of masks: the classes with the background, or 1.
        choices: of the variant.
    """

    def __init__(self, width: int, number: int, choices: Variant) -> None:
        super().__init__()
        self.choices = choices
        self.convs = nn.Sequential(*(_conv(width, choices.mask_norm) for _ in range(4)))
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
        x = taken(maps, boxes, SIDE // 2, self.choices).contiguous(memory_format=torch.channels_last)
        x = self.convs(x)  # (N, width, 14, 14)
        x = self.up(x).relu_()  # (N, width, 28, 28)
        channel = labels if len(self.head.weight) > 1 else torch.zeros_like(labels)
        weight, bias = self.head.weight[channel, :, 0, 0], self.head.bias[channel]  # type: ignore[index]
        logits: Tensor = torch.bmm(weight[:, None], x.flatten(2)).view(-1, SIDE, SIDE)
        return logits + bias[:, None, None]

    @torch.no_grad()
    def targets(self, regions: Regions, truths: Sequence[Objects]) -> Tensor:
        """(N, 28, 28): the mask of the object of each positive region, within the region's box."""
        from torchvision.ops import roi_align  # late: it takes seconds to load

        found = [torch.cat(regions.boxes).new_zeros(0, SIDE, SIDE)]
        for boxes, labels, owners, truth in zip(*regions, truths, strict=True):
            boxes, owners = boxes[labels > 0], owners[labels > 0]
            cells = boxes.new_zeros(len(boxes), SIDE, SIDE)
            for owner in owners.unique().tolist():
                crop, corner = truth.masks.crop(int(truth.places[owner]), margin=1)
                index = (owners == owner).nonzero().flatten()
                rois = boxes[index] - boxes.new_tensor([*corner, *corner])
                pixels = crop[None, None].to(boxes)
                cells[index] = roi_align(pixels, [rois], SIDE, 1.0, -1, self.choices.aligned)[:, 0]
            found.append(cells)
        targets = torch.cat(found)
        return targets if self.choices.soft_targets else (targets >= 0.5).float()


def _conv(width: int, norm: bool) -> nn.Sequential:
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
        width: channels of the pyramid and of the branches; the full layers have four times as many.
        anchors: side of the anchors on each level, pixels; smaller ones for small objects.
        regions: that learn from an image; a quarter of them hold objects at most. The paper's 512 suit images of 800
            pixels; 64 are enough for small ones and take an eighth of the time.
    """

    score_threshold = 0.05

    def __init__(
        self,
        num_classes: int,
        backbone: str | None = None,
        variant: str = "aligned",
        class_agnostic: bool = False,
        width: int = 256,
        anchors: Sequence[float] = (32, 64, 128, 256, 512),
        regions: int = 512,
    ) -> None:
        super().__init__(num_classes)
        if variant not in VARIANTS:
            raise ValueError(f"there is no variant {variant!r} of mask_rcnn: {suggest(variant, VARIANTS)}")
        if len(anchors) != len(STRIDES) + 1 or min(anchors) <= 0:
            raise ValueError(f"anchors are {tuple(anchors)}: give {len(STRIDES) + 1} sides in pixels, one a level")
        if regions < 1:
            raise ValueError(f"regions is {regions}: at least one must learn from an image")
        self.choices = choices = replace(VARIANTS[variant], regions_sampled=regions)
        self.backbone = Backbone(backbone or "resnet50")
        self.places = _places(self.backbone)
        self.normalize = self.backbone.normalize()
        if choices.caffe:
            self.normalize = Normalize((103.53, 116.28, 123.675), (1.0, 1.0, 1.0), scale=255.0, bgr=True)
            if is_resnet(self.backbone.net):
                stride_in_first_convolution(self.backbone.net)
        for layer in self.backbone.modules():
            if choices.frozen_exactly and isinstance(layer, nn.BatchNorm2d):
                layer.eps = torch.finfo(torch.float32).tiny  # some versions of torch refuse 0
        channels = [self.backbone.channels[place] for place in self.places]
        self.fpn = FPN(channels, width, norm=choices.mask_norm, pooled=1)
        self.proposals = ProposalNetwork(width, anchors, choices)
        self.boxes = BoxBranch(width, num_classes, choices)
        self.masks = MaskBranch(width, 1 if class_agnostic else num_classes, choices)

    def forward(self, images: Tensor) -> RegionOutputs:
        """(B, 3, H, W) of any size → the levels of the pyramid, and what the proposal network says of them."""
        x = pad_to(self.normalize(images), STRIDES[-1])  # (B, 3, H', W')
        x = x.contiguous(memory_format=torch.channels_last)  # faster everywhere
        maps = self.backbone(x)  # (B, D, ⌈H / stride⌉, ⌈W / stride⌉) each
        levels = self.fpn([maps[place] for place in self.places])  # (B, width, h, w) each, P2 to P6
        logits, deltas = self.proposals(levels)  # (B, 3, h, w), (B, 12, h, w) each
        return RegionOutputs(tuple(levels), tuple(logits), tuple(deltas))

    def loss(self, outputs: RegionOutputs, truths: Sequence[Segmentation]) -> dict[str, Tensor]:
        """Section 3: L_cls + L_box + L_mask of regions that are drawn, and the two losses of the proposal network."""
        levels, logits, deltas = _plain(outputs)
        wanted = [objects(truth) for truth in truths]
        scored, placed = self.proposals.loss(logits, deltas, wanted)
        sizes = [truth.size for truth in truths]
        proposals = self.proposals.propose(logits, deltas, sizes, self.choices.before, self.choices.after)
        regions = self.boxes.draw(proposals, wanted)
        scores, steps = self.boxes(levels[:-1], regions.boxes)
        classes, boxes = self.boxes.loss(scores, steps, regions, wanted)
        positive = [b[y > 0] for b, y in zip(regions.boxes, regions.labels, strict=True)]
        labels = torch.cat(regions.labels)
        found = self.masks(levels[:-1], positive, labels[labels > 0])
        targets = self.masks.targets(regions, wanted)
        masks = F.binary_cross_entropy_with_logits(found, targets, reduction="sum") / max(1, targets.numel())
        return {"objectness": scored, "proposals": placed, "classes": classes, "boxes": boxes, "masks": masks}

    @torch.no_grad()
    def detect(self, outputs: RegionOutputs, sizes: Sequence[Size]) -> list[Found]:
        """Section 3.1: the boxes, at most `max_detections` of each image.

        Args:
            outputs: of `forward`.
            sizes: height and width of each image within the batch.
        """
        levels, logits, deltas = _plain(outputs)
        proposals = self.proposals.propose(logits, deltas, sizes, 1000, self.choices.after_used)
        scores, steps = self.boxes(levels[:-1], proposals)
        return self.boxes.detect(scores, steps, proposals, sizes, self.score_threshold, self.max_detections)

    @torch.no_grad()
    def paint(self, outputs: RegionOutputs, found: Sequence[Found]) -> list[Tensor]:
        """(N, 28, 28) in [0, 1] for each image: the masks of the boxes that were found."""
        boxes = [f.boxes for f in found]
        logits = self.masks(_plain(outputs).levels[:-1], boxes, torch.cat([f.labels for f in found]))
        return list(logits.sigmoid().split([len(b) for b in boxes]))

    def decode(self, outputs: RegionOutputs, sizes: Sequence[tuple[int, int]]) -> list[Segmentation]:
        """Boxes, then the masks of those boxes, then their pixels in the image."""
        inner = [self.resizing.size(*size) for size in sizes]
        outputs = _plain(outputs)
        found = self.detect(outputs, inner)
        results = []
        for one, soft, (h, w), size in zip(found, self.paint(outputs, found), inner, sizes, strict=True):
            down, across = size[0] / h, size[1] / w
            boxes = one.boxes * one.boxes.new_tensor([across, down, across, down])
            masks = self.pasted(boxes, soft, size)
            results.append(Segmentation(self.classes, one.labels, one.scores, masks=masks))
        return results

    def pasted(self, boxes: Tensor, soft: Tensor, size: Size) -> Masks:
        """(N, 4) boxes and (N, 28, 28) soft masks → the pixels at which the masks are at least 0.5."""
        return paste_masks(soft, boxes, size, whole_pixels=self.choices.whole_pixels)


def _plain(outputs: RegionOutputs) -> RegionOutputs:
    """The same in float32, channel by channel in memory, as RoIAlign wants it; itself if it is so already."""
    return RegionOutputs(*(tuple(x.float().contiguous() for x in part) for part in outputs))


def _places(backbone: Backbone) -> list[int]:
    """Which maps of a network have the strides of the pyramid; the deepest of each stride.

    Raises:
        ValueError: it has not all of them.
    """
    place = {stride: k for k, stride in enumerate(backbone.strides)}
    if missing := [stride for stride in STRIDES if stride not in place]:
        raise ValueError(
            f"backbone {backbone.name!r} has maps of strides {', '.join(map(str, backbone.strides))}, but the pyramid "
            f"needs {', '.join(map(str, missing))} too: choose a network of stages, resnet50 for example"
        )
    return [place[stride] for stride in STRIDES]

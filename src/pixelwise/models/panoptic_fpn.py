"""Panoptic FPN: Mask R-CNN finds the objects, a light branch on the same pyramid says what the rest is.

Kirillov, Girshick, He, Dollár: Panoptic Feature Pyramid Networks. arXiv 1901.02446, 2019.

- Section 3.1 (figure 3; every level of the pyramid to a quarter of the image, summed; a class more, "other", for all
  pixels of objects): `SemanticBranch`.
- Section 3.1, inference: `PanopticFPN.decode`, by the rules of `postprocess.panoptic`.
- Section 3.2 (L = λ_i (L_c + L_b + L_m) + λ_s L_s): `PanopticFPN.loss`, with the λ of detectron2.

The objects are those of `mask_rcnn.py`, whose variants are the variants here; "detectron2" has published weights.

Differs from the paper:
- the class of all objects is the first, as in detectron2;
- the branch has half as many channels as the pyramid: the paper's 128 with its 256.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..classes import VOID, Classes
from ..layers.conv import conv_group_relu
from ..models.mask_rcnn import mask_rcnn_weights as mask_rcnn
from ..ops.resize import resize
from ..postprocess.panoptic_merging import STUFF_AREA, MergeRules
from ..segmentation import Segmentation
from .base import Model
from .mask_rcnn.mask_rcnn import MaskRCNN, RegionOutputs

STRIDE = 4
"""Of the semantic logits."""

INSTANCE_WEIGHT, SEMANTIC_WEIGHT = 1.0, 0.5
"""λ_i and λ_s of section 3.2."""


class PanopticOutputs(NamedTuple):
    """What the model says of a batch before it looks at regions."""

    regions: RegionOutputs  # of Mask R-CNN
    semantic: Tensor  # (B, 1 + S, H / 4, W / 4) logits: objects, and each class of stuff; of the images padded to 32


class SemanticBranch(nn.Module):
    """Figure 3: level k of the pyramid goes through k convolutions, doubled in size after each; the finest through one.

    Args:
        channels: of the pyramid.
        width: of the branch.
        num_classes: those of stuff, and one for objects.
    """

    def __init__(self, channels: int, width: int, num_classes: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.ModuleList(conv_group_relu(width if k else channels, width) for k in range(max(1, level)))
            for level in range(4)
        )
        self.head = nn.Conv2d(width, num_classes, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """P2 to P5, each half as large as the one before → (B, num_classes, h, w), as large as P2."""
        parts = []
        for level, (convs, x) in enumerate(zip(self.levels, maps, strict=True)):
            for conv in convs:  # type: ignore[attr-defined]
                x = conv(x)  # (B, width, h / 2^level, w / 2^level), and twice as large each time
                if level:
                    x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            parts.append(x)  # (B, width, h, w)
        logits: Tensor = self.head(reduce(torch.add, parts))  # (B, num_classes, h, w)
        return logits


class PanopticFPN(Model):
    """Mask R-CNN and a semantic branch on one feature pyramid: stuff and things in one map.

    Ground truths are panoptic: `ids`, and segments of stuff besides the objects. Crowds count as objects for the
    semantic branch, and are neither right nor wrong for the detector.

    Args:
        num_classes: all of them, stuff and things, in the order of the data.
        things: which of them are things, by their index; `pixelwise.create` takes them from the classes.
        backbone, variant, class_agnostic, width, anchors, regions: as `MaskRCNN` describes them.
        stuff_area: a class of stuff that covers fewer pixels of the original image than this is left void; when not
            given 4096, and, but for the variant "detectron2", at most a 75th of the image.

    Attributes:
        score_threshold: objects less sure are left out; a pixel has one meaning, so the unsure would cover what is
            right.
        most_overlap: an object is left out when surer ones cover more than this share of it.
        max_detections: so many of an image are given at most.

    Raises:
        ValueError: nothing is a thing, or what is no class.
    """

    task = "panoptic"
    score_threshold: float = 0.5
    most_overlap: float = 0.5
    max_detections: int = 100

    def __init__(
        self,
        num_classes: int,
        things: Sequence[int],
        backbone: str | None = None,
        variant: str = "aligned",
        class_agnostic: bool = False,
        width: int = 256,
        anchors: Sequence[float] = (32, 64, 128, 256, 512),
        regions: int = 512,
        stuff_area: int | None = None,
    ) -> None:
        super().__init__(num_classes)
        countable = [k in things for k in range(num_classes)]
        if not things or sum(countable) != len(things):
            raise ValueError(f"things are {list(things)}: give the indices of one or more of {num_classes} classes")
        self.stuff_area = STUFF_AREA if stuff_area is None and variant == "detectron2" else stuff_area
        # What objects and stuff are called while they are merged; names of people could mean something there.
        self.classes = replace(self.classes, things=tuple(countable))
        self.numbered = replace(self.classes, names=tuple(map(str, range(num_classes))))
        stuff = [name for name, thing in zip(self.numbered.names, countable, strict=True) if not thing]
        self.semantic_classes = Classes(("things", *stuff))
        self.instance = MaskRCNN(1 + len(things), backbone, variant, class_agnostic, width, anchors, regions)
        self.normalize = self.instance.normalize
        self.semantic = SemanticBranch(width, max(1, width // 2), 1 + len(stuff))
        semantic, instance = torch.full((256,), VOID), torch.zeros(256, dtype=torch.int64)
        semantic[:num_classes] = (~torch.tensor(countable)).cumsum(0).where(~torch.tensor(countable), 0)
        instance[sorted(things)] = torch.arange(1, len(things) + 1)
        self.register_buffer("semantic_labels", semantic, persistent=False)
        self.register_buffer("instance_labels", instance, persistent=False)

    def forward(self, images: Tensor) -> PanopticOutputs:
        """(B, 3, H, W) of any size → what Mask R-CNN says, and (B, 1 + S, h, w) semantic logits."""
        regions = self.instance(images)
        return PanopticOutputs(regions, self.semantic(regions.levels[:-1]))

    def loss(self, outputs: PanopticOutputs, truths: Sequence[Segmentation]) -> dict[str, Tensor]:
        """Section 3.2: the losses of Mask R-CNN, and `semantic`, the mean cross-entropy where there is a class."""
        parts = self.instance.loss(outputs.regions, [self.objects(truth) for truth in truths])
        target = torch.stack([self.semantic_map(truth) for truth in truths])
        logits = self._enlarged(outputs.semantic.float())[..., : target.shape[1], : target.shape[2]]
        total = F.cross_entropy(logits, target, ignore_index=VOID, reduction="sum")
        semantic = total / (target != VOID).sum().clamp(min=1)
        weighted = {name: INSTANCE_WEIGHT * part for name, part in parts.items()}
        return {**weighted, "semantic": SEMANTIC_WEIGHT * semantic}

    def objects(self, truth: Segmentation) -> Segmentation:
        """The things of a ground truth, as Mask R-CNN learns them: class 0 is the background."""
        found = truth.select(self.instance_labels[truth.labels] > 0)  # type: ignore[index]
        labels = self.instance_labels[found.labels]  # type: ignore[index]
        return Segmentation(self.instance.classes, labels, masks=found.as_masks(), crowd=found.crowd)

    def semantic_map(self, truth: Segmentation) -> Tensor:
        """(H, W) int64: 0 for things, 1 and up for the classes of stuff, 255 for void."""
        labels: Tensor = self.semantic_labels[truth.class_map().long()]  # type: ignore[index]
        return labels

    @torch.no_grad()
    def decode(self, outputs: PanopticOutputs, sizes: Sequence[tuple[int, int]]) -> list[Segmentation]:
        """Objects and the probabilities of stuff, both at the size of the original image, and one map of them."""
        instance = self.instance
        instance.resizing, instance.max_detections = self.resizing, self.max_detections
        instance.score_threshold = self.score_threshold - 1e-6  # exactly as sure is sure enough
        things = torch.tensor([k for k, thing in enumerate(self.numbered.things) if thing])
        found = []
        objects = instance.decode(outputs.regions, sizes)
        for one, logits, size in zip(objects, outputs.semantic.float(), sizes, strict=True):
            h, w = self.resizing.size(*size)
            probabilities = resize(self._enlarged(logits[None])[..., :h, :w], size)[0].softmax(0)
            labels = things.to(one.labels.device)[one.labels - 1]
            merged = self.merging(
                probabilities,
                replace(one, classes=self.numbered, labels=labels),
                semantic_classes=self.semantic_classes,
                classes=self.numbered,
            )
            found.append(replace(merged, classes=self.classes))
        return found

    @property
    def merging(self) -> MergeRules:
        """The rules, of what is stated above."""
        return MergeRules(self.score_threshold, self.most_overlap, self.stuff_area)

    @staticmethod
    def _enlarged(logits: Tensor) -> Tensor:
        return F.interpolate(logits, scale_factor=STRIDE, mode="bilinear", align_corners=False)


DETECTRON2 = replace(
    mask_rcnn.DETECTRON2,
    architecture="panoptic_fpn",
    made_by=(
        "pixelwise.create('panoptic_fpn', variant='detectron2', backbone='resnet50' or 'resnet101', classes=…), where "
        "the 133 of COCO are known_classes('coco-panoptic') of pixelwise.data.recognition.known_classes. A "
        "model_final_….pkl is a pickle of NumPy arrays, which is never opened here: where detectron2 is installed, "
        "build the model, load the file with its DetectionCheckpointer and torch.save(model.state_dict(), 'model.pth')"
    ),
    prefixes={
        **{theirs: f"instance.{ours}" for theirs, ours in mask_rcnn.DETECTRON2.prefixes.items()},
        **{
            f"sem_seg_head.p{level + 2}.{2 * k}.{theirs}": f"semantic.levels.{level}.{k}.{ours}"
            for level in range(4)
            for k in range(max(1, level))
            for theirs, ours in {"": "0.", "norm.": "1."}.items()
        },
        "sem_seg_head.predictor.": "semantic.head.",
    },
    changes={f"instance.{ours}": change for ours, change in mask_rcnn.DETECTRON2.changes.items()},
)
"""detectron2's Panoptic FPN of ResNets, as configurations panoptic_fpn_R_… make it."""

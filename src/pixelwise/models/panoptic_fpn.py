"""Panoptic FPN: Mask R-CNN, and a light semantic branch for stuff on the same pyramid.

Kirillov, Girshick, He, Dollár: Panoptic Feature Pyramid Networks. arXiv 1901.02446, 2019.

- Section 3.1 (figure 3; every level of the pyramid is brought to a quarter of the image, and they are summed; there is
  one more class, "other", for all pixels of objects): `SemanticBranch`.
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
from ..ops.rename_table import rows
from ..ops.resize import resize
from ..postprocess.panoptic_merging import STUFF_AREA, MergeRules
from ..segmentation import Segmentation
from .base import Model
from .mask_rcnn import mask_rcnn_weights as mask_rcnn
from .mask_rcnn.faster_rcnn import RATIOS
from .mask_rcnn.mask_rcnn import ANCHORS, REGIONS, MaskRCNN, RegionOutputs

STRIDE = 4
"""Pixels of the image to one of the semantic logits."""

INSTANCE_WEIGHT, SEMANTIC_WEIGHT = 1.0, 0.5
"""λ_i and λ_s of section 3.2."""


class PanopticOutputs(NamedTuple):
    """Outputs of Panoptic FPN for a batch of B images, with S classes of stuff."""

    regions: RegionOutputs  # of Mask R-CNN
    semantic: Tensor  # (B, 1 + S, H / 4, W / 4) logits of the images padded to 32: objects, then each class of stuff


class SemanticBranch(nn.Module):
    """Figure 3: level k of the pyramid passes k convolutions, each followed by upsampling; the finest passes one.

    Args:
        channels: channels of the pyramid.
        width: channels of the branch.
        num_classes: classes of stuff, and one for objects.
    """

    def __init__(self, channels: int, width: int, num_classes: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        for level in range(4):
            convs = [conv_group_relu(channels, width)]
            for _ in range(level - 1):
                convs.append(conv_group_relu(width, width))
            self.levels.append(nn.ModuleList(convs))
        self.head = nn.Conv2d(width, num_classes, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """P2 to P5, each half as large as the one before → (B, num_classes, h, w), as large as P2."""
        maps_of_levels = []
        for level, (convs, x) in enumerate(zip(self.levels, maps, strict=True)):
            for conv in convs:  # type: ignore[attr-defined]
                x = conv(x)  # (B, width, h / 2^level, w / 2^level), and twice as large each time
                if level:
                    x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            maps_of_levels.append(x)  # (B, width, h, w)
        logits: Tensor = self.head(reduce(torch.add, maps_of_levels))  # (B, num_classes, h, w)
        return logits


class PanopticFPN(Model):
    """Mask R-CNN and a semantic branch on one feature pyramid, merged into one map of stuff and things.

    Ground truths are panoptic: `ids`, and segments of stuff besides the objects. The semantic branch learns crowds as
    objects; Mask R-CNN ignores them.

    Args:
        num_classes: all classes, stuff and things, in the order of the data.
        things: indices of the classes that are things; `pixelwise.create` takes them from the classes.
        backbone, variant, class_agnostic, width, anchors, regions, ratios: see `MaskRCNN`.
        stuff_area: a class of stuff that covers fewer pixels of the original image than this is left void; when not
            given 4096, and, but for the variant "detectron2", at most a 75th of the image.

    Attributes:
        score_threshold: objects of lower scores are dropped; a pixel belongs to one segment, so that unlikely objects
            would hide likely ones.
        max_overlap: an object is dropped when objects of higher scores cover more than this share of it.
        max_detections: objects of an image that are kept at most.

    Raises:
        ValueError: `things` is empty or holds something that is no class; or as `MaskRCNN`.
    """

    task = "panoptic"
    score_threshold: float = 0.5
    max_overlap: float = 0.5
    max_detections: int = 100

    def __init__(
        self,
        num_classes: int,
        things: Sequence[int],
        backbone: str | None = None,
        variant: str = "aligned",
        class_agnostic: bool = False,
        width: int = 256,
        anchors: Sequence[float] = ANCHORS,
        regions: int = REGIONS,
        stuff_area: int | None = None,
        ratios: Sequence[float] = RATIOS,
    ) -> None:
        super().__init__(num_classes)
        is_thing = [k in things for k in range(num_classes)]
        if not things or sum(is_thing) != len(things):
            raise ValueError(f"things are {list(things)}: give the indices of one or more of {num_classes} classes")
        self.stuff_area = STUFF_AREA if stuff_area is None and variant == "detectron2" else stuff_area
        self.instance = MaskRCNN(1 + len(things), backbone, variant, class_agnostic, width, anchors, regions, ratios)
        self.normalize = self.instance.normalize
        self._name_classes(is_thing)
        self.semantic = SemanticBranch(width, max(1, width // 2), len(self.semantic_classes))

    def _name_classes(self, is_thing: Sequence[bool]) -> None:
        """Set the classes of the results and of the semantic branch, and the tables from ours to those of the parts."""
        self.classes = replace(self.classes, things=tuple(is_thing))
        # Merging matches classes by name and treats some names specially, so numbers stand for the users' names there.
        self.numbered = replace(self.classes, names=tuple(str(k) for k in range(len(is_thing))))
        self.things = [k for k, thing in enumerate(is_thing) if thing]
        stuff = [k for k, thing in enumerate(is_thing) if not thing]
        self.semantic_classes = Classes(("things", *map(str, stuff)))
        semantic_labels = torch.full((256,), VOID)
        semantic_labels[self.things] = 0
        semantic_labels[stuff] = torch.arange(1, len(stuff) + 1)
        instance_labels = torch.zeros(256, dtype=torch.int64)
        instance_labels[self.things] = torch.arange(1, len(self.things) + 1)
        self.register_buffer("semantic_labels", semantic_labels, persistent=False)
        self.register_buffer("instance_labels", instance_labels, persistent=False)

    def forward(self, images: Tensor) -> PanopticOutputs:
        """(B, 3, H, W) of any size → the outputs of Mask R-CNN, and (B, 1 + S, h, w) semantic logits."""
        regions = self.instance(images)
        return PanopticOutputs(regions, self.semantic(regions.levels[:-1]))

    def loss(self, outputs: PanopticOutputs, truths: Sequence[Segmentation]) -> dict[str, Tensor]:
        """Section 3.2: the losses of Mask R-CNN, and `semantic`, the mean cross-entropy of all pixels but void."""
        parts = self.instance.loss(outputs.regions, [self.objects(truth) for truth in truths])
        target = torch.stack([self.semantic_map(truth) for truth in truths])
        logits = _upsample(outputs.semantic.float())[..., : target.shape[1], : target.shape[2]]
        total = F.cross_entropy(logits, target, ignore_index=VOID, reduction="sum")
        semantic = total / (target != VOID).sum().clamp(min=1)
        weighted = {name: INSTANCE_WEIGHT * part for name, part in parts.items()}
        return {**weighted, "semantic": SEMANTIC_WEIGHT * semantic}

    def objects(self, truth: Segmentation) -> Segmentation:
        """The things of a ground truth, as Mask R-CNN learns them: class 0 is the background."""
        things = truth.select(self.instance_labels[truth.labels] > 0)  # type: ignore[index]
        labels = self.instance_labels[things.labels]  # type: ignore[index]
        return Segmentation(self.instance.classes, labels, masks=things.as_masks(), crowd=things.crowd)

    def semantic_map(self, truth: Segmentation) -> Tensor:
        """(H, W) int64: 0 for things, 1 and up for the classes of stuff, 255 for void."""
        labels: Tensor = self.semantic_labels[truth.class_map().long()]  # type: ignore[index]
        return labels

    @torch.no_grad()
    def decode(self, outputs: PanopticOutputs, sizes: Sequence[tuple[int, int]]) -> list[Segmentation]:
        """Objects and the probabilities of stuff, both at the size of the original image, merged into one map."""
        score_threshold = self.score_threshold - 1e-6  # merging keeps a score that equals it, Mask R-CNN does not
        objects = self.instance.segment(outputs.regions, sizes, self.resizing, score_threshold, self.max_detections)
        results = []
        for instances, logits, size in zip(objects, outputs.semantic.float(), sizes, strict=True):
            height, width = self.resizing.size(*size)
            probabilities = resize(_upsample(logits[None])[..., :height, :width], size)[0].softmax(0)
            labels = torch.tensor(self.things, device=instances.labels.device)[instances.labels - 1]
            merged = self.merging(
                probabilities,
                replace(instances, classes=self.numbered, labels=labels),
                semantic_classes=self.semantic_classes,
                classes=self.numbered,
            )
            results.append(replace(merged, classes=self.classes))
        return results

    @property
    def merging(self) -> MergeRules:
        """The rules by which objects and stuff become one map."""
        return MergeRules(self.score_threshold, self.max_overlap, self.stuff_area)


def _upsample(logits: Tensor) -> Tensor:
    """(B, C, h, w) → (B, C, 4h, 4w), the size of the padded images."""
    return F.interpolate(logits, scale_factor=STRIDE, mode="bilinear", align_corners=False)


def _instance_prefixes() -> dict[str, str]:
    """detectron2's names of its Mask R-CNN."""
    return {theirs: f"instance.{ours}" for theirs, ours in mask_rcnn.DETECTRON2.prefixes.items()}


def _semantic_prefixes() -> dict[str, str]:
    """detectron2's names of its semantic branch; every second of its layers upsamples and has no weights."""
    names = {"sem_seg_head.predictor.": "semantic.head."}
    for level in range(4):
        names |= rows(
            f"sem_seg_head.p{level + 2}.{{k}}.{{norm}}",
            f"semantic.levels.{level}.{{k}}.{{norm}}",
            k={2 * k: k for k in range(max(1, level))},
            norm={"": "0.", "norm.": "1."},
        )
    return names


DETECTRON2 = replace(
    mask_rcnn.DETECTRON2,
    architecture="panoptic_fpn",
    made_by=(
        "pixelwise.create('panoptic_fpn', variant='detectron2', backbone='resnet50' or 'resnet101', classes=…), where "
        "the 133 of COCO are known_classes('coco-panoptic') of pixelwise.data.recognition.known_classes. A "
        "model_final_….pkl is a pickle of NumPy arrays, which is never opened here: where detectron2 is installed, "
        "build the model, load the file with its DetectionCheckpointer and torch.save(model.state_dict(), 'model.pth')"
    ),
    prefixes={**_instance_prefixes(), **_semantic_prefixes()},
    changes={f"instance.{ours}": change for ours, change in mask_rcnn.DETECTRON2.changes.items()},
)
"""detectron2's Panoptic FPN of ResNets, as configurations panoptic_fpn_R_… make it."""

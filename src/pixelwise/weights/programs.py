"""Settings of the programs that weights come from: the size of the image, thresholds, batch normalisation.

Tensors alone do not give the results of the program that they come from. torchvision's Mask R-CNN resizes every image
to a shorter side of 800 pixels; the same weights on the image as it is find other objects. Each layout of
`rename.LAYOUTS` has its settings here, and nowhere else: `load_weights` applies them, and the published checkpoints
take their resizing from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..layers.backbone import Backbone
from ..models.base import Model
from ..ops.resize import Resizing

ResizingRule = Callable[[Mapping[str, Any], int], Resizing | None]
"""Arguments of the constructor, number of classes → the resizing; None where the program does not resize."""

EpsRule = Callable[[Mapping[str, Any]], float | None]
"""The state dict of the other library → the eps of its backbone's batch normalisation; None for the constructor's."""


@dataclass(frozen=True)
class Program:
    """Settings of a program, beside its weights.

    Attributes:
        resizing: the size at which the program shows an image to the model.
        score_threshold: objects with a lower confidence score are dropped.
        max_detections: number of objects kept per image.
        eps: of the batch normalisation of the backbone, where the weights decide it.
        hint: a setting that the weights do not tell, for the user to check.
    """

    resizing: ResizingRule
    score_threshold: float | None = None
    max_detections: int | None = None
    eps: EpsRule | None = None
    hint: str = ""


@dataclass(frozen=True)
class Settings:
    """Settings that the caller states, which win over those of the program; None for the program's.

    Attributes:
        resizing: as `Model.resizing`.
        score_threshold, max_detections: as `InstanceModel` has them.
        batch_norm_eps: of the batch normalisation of the backbone.

    Raises:
        ValueError: a setting is out of its range.
    """

    resizing: Resizing | None = None
    score_threshold: float | None = None
    max_detections: int | None = None
    batch_norm_eps: float | None = None

    def __post_init__(self) -> None:
        if self.score_threshold is not None and not 0 <= self.score_threshold <= 1:
            raise ValueError(f"score_threshold is {self.score_threshold}: it is a confidence score, 0 to 1")
        if self.max_detections is not None and self.max_detections < 1:
            raise ValueError(f"max_detections is {self.max_detections}: at least one object must be kept")
        if self.batch_norm_eps is not None and self.batch_norm_eps <= 0:
            raise ValueError(f"batch_norm_eps is {self.batch_norm_eps}: it must be above 0, 1e-5 for example")

    def check_model(self, model: Model) -> None:
        """Check that a model has the settings that are stated.

        Raises:
            ValueError: a setting of object detection is stated for a model that detects no objects.
        """
        for name in ("score_threshold", "max_detections"):
            value = getattr(self, name)
            if value is not None and getattr(model, name, None) is None:
                raise ValueError(f"{name} is {value}, but {model.method} detects no objects: leave it out")


COCO = Resizing(short_side=800, long_side=1333)
"""Images of COCO in torchvision, detectron2, mmdetection and SOLO."""


def _coco(arguments: Mapping[str, Any], num_classes: int) -> Resizing:
    return COCO


def _short_520(arguments: Mapping[str, Any], num_classes: int) -> Resizing:
    """torchvision's segmentation weights: `SemanticSegmentation(resize_size=520)`."""
    return Resizing(short_side=520)


def _as_they_are(arguments: Mapping[str, Any], num_classes: int) -> None:
    return None


def _semseg(arguments: Mapping[str, Any], num_classes: int) -> Resizing | None:
    """`base_size` of semseg's configurations, told apart by the number of classes.

    It is 512 for the 150 classes of ADE20K and the 21 of VOC, and 2048, which is the size of the images, for the 19 of
    Cityscapes. Configurations of one's own have one of their own.
    """
    return Resizing(long_side=512) if num_classes in (150, 21) else None


def _yolact(arguments: Mapping[str, Any], num_classes: int) -> Resizing:
    """`max_size` of YOLACT's configurations, whatever the aspect ratio: the size that the anchors are made for."""
    return Resizing(square=arguments.get("size", 550))


def _decoupled_solo(arguments: Mapping[str, Any], num_classes: int) -> Resizing:
    """`test_pipeline` of the configurations; the light one is the one whose towers share their convolutions."""
    return Resizing(short_side=512, long_side=852) if arguments.get("shared") else COCO


def _solov2(arguments: Mapping[str, Any], num_classes: int) -> Resizing:
    """`test_pipeline` of the configurations; the light ones have a width of 256 instead of 512."""
    return Resizing(short_side=448, long_side=768) if arguments.get("width", 512) <= 256 else COCO


def _eps_of_trainable_norms(theirs: Mapping[str, Any]) -> float | None:
    """PyTorch's eps where torchvision's backbone has trainable batch normalisation, which counts its batches.

    Frozen normalisation has no counters. Its eps is 0 for the published weights, which the constructor sets.
    """
    counted = any(key.startswith("backbone.body.") and key.endswith(".num_batches_tracked") for key in theirs)
    return 1e-5 if counted else None


_TORCHVISION_EPS = (
    "batch_norm_eps: 0 in the backbone, as torchvision sets it for its published COCO weights; if training began from "
    "the ImageNet backbone alone, give batch_norm_eps=1e-5"
)

_SOLOS = {
    "solo": Program(_coco, score_threshold=0.05, max_detections=100),
    "decoupled_solo": Program(_decoupled_solo, score_threshold=0.05, max_detections=100),
    "solov2": Program(_solov2, score_threshold=0.05, max_detections=100),
}
_UNSIZED = Program(_as_they_are)

PROGRAMS: dict[str, dict[str, Program]] = {
    "detectron2": {
        "mask_rcnn": Program(_coco, score_threshold=0.05, max_detections=100),
        "panoptic_fpn": Program(_coco, score_threshold=0.5, max_detections=100),
    },
    "kazuto1011": {"deeplabv2": _UNSIZED},
    "milesial": {"unet_padded": _UNSIZED},
    "mmdet": _SOLOS,
    "semseg": {"pspnet": Program(_semseg)},
    "smp": dict.fromkeys(("deeplabv3", "deeplabv3plus", "pspnet", "unet"), _UNSIZED),
    "solo": _SOLOS,
    "torchvision": {
        "deeplabv3": Program(_short_520),
        "fcn_resnet": Program(_short_520),
        "mask_rcnn": Program(
            _coco, score_threshold=0.05, max_detections=100, eps=_eps_of_trainable_norms, hint=_TORCHVISION_EPS
        ),
    },
    "vainf": {"deeplabv3": _UNSIZED, "deeplabv3plus": _UNSIZED},
    "wkentaro": dict.fromkeys(("fcn32s", "fcn16s", "fcn8s"), _UNSIZED),
    "yolact": {"yolact": Program(_yolact, score_threshold=0.0, max_detections=100)},
}
"""Layout → our model → the settings of the program whose names its tensors have."""


def apply_program(model: Model, layout: str, theirs: Mapping[str, Any], stated: Settings) -> tuple[str, ...]:
    """Set up a model as the program that its weights come from does.

    A setting that is stated by the caller wins, and so does one that the caller has changed on the model before.

    Args:
        model: filled with the weights; its resizing, thresholds and eps are changed.
        layout: a key of `PROGRAMS`.
        theirs: the state dict of the other library.
        stated: what the caller states.

    Returns:
        A sentence for each setting that is not what the constructor made it.
    """
    program = PROGRAMS[layout][model.architecture]
    notes = [
        _set_resizing(model, layout, program, stated.resizing),
        _set_number(model, "score_threshold", layout, program.score_threshold, stated.score_threshold),
        _set_number(model, "max_detections", layout, program.max_detections, stated.max_detections),
        _set_eps(model, program, theirs, stated.batch_norm_eps),
    ]
    return tuple(note for note in notes if note)


def backbone_norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    """The layers of batch normalisation in the backbones of a model."""
    backbones = [module for module in model.modules() if isinstance(module, Backbone)]
    return [layer for backbone in backbones for layer in backbone.modules() if isinstance(layer, nn.BatchNorm2d)]


def set_backbone_eps(model: nn.Module, eps: float) -> None:
    """Change the eps of the batch normalisation in the backbones of a model."""
    for layer in backbone_norms(model):
        layer.eps = eps


def _set_resizing(model: Model, layout: str, program: Program, stated: Resizing | None) -> str:
    usual = program.resizing(model.arguments, len(model.classes))
    before = model.resizing
    if stated is not None:
        model.resizing = stated
    elif before == Resizing() and usual is not None:
        model.resizing = usual
        return f"resizing: images are resized to {_sides(usual)}, as {layout}'s program does"
    if usual is None or model.resizing == usual:
        return ""
    return f"resizing: images are {_resized(model.resizing)}, as you set it; {layout}'s program: {_sides(usual)}"


def _set_number(model: Model, name: str, layout: str, usual: float | None, stated: float | None) -> str:
    """Set `score_threshold` or `max_detections`; one that the caller has set on this model before is kept."""
    if usual is None and stated is None:
        return ""
    before = getattr(model, name)
    if stated is not None:
        setattr(model, name, stated)
    elif name not in vars(model) and before != usual:
        setattr(model, name, usual)
        return f"{name}: {usual}, as in {layout}'s program"
    now = getattr(model, name)
    return "" if now == usual else f"{name}: {now}, as you set it; {layout}'s program: {usual}"


def _set_eps(model: Model, program: Program, theirs: Mapping[str, Any], stated: float | None) -> str:
    if stated is not None:
        set_backbone_eps(model, stated)
        return ""
    eps = program.eps(theirs) if program.eps else None
    if eps is None:
        return program.hint
    if all(layer.eps == eps for layer in backbone_norms(model)):
        return ""
    set_backbone_eps(model, eps)
    return f"batch_norm_eps: {eps:g} in the backbone, since the weights are those of trainable batch normalisation"


def _resized(resizing: Resizing) -> str:
    return "shown as they are" if resizing == Resizing() else f"resized to {_sides(resizing)}"


def _sides(resizing: Resizing) -> str:
    """A resizing in words: "a shorter side of 800 and a longer side of at most 1333 pixels"."""
    if resizing.square:
        return f"{resizing.square}x{resizing.square} pixels"
    sides = []
    if resizing.short_side:
        sides.append(f"a shorter side of {resizing.short_side}")
    if resizing.long_side:
        sides.append(f"a longer side of at most {resizing.long_side}")
    return " and ".join(sides) + " pixels"

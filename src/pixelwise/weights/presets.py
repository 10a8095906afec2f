"""Models by name."""

from __future__ import annotations

import inspect
import os
from typing import Any

from ..classes import Classes
from ..layers.backbone import Backbone
from ..models import MODELS
from ..models.base import SemanticModel
from ..ops.names import nearest
from .backbone import load_pretrained


def create(
    name: str,
    *,
    num_classes: int | None = None,
    classes: Classes | None = None,
    backbone: str | None = None,
    pretrained: bool | str | os.PathLike[str] = False,
    **arguments: Any,
) -> SemanticModel:
    """A model with random weights; those of the backbone come from ImageNet when asked for.

    Args:
        name: one of `pixelwise.models.MODELS`.
        num_classes: how many classes, background included; not needed when `classes` says it.
        classes: what they are; `class 0`, `class 1`, … when not given.
        backbone: name of an encoder of timm, for methods that have one.
        pretrained: whether to fill the backbone with its ImageNet weights; or a file of them in timm's layout.
        arguments: of the method's own constructor, by name.

    Raises:
        ValueError: for a name, backbone or argument that does not exist (the nearest are named), for classes that are
            not given or contradict each other, for `pretrained` without a backbone.
        OSError: the ImageNet weights cannot be had; says which file to bring.
    """
    if name not in MODELS:
        raise ValueError(f"there is no model {name!r}: {nearest(name, MODELS)}")
    if classes is None:
        if num_classes is None:
            raise ValueError(f"how many classes has {name}? give num_classes=2, or classes=Classes((…))")
        classes = Classes.numbered(num_classes)
    elif num_classes not in (None, len(classes)):
        raise ValueError(f"num_classes is {num_classes}, but {len(classes)} classes are given: leave one of them out")
    accepted = [key for key in inspect.signature(MODELS[name]).parameters if key != "num_classes"]
    given = arguments if backbone is None else {"backbone": backbone, **arguments}
    for key in given:
        if key not in accepted:
            raise ValueError(f"{name} has no argument {key!r}: {nearest(key, accepted)}")
    model = MODELS[name](len(classes), **given)
    model.classes, model.architecture, model.arguments = classes, name, given
    if pretrained:
        backbones = [module for module in model.modules() if isinstance(module, Backbone)]
        if not backbones:
            raise ValueError(f"{name} has no backbone here, so nothing to fill: give backbone=…, or pretrained=False")
        for module in backbones:
            load_pretrained(module, pretrained)
    return model

"""Models by name: new ones, and published ones."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from ..classes import Classes
from ..data.recognition.known_classes import known_classes
from ..data.records import few
from ..layers.backbone import Backbone
from ..layers.group import group_norms
from ..layers.vgg import VGG16
from ..models import MODELS
from ..models.base import Model
from ..ops.names import suggest
from .download import obtain
from .imagenet import load_pretrained
from .published import PRESETS
from .rename import load_weights


def create(
    name: str,
    *,
    num_classes: int | None = None,
    classes: Classes | None = None,
    backbone: str | None = None,
    pretrained: bool | str | os.PathLike[str] = False,
    norm: Literal["batch", "group"] = "batch",
    **arguments: Any,
) -> Model:
    """A model with random weights (those of the backbone from ImageNet when asked for), or a published one.

    Args:
        name: one of `pixelwise.models.MODELS`; or a published checkpoint, "deeplabv3_resnet50.torchvision-coco-voc" for
            example (`pixelwise models` lists them), which is downloaded once and comes in `eval()`, whole: nothing else
            is given then.
        num_classes: how many classes, background included; not needed when `classes` says it.
        classes: what they are; `class 0`, `class 1`, … when not given. Their `things` are those of a panoptic method.
        backbone: name of an encoder of timm, for methods that have one.
        pretrained: whether to fill the backbone with its ImageNet weights; or a file of them in timm's layout.
        norm: "group" for group instead of batch normalisation outside the backbone; stands among the arguments then.
        arguments: of the method's own constructor, by name.

    Raises:
        ValueError: for a name, backbone or argument that does not exist (the nearest are named), for classes that are
            not given or contradict each other, for `pretrained` without a backbone.
        OSError: the weights cannot be had; says which file to bring, and where to.
    """
    if "." in name:
        options = {"num_classes": num_classes, "classes": classes, "backbone": backbone, **arguments}
        return published(name, [key for key, value in options.items() if value is not None])
    if name not in MODELS:
        raise ValueError(f"there is no model {name!r}: {suggest(name, MODELS)}")
    if classes is None:
        if num_classes is None:
            raise ValueError(f"how many classes has {name}? give num_classes=2, or classes=Classes((…))")
        classes = Classes.numbered(num_classes)
    elif num_classes not in (None, len(classes)):
        raise ValueError(f"num_classes is {num_classes}, but {len(classes)} classes are given: leave one of them out")
    parameters = inspect.signature(MODELS[name]).parameters
    accepted = [key for key in parameters if key != "num_classes"]
    given = arguments if backbone is None else {"backbone": backbone, **arguments}
    for key in given:
        if key not in accepted:
            raise ValueError(f"{name} has no argument {key!r}: {suggest(key, accepted)}")
        _check_kind(f"the argument {key} of {name}", given[key], parameters[key].default)
    if "things" in accepted:
        classes, given = _countable(name, classes, given)
    model = MODELS[name](len(classes), **given)
    if norm == "group":
        group_norms(model)
        given = {**given, "norm": norm}
    model.classes, model.architecture, model.arguments = classes, name, given
    if pretrained and not fill_backbones(model, pretrained):
        raise ValueError(f"{name} has no backbone here, so nothing to fill: give backbone=…, or pretrained=False")
    return model


def _check_kind(what: str, given: Any, default: Any) -> None:
    """Whether a value is of the kind of an argument's default: a flag, a number, a list or text."""
    kinds: tuple[tuple[type | tuple[type, ...], type | tuple[type, ...], str], ...] = (
        (bool, bool, "true or false"),
        (int, (int, float), "a number"),
        ((list, tuple), (list, tuple), "a list, such as [1,2,3]"),
        (str, str, "text"),
    )
    for kind, fine, said in kinds:
        if isinstance(default, kind):
            if not isinstance(given, fine) or (isinstance(given, bool) and not isinstance(default, bool)):
                raise ValueError(f"{what} is {given!r}: it must be {said}")
            return


def _countable(name: str, classes: Classes, given: dict[str, Any]) -> tuple[Classes, dict[str, Any]]:
    """The classes of a panoptic method, with their things, and its arguments, with the `things` among them."""
    known = [k for k, thing in enumerate(classes.things) if thing and k != classes.background]
    things = given.get("things", known)
    if not things:
        raise ValueError(
            f"{name} tells things, which can be counted, from stuff, but none of the classes ({few(classes.names)}) "
            "is a thing: take panoptic data, or say which are: things=…, their indices"
        )
    if known and sorted(things) != known:
        raise ValueError(f"things are {list(things)}, but of the classes given {known} are: leave one of them out")
    flags = tuple(k in things for k in range(len(classes)))
    return replace(classes, things=flags), {**given, "things": list(things)}


def fill_backbones(model: Model, source: str | os.PathLike[str] | Literal[True] = True) -> bool:
    """Fill the backbones of a model with ImageNet weights, as `load_pretrained` does; whether it has any.

    Raises:
        ValueError: the weights were learnt on pixels normalised in another way than the model does it.
    """
    backbones = [module for module in model.modules() if isinstance(module, Backbone | VGG16)]
    for module in backbones:
        if module.normalize().to_dict() != model.normalize.to_dict():
            raise ValueError(
                f"{model.method} gives its own backbone pixels that ImageNet weights have not learnt from: "
                "name a backbone of timm (resnet101), or begin without ImageNet (pretrained: none)"
            )
        load_pretrained(module, source)
    return bool(backbones)


def published(name: str, given: Sequence[str] = ()) -> Model:
    """The model of a published checkpoint, in `eval()`; `given` are the arguments that it leaves no room for."""
    if name not in PRESETS:
        raise ValueError(f"no checkpoint {name!r} is known: {suggest(name, PRESETS)}")
    if given:
        raise ValueError(
            f"{name} is a finished model, so {', '.join(given)} cannot be chosen: leave that out; to train its weights "
            f"on other classes, give it to a training as weights: {name}"
        )
    preset = PRESETS[name]
    path = obtain(preset)
    classes = known_classes(preset.classes)
    if MODELS[preset.model].task == "instance":
        classes = replace(classes, things=tuple(k != classes.background for k in range(len(classes))))
    model = create(preset.model, classes=classes, **preset.arguments)
    load_weights(model, path, preset.layout)
    model.resizing = preset.resizing
    return model.eval()

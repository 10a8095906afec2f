"""Making models by name: new ones with random weights, and published checkpoints."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from ..classes import Classes
from ..data.recognition.known_classes import known_classes
from ..layers.backbone import Backbone
from ..layers.group import group_norms
from ..layers.vgg import VGG16
from ..models import MODELS
from ..models.base import Model
from ..ops.names import suggest
from ..ops.phrases import few
from .download import obtain
from .imagenet import load_pretrained
from .published import PRESETS
from .registration import construct
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
    """Make a model with random weights, or download a published one.

    Args:
        name: a method, one of `pixelwise.models.MODELS` (your own classes too, once they are registered, see
            `pixelwise.register`); or a published checkpoint such as "deeplabv3_resnet50.torchvision-coco-voc"
            (`pixelwise models` lists them), which is downloaded once and returned complete, in `eval()`: no other
            argument is allowed with it.
        num_classes: number of classes, background included; not needed together with `classes`.
        classes: the names, colours and things of the classes; `class 0`, `class 1`, … when not given. A panoptic
            method takes its things from them.
        backbone: name of a timm encoder, for the methods that have one.
        pretrained: whether to load ImageNet weights into the backbone; or a file of such weights in timm's layout.
        norm: "group" replaces batch normalisation outside the backbone by group normalisation, and is recorded among
            the arguments.
        arguments: further arguments of the method's constructor.

    Raises:
        ValueError: the name, backbone or an argument does not exist (similar ones are suggested), the classes are
            missing or contradictory, or `pretrained` is given for a model without a backbone.
        OSError: the weights cannot be downloaded; says which file to bring, and where to put it.

    >>> model = pixelwise.create("unet", backbone="resnet34", num_classes=3)  # doctest: +SKIP
    """
    if "." in name and ":" not in name:  # file.py:Class names no checkpoint
        options = {"num_classes": num_classes, "classes": classes, "backbone": backbone, **arguments}
        return published(name, [key for key, value in options.items() if value is not None])
    if name not in MODELS:
        raise ValueError(_unknown_model(name))
    classes = _resolve_classes(name, num_classes, classes)
    given = arguments if backbone is None else {"backbone": backbone, **arguments}
    _check_arguments(name, given)
    if "things" in inspect.signature(MODELS[name]).parameters:
        classes, given = _with_things(name, classes, given)
    model = construct(name, classes=classes, **given)
    if norm == "group":
        group_norms(model)
        given = {**given, "norm": norm}
    model.classes, model.architecture, model.arguments = classes, name, given
    if pretrained and not fill_backbones(model, pretrained):
        raise ValueError(f"{name} has no backbone here to fill: give backbone=…, or pretrained=False")
    return model


def _unknown_model(name: str) -> str:
    if ":" in name:
        return (
            f"{name} names a class in a file, which is executed only when the command line says so (--model {name}): "
            "in Python, import the class and call pixelwise.register(name, Class) first"
        )
    return f"there is no model {name!r}: {suggest(name, MODELS)}"


def _resolve_classes(name: str, num_classes: int | None, classes: Classes | None) -> Classes:
    """The classes that were given, or numbered ones."""
    if classes is None and num_classes is None:
        raise ValueError(f"the number of classes of {name} is missing: give num_classes=2, or classes=Classes((…))")
    if classes is None:
        assert num_classes is not None
        return Classes.numbered(num_classes)
    if num_classes not in (None, len(classes)):
        raise ValueError(f"num_classes is {num_classes}, but {len(classes)} classes are given: leave one of them out")
    return classes


def _check_arguments(name: str, given: Mapping[str, Any]) -> None:
    """Check the names of a constructor's arguments, and their types against those of the defaults."""
    parameters = inspect.signature(MODELS[name]).parameters
    accepted = [key for key in parameters if key not in ("num_classes", "classes")]
    for key, value in given.items():
        if key not in accepted:
            raise ValueError(f"{name} has no argument {key!r}: {suggest(key, accepted)}")
        _check_type(f"the argument {key} of {name}", value, parameters[key].default)


def _check_type(what: str, value: Any, default: Any) -> None:
    """Check that a value is a flag, a number, a list or text where the default of its argument is one."""
    types: tuple[tuple[type | tuple[type, ...], type | tuple[type, ...], str], ...] = (
        (bool, bool, "true or false"),
        (int, (int, float), "a number"),
        ((list, tuple), (list, tuple), "a list, such as [1,2,3]"),
        (str, str, "text"),
    )
    for of_default, allowed, description in types:
        if isinstance(default, of_default):
            # Python counts True as the number 1; here it is not one.
            misplaced_flag = isinstance(value, bool) and not isinstance(default, bool)
            if misplaced_flag or not isinstance(value, allowed):
                raise ValueError(f"{what} is {value!r}: it must be {description}")
            return


def _with_things(name: str, classes: Classes, given: dict[str, Any]) -> tuple[Classes, dict[str, Any]]:
    """Agree on the things of a panoptic method: the classes with their things, the arguments with `things`."""
    known = [k for k, thing in enumerate(classes.things) if thing and k != classes.background]
    things = given.get("things", known)
    if not things:
        raise ValueError(
            f"{name} distinguishes countable things from stuff, but none of the classes ({few(classes.names)}) is a "
            "thing: use panoptic data, or give the indices of the things as things=…"
        )
    if known and sorted(things) != known:
        raise ValueError(f"things is {list(things)}, but those of the given classes are {known}: leave one of them out")
    flags = tuple(k in things for k in range(len(classes)))
    return replace(classes, things=flags), {**given, "things": list(things)}


def fill_backbones(model: Model, source: str | os.PathLike[str] | Literal[True] = True) -> bool:
    """Load ImageNet weights into the backbones of a model.

    Args:
        model: any.
        source: True, or a file, as `load_pretrained` takes it.

    Returns:
        Whether the model has a backbone.

    Raises:
        ValueError: the weights were learnt on pixels that are normalised in another way than the model does it.
        OSError: the weights cannot be downloaded.
    """
    backbones = [module for module in model.modules() if isinstance(module, Backbone | VGG16)]
    for module in backbones:
        if module.normalize().to_dict() != model.normalize.to_dict():
            raise ValueError(
                f"{model.method} normalises pixels in another way than its backbone's ImageNet weights expect: choose "
                "a backbone of timm (resnet101), or train without ImageNet weights (pretrained: none)"
            )
        load_pretrained(module, source)
    return bool(backbones)


def published(name: str, given: Sequence[str] = ()) -> Model:
    """Make the model of a published checkpoint and load its weights, in `eval()`.

    Args:
        name: a key of `PRESETS`.
        given: names of arguments that the caller gave beside the name; none is allowed.

    Raises:
        ValueError: there is no such checkpoint, or an argument is given with it.
        OSError: the weights cannot be downloaded; says which file to bring, and where to put it.
    """
    if name not in PRESETS:
        raise ValueError(f"there is no published checkpoint {name!r}: {suggest(name, PRESETS)}")
    if given:
        raise ValueError(
            f"{name} is a complete model, so {', '.join(given)} cannot be chosen: leave that out; to fine-tune it on "
            f"other classes, train with weights: {name}"
        )
    preset = PRESETS[name]
    path = obtain(preset)
    classes = MODELS[preset.model].adapt_classes(known_classes(preset.classes))
    model = create(preset.model, classes=classes, **preset.arguments)
    load_weights(model, path, preset.layout, resizing=preset.resizing)
    return model.eval()

"""A file of somebody else's weights → a checkpoint of ours."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..classes import Classes
from ..models import MODELS
from .checkpoint import save
from .creation import create
from .rename import fitting, load_weights, whose
from .tensor_files import read_state_dict


def convert(
    source: str | os.PathLike[str],
    layout: str,
    model: str,
    out: str | os.PathLike[str],
    *,
    classes: Classes | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Write another library's weights as a checkpoint that `pixelwise.load` reads.

    Args:
        source: their file: safetensors, or a state dict of PyTorch, wrapped or not.
        layout: whose names the tensors have, a key of `weights.rename.LAYOUTS`.
        model: the method, as `pixelwise.create` calls it.
        out: the checkpoint, `model.safetensors` for example.
        classes: what the outputs mean, in their order; numbered, as many as the weights have, when not given. Panoptic
            methods need them, with their things.
        arguments: of the method's constructor, the backbone too.

    Returns:
        Each entry of theirs that is not used, with the reason.

    Raises:
        FileNotFoundError: the source is not there.
        ValueError: for an unknown layout or model, for a panoptic one without classes, and for each tensor without a
            place, not filled or of another shape.
    """
    if Path(source).resolve() == Path(out).resolve():
        raise ValueError(f"{source} would be overwritten by its own conversion: write to another file")
    theirs = read_state_dict(source)
    given = dict(arguments or {})
    tells_things = model in MODELS and "things" in inspect.signature(MODELS[model]).parameters
    if tells_things and classes is None:
        raise ValueError(
            f"{model} tells things from stuff, and its weights do not say which classes are which: give the classes "
            "with their things, as those of COCO, coco-panoptic"
        )
    with whose(theirs, os.fspath(source), model, layout):
        number = len(classes) if classes and tells_things else count_classes(theirs, layout, model, given)
    if number == 1:
        raise ValueError(
            f"{os.fspath(source)} has one output, the sigmoid of one class against everything else: models here choose "
            "among two classes or more, so it cannot be converted"
        )
    classes = classes or Classes.numbered(number)
    made = create(model, classes=classes, **given)
    with whose(theirs, os.fspath(source), model, layout):
        unused = load_weights(made, theirs, layout)
    save(made, out, {"converted": {"from": Path(source).name, "layout": layout}})
    return unused


def count_classes(theirs: Mapping[str, Any], layout: str, model: str, arguments: Mapping[str, Any]) -> int:
    """How many classes weights have, from a length that differs between models of two and of three classes.

    Raises:
        ValueError: nothing in them depends on it.
    """
    with torch.device("meta"):
        two, three = (create(model, num_classes=number, **arguments) for number in (2, 3))
    table, shapes = fitting(two, layout), {name: value.shape for name, value in three.state_dict().items()}
    for key, tensor in theirs.items():
        name = table.ours(key)
        if name in shapes and tensor.ndim == len(shapes[name]):
            lengths = table.changed(name, tensor).shape
            for length, a, b in zip(lengths, two.state_dict()[name].shape, shapes[name], strict=True):
                if a != b:
                    return 2 + (int(length) - int(a)) // int(b - a)
    raise ValueError(f"no tensor tells how many classes there are. These weights fit {table.made_by}")

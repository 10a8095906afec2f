"""A weights file of another library → a checkpoint of ours."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..classes import Classes
from ..models import MODELS
from ..ops.resize import Resizing
from .checkpoint import save
from .creation import create
from .rename import LoadedWeights, find_table, load_weights, naming_file
from .tensor_files import read_state_dict


def convert(
    source: str | os.PathLike[str],
    layout: str,
    model: str,
    out: str | os.PathLike[str],
    *,
    classes: Classes | None = None,
    arguments: Mapping[str, Any] | None = None,
    resizing: Resizing | None = None,
) -> LoadedWeights:
    """Write another library's weights as a checkpoint that `pixelwise.load` reads.

    The checkpoint gives the results of the program that the weights come from: it records the program's resizing,
    score threshold and number of detections too.

    Args:
        source: their file: safetensors, or a state dict of PyTorch, wrapped or not.
        layout: whose names the tensors have, a key of `weights.rename.LAYOUTS`.
        model: the method, as `pixelwise.create` calls it.
        out: the checkpoint, `model.safetensors` for example.
        classes: the classes of the outputs, in their order; when not given, as many numbered ones as the weights have.
            Panoptic methods need them, with their things.
        arguments: further arguments of the method's constructor, the backbone among them.
        resizing: the size at which the model sees images, instead of that of the weights' program; `Resizing()` leaves
            them as they are.

    Returns:
        The entries of the file that are not used, with reasons, and notes on the settings of the model.

    Raises:
        FileNotFoundError: the source does not exist.
        ValueError: the layout or the model is unknown, a panoptic one has no classes, `out` is the source, or a tensor
            has no place, is not filled or has another shape.
    """
    name = os.fspath(source)
    if Path(source).resolve() == Path(out).resolve():
        raise ValueError(f"{source} would be overwritten by its own conversion: write to another file")
    theirs = read_state_dict(source)
    given = dict(arguments or {})
    is_panoptic = model in MODELS and "things" in inspect.signature(MODELS[model]).parameters
    if is_panoptic and classes is None:
        raise ValueError(
            f"{model} distinguishes things from stuff, which its weights do not tell: give the classes with "
            "their things, such as coco-panoptic"
        )
    if classes is None or not is_panoptic:
        with naming_file(theirs, name, model, layout):
            number = count_classes(theirs, layout, model, given)
        if number == 1:
            raise ValueError(
                f"{name} has a single output, the sigmoid of one class against everything else: pixelwise needs "
                "an output for each of two classes or more, so it cannot be converted"
            )
        classes = classes or Classes.numbered(number)
    made = create(model, classes=classes, **given)
    with naming_file(theirs, name, model, layout):
        loaded = load_weights(made, theirs, layout, resizing=resizing)
    save(made, out, {"converted": {"from": Path(source).name, "layout": layout}})
    return loaded


def count_classes(theirs: Mapping[str, Any], layout: str, model: str, arguments: Mapping[str, Any]) -> int:
    """Number of classes of a state dict, from a tensor whose shape depends on it.

    Such a tensor is found by making the model for two and for three classes, without memory behind its tensors.

    Args:
        theirs: the state dict of the other library.
        layout: whose names it has.
        model: the method.
        arguments: of its constructor.

    Raises:
        ValueError: no tensor depends on the number of classes.
    """
    with torch.device("meta"):
        two = create(model, num_classes=2, **arguments)
        three = create(model, num_classes=3, **arguments)
    table = find_table(two, layout)
    shapes_of_two = {name: value.shape for name, value in two.state_dict().items()}
    shapes_of_three = {name: value.shape for name, value in three.state_dict().items()}
    for key, tensor in theirs.items():
        name = table.ours(key)
        if name not in shapes_of_two or tensor.ndim != len(shapes_of_two[name]):
            continue
        lengths = table.changed(name, tensor).shape
        for length, of_two, of_three in zip(lengths, shapes_of_two[name], shapes_of_three[name], strict=True):
            if of_two != of_three:
                return 2 + (int(length) - int(of_two)) // int(of_three - of_two)
    raise ValueError(f"no tensor depends on the number of classes. These weights fit {table.made_by}")

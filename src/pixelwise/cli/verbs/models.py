"""`pixelwise models`."""

from __future__ import annotations

import dataclasses
import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

from ...console import text_table
from ...ops.names import suggest
from .. import exit_codes, values
from ..checks import check_class_files
from ..flags import add_constructor, add_json, constructor_of
from ..known_names import METHODS, PUBLISHED
from ..model_options import add_register, register_classes

if TYPE_CHECKING:
    from ...models.base import Model
    from ...weights.preset import Preset

SUMMARY = "list the methods and the published checkpoints, or describe one of them"
USAGE = "pixelwise models [NAME] [flags]"
EXAMPLES = (
    "pixelwise models",
    "pixelwise models unet --summary --backbone resnet34 --num-classes 3 --size 512x1024",
)

DEFAULT_CLASSES = 21
"""Classes of a model that is counted: those of Pascal VOC."""


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of the command."""
    name = "method, published checkpoint or checkpoint file (default: list all methods and published checkpoints)"
    parser.add_argument("name", nargs="?", metavar="NAME", help=name)
    summary = "layers, parameters, multiply-adds and receptive field of a published checkpoint, instead of its source"
    parser.add_argument("--summary", action="store_true", help=summary)
    size = "image size to count for: 512, or 512x1024, height first (default: 512)"
    parser.add_argument("--size", type=values.image_size, default=(512, 512), metavar="HEIGHTxWIDTH", help=size)
    number = f"number of classes (default: {DEFAULT_CLASSES}; for panoptic methods the classes of COCO panoptic)"
    parser.add_argument("--num-classes", type=values.whole(1), metavar="N", help=number)
    add_json(parser, "summary")
    group = parser.add_argument_group("model")
    add_constructor(group)
    add_register(group)


def run(options: Namespace) -> int:
    """Run the command; return its exit code."""
    registered = check_class_files(options.register)
    if options.name is None:
        _list_all()
        return exit_codes.DONE
    names = (*METHODS, *registered, *PUBLISHED)
    if options.name not in names and not (options.name and Path(options.name).exists()):
        raise ValueError(
            f"{options.name!r} is no method, no published checkpoint and no file; {suggest(options.name, names)}"
        )
    register_classes(options.register)
    if options.name in PUBLISHED and not options.summary:
        _show_source(options.name)
    else:
        _summarize(options)
    return exit_codes.DONE


def _list_all() -> None:
    from ...models import MODELS
    from ...weights.published import PRESETS

    print("methods (pixelwise models NAME counts layers, parameters and multiply-adds):\n")
    methods = [(name, model.task, (model.__doc__ or "").splitlines()[0]) for name, model in MODELS.items()]
    print(indent(text_table(methods, left={0, 1, 2}), "  "))
    print("\npublished checkpoints with their publishers' scores (load, create and --model take the name):\n")
    presets = [(name, _place(preset), f"{preset.score}; {preset.licence}") for name, preset in PRESETS.items()]
    print(indent(text_table(presets, left={0, 1, 2}), "  "))


def _place(preset: Preset) -> str:
    """Say how the weights of a published checkpoint get here."""
    from ...weights.download import here

    if here(preset):
        return "here"
    return "to download" if preset.url else "to bring"


def _show_source(name: str) -> None:
    from ...weights.published import PRESETS

    print(text_table([(key, str(value)) for key, value in dataclasses.asdict(PRESETS[name]).items()], left={0, 1}))


def _summarize(options: Namespace) -> None:
    from ...summary.model_summary import summarize

    summary = summarize(_model(options), options.size)
    print(json.dumps(summary.to_dict(), indent=2) if options.json else summary.table())


def _model(options: Namespace) -> Model:
    """Load the model of a file, or make one without memory behind its tensors."""
    from ...data.recognition.known_classes import known_classes
    from ...models import MODELS
    from ...weights.published import PRESETS

    if options.name in PRESETS:
        preset = PRESETS[options.name]
        return _make(preset.model, options, {**preset.arguments, "classes": known_classes(preset.classes)})
    if options.name in MODELS:
        return _make(options.name, options, {})
    from ...weights.checkpoint import load

    return load(options.name)


def _make(name: str, options: Namespace, arguments: dict[str, Any]) -> Model:
    from inspect import signature

    import torch

    from ...data.recognition.known_classes import known_classes
    from ...models import MODELS
    from ...weights.creation import create

    arguments = {**arguments, **constructor_of(options)}
    takes_things = "things" in signature(MODELS[name]).parameters
    if takes_things and options.num_classes is None and "things" not in arguments:
        arguments = {"classes": known_classes("coco-panoptic"), **arguments}
    number = None if "classes" in arguments else options.num_classes or DEFAULT_CLASSES
    with torch.device("meta"):
        return create(name, num_classes=number, **arguments)

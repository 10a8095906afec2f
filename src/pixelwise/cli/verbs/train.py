"""`pixelwise train`."""

from __future__ import annotations

import argparse
import dataclasses
from argparse import ArgumentParser, Namespace, _ArgumentGroup
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...training.options import OptionError
from ...training.recipe import Machine, Recipe
from ...training.run_folder import RECIPE, claim_folder
from .. import exit_codes
from ..checks import check_class_files, check_out, check_recipe
from ..model_options import add_register, register_classes
from ..parser import UsageError

SUMMARY = "train a model on a folder of images and masks"
USAGE = "pixelwise train --data FOLDER [flags]\n       pixelwise train --recipe NAME --data FOLDER [flags]"
EXAMPLES = (
    "pixelwise train --data cells --model unet --epochs 60",
    "pixelwise train --recipe pspnet-voc --data VOC2012 --batch 8 --out runs/pspnet",
)

EVERYDAY = ("data", "recipe", "model", "epochs", "imgsz", "batch", "out", "resume")
"""The flags that come first in `--help`; those that are no keys of a recipe are added here."""

GROUPS: dict[str, tuple[str, ...]] = {
    "reading the data": ("format", "classes", "void", "colors", "images", "masks", "range", "resize"),
    "model": ("backbone", "arguments", "pretrained", "weights", "norm", "max_detections"),
    "augmentation": ("augment", "scale"),
    "optimisation": (
        "loss",
        "auxiliary",
        "balance",
        "optimizer",
        "lr",
        "encoder_lr",
        "bias_lr",
        "schedule",
        "warmup",
        "weight_decay",
        "momentum",
        "clip",
        "ema",
        "patience",
        "seed",
    ),
    "machine (not part of the recipe)": ("device", "devices", "nodes", "workers", "precision", "accumulate"),
    "logging": ("loggers",),
}
"""Title → keys of `Recipe` or `Machine`, in the order of `--help`."""

METAVARS = {
    "data": "FOLDER",
    "weights": "CHECKPOINT",
    "arguments": "NAME=VALUE,…",
    "colors": "NAME=R,G,B;…",
    "images": "FOLDER",
    "masks": "FOLDER",
    "scale": "MIN,MAX",
    "range": "LOW,HIGH",
}
"""Placeholders of the values in `--help`, where the type of the field does not tell enough."""

BY_TYPE = {"int": "N", "float": "X", "str": "NAME"}
"""Placeholders by the type of the field; a tuple has several values."""


MODEL = "method (pixelwise models lists them), or file.py:Class for a class of your own"
"""Help of --model; a recipe names a class, and never a file that would be run."""


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of the command: every key of `Recipe` and of `Machine`, and where the run begins and ends."""
    fields = {field.name: field for field in (*dataclasses.fields(Recipe), *dataclasses.fields(Machine))}
    everyday = parser.add_argument_group("everyday flags", "every flag but those of the machine is kept in recipe.yaml")
    for name in EVERYDAY:
        if name in fields:
            _add_field(everyday, fields[name])
        else:
            _add_run_flag(everyday, name)
    for title, names in GROUPS.items():
        group = parser.add_argument_group(title)
        for name in names:
            _add_field(group, fields[name])
        if title == "model":
            add_register(group)


def _add_field(group: _ArgumentGroup, field: dataclasses.Field[Any]) -> None:
    text = MODEL if field.name == "model" else field.metadata["help"]
    if field.default not in (None, (), dataclasses.MISSING):
        text += f" (default: {_as_typed(field.default)})"
    # Values stay text: `Recipe` and `Machine` convert those of flags and of YAML alike.
    group.add_argument(
        f"--{field.name.replace('_', '-')}",
        default=argparse.SUPPRESS,
        metavar=_metavar(field),
        help=text.replace("%", "%%"),
    )


def _metavar(field: dataclasses.Field[Any]) -> str:
    if field.name in METAVARS:
        return METAVARS[field.name]
    kind = str(field.type)  # a text, as annotations are not evaluated
    if kind.startswith("tuple"):
        return "A,B,…"
    return BY_TYPE[kind.partition(" | ")[0]]


def _as_typed(value: Any) -> str:
    """Write a default as one would type it: (0.5, 2.0) → "0.5,2", 1/3 → "0.333"."""
    values = value if isinstance(value, tuple) else (value,)
    return ",".join(f"{one:.3g}" if isinstance(one, float) else str(one) for one in values)


def _add_run_flag(group: _ArgumentGroup, name: str) -> None:
    if name == "recipe":
        text = "shipped recipe (pixelwise recipes lists them) or YAML file; flags win over it (default: none)"
        group.add_argument("--recipe", metavar="NAME", help=text)
    elif name == "out":
        text = "folder of the run (default: runs/train, or the next free one of runs/train2, …)"
        group.add_argument("--out", type=Path, metavar="FOLDER", help=text)
    else:
        text = "continue the run in --out, or the newest of runs/train* (default: start a new run)"
        group.add_argument("--resume", action="store_true", help=text)


def run(options: Namespace) -> int:
    """Run the command; return its exit code."""
    check_out(options.out, resume=options.resume)
    changes = _given(options, Recipe)
    specs = [*options.register]
    is_class_in_file = ":" in changes.get("model", "")
    if is_class_in_file:
        specs.append(changes["model"])
    registered = check_class_files(specs)
    if is_class_in_file:
        # The recipe keeps the name of the class: no file is ever run because a recipe names it.
        changes["model"] = registered[-1]
    recipe, machine = _read_recipe(options, changes, registered)
    register_classes(specs)

    from ...training.run import train

    training = train(recipe, machine=machine, out=options.out, resume=options.resume)
    if training.best.exists():
        print(f"best weights: {training.best}")
    else:
        print(f"last weights: {training.last} (no epoch had a score, so that none is the best)")
    again = "".join(f" --register {spec}" for spec in specs)
    print(f"next: pixelwise evaluate --model {training.folder} --data {recipe.data}{again}")
    return exit_codes.DONE


def _given(options: Namespace, kind: type[Recipe | Machine]) -> dict[str, Any]:
    """The flags that are keys of a recipe or a machine, as text."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {key: value for key, value in vars(options).items() if key in names}


def _read_recipe(options: Namespace, changes: Mapping[str, Any], registered: tuple[str, ...]) -> tuple[Recipe, Machine]:
    """Make the recipe of --recipe and the flags, and the machine.

    Raises:
        UsageError: nothing is named to train on, or a flag has a value that it cannot have.
        FileNotFoundError, ValueError: there is no such recipe, or it is wrong.
    """
    file = _recipe_file(options)
    if file is None and "data" not in changes:
        raise UsageError("nothing to train on: give --data FOLDER, or --recipe FILE")
    try:
        machine = Machine(**_given(options, Machine))
        recipe = Recipe.from_yaml(file, changes) if file else Recipe.from_dict(changes)
        check_recipe(recipe, registered)
    except OptionError as error:
        if error.name in changes or error.name in _given(options, Machine):
            raise UsageError(f"--{error.name.replace('_', '-')} {error.text}") from None
        raise ValueError(f"{file or 'the default'}: {error}") from None
    return recipe, machine


def _recipe_file(options: Namespace) -> str | Path | None:
    if options.recipe is not None:
        return str(options.recipe)
    if not options.resume:
        return None
    return claim_folder(options.out, resume=True) / RECIPE

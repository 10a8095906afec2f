"""Our own checkpoints: a safetensors file whose metadata say all that is needed to use the weights rightly."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors.torch import save as to_bytes

from ..classes import Classes
from ..models.base import Model
from ..models.merged import MergedModel
from ..ops.atomic_files import write_bytes
from ..ops.resize import Resizing
from ..postprocess.chain import Chain
from ..postprocess.panoptic_merging import MergeRules
from .creation import create, published
from .published import PRESETS
from .rename import recognised
from .tensor_files import KEY, existing, read_safetensors

FORMAT_VERSION = 1
"""Raised when an older pixelwise could no longer read what a newer one writes."""

BEST = "best.safetensors"
"""The checkpoint that is taken of a run's folder."""


def save(model: Model, path: str | os.PathLike[str], record: Mapping[str, Any] | None = None) -> None:
    """Write the weights of a model, whole or not at all, with how it was made.

    Args:
        model: made by `pixelwise.create` or `pixelwise.load`, or by `pixelwise.merge` of two such.
        path: of the file, `best.safetensors` for example; its folder is made when missing.
        record: what else to keep, of plain JSON values: the recipe, the scores, the fingerprint of the data.

    Raises:
        ValueError: the model was not made by `pixelwise.create`, or the record repeats a key of ours.
        TypeError: the record holds something that JSON cannot.
        OSError: the file cannot be written.
    """
    own = _describe(model)
    if repeated := sorted(own.keys() & (record or {}).keys()):
        raise ValueError(f"record has {', '.join(repeated)}, which the checkpoint says itself: leave it out")
    metadata = {KEY: json.dumps({**own, **(record or {})})}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_bytes(path, to_bytes(tensors, metadata))


def load(path: str | os.PathLike[str]) -> Model:
    """The model of a checkpoint, in `eval()`, on the CPU; its `record` is all that the file says of it.

    Args:
        path: the file; or the folder of a training run, of which `best.safetensors` is taken; or the name of a
            published checkpoint, as `pixelwise.create` knows it.

    Raises:
        FileNotFoundError: names the nearest files in the folder.
        ValueError: the file is damaged, a pickle, not one of ours, of a newer version, or says something of its model
            that this installation cannot make true; each time with what to do.
    """
    if os.fspath(path) in PRESETS:
        return published(os.fspath(path))
    best = Path(path) / BEST
    path = best if best.is_file() else existing(path)
    tensors, metadata = read_safetensors(path)
    try:
        record = json.loads(metadata.get(KEY, "null"))
    except ValueError:
        record = None
    if not isinstance(record, dict):
        layout, table = recognised(tensors) or ("LAYOUT", None)
        what, method = (f", but {table.architecture} of {layout}", table.architecture) if table else ("", "METHOD")
        raise ValueError(
            f"{path} is a safetensors file that pixelwise did not write{what}: make a checkpoint of it, "
            f"pixelwise convert {path} --layout {layout} --model {method} --out model.safetensors, or fill a model "
            "with it, pixelwise.load_weights(model, path, layout=…)"
        )
    if record.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{path} has the checkpoint format {record.get('format_version')!r}, and this pixelwise reads format "
            f"{FORMAT_VERSION}: install what it was written with, {record.get('versions')}"
        )
    try:
        model = _make(record)
        model.load_state_dict(tensors)
    except KeyError as error:
        raise ValueError(f"{path}: its record has no {error}, so the model cannot be made again") from None
    except (ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(f"{path} does not fit its own record or this installation: {error}") from None
    model.record = record
    return model.eval()


def set_postprocess(path: str | os.PathLike[str], chain: Chain) -> None:
    """Write another chain of postprocessing into a checkpoint; its weights and all else that it says stay.

    Args:
        path: the file, or the folder of a training run, of which `best.safetensors` is taken.
        chain: what is done with the model's results from now on.

    Raises:
        FileNotFoundError, ValueError: as `load` does.
        OSError: the file cannot be written.
    """
    best = Path(path) / BEST
    path = best if best.is_file() else Path(path)
    record = {**load(path).record, "postprocess": chain.to_dict()}
    tensors, metadata = read_safetensors(path)
    write_bytes(path, to_bytes(tensors, {**metadata, KEY: json.dumps(record)}))


def _make(record: Mapping[str, Any]) -> Model:
    """The model that a record describes, with random weights; a KeyError names what is missing."""
    arguments, classes = dict(record["arguments"]), Classes.from_dict(record["classes"])
    if foreign := arguments.keys() & {"classes", "num_classes", "pretrained"}:
        raise ValueError(f"{', '.join(sorted(foreign))} cannot be among the arguments")
    if "parts" in record:
        model: Model = _join(record["parts"], MergeRules.from_dict(arguments["merging"]), classes)
    else:
        model = create(record["architecture"], classes=classes, **arguments)
    model.resizing = Resizing(**record["resizing"])
    model.postprocess = Chain.from_dict(record.get("postprocess", {}))
    if record["normalization"] != (found := model.normalize.to_dict()):
        raise ValueError(
            f"it was trained on pixels normalised with {record['normalization']}, but {record['architecture']} has "
            f"{found} with the versions installed; install {record['versions']}"
        )
    return model


def _join(records: Mapping[str, Mapping[str, Any]], merging: MergeRules, classes: Classes) -> MergedModel:
    """The model of two that the records of its parts describe, each of which keeps its own."""
    parts: dict[str, Any] = {}
    for name, record in records.items():
        parts[name] = _make(record)
        parts[name].record = record
    model = MergedModel(**parts, merging=merging)
    if set(model.classes.names) != set(classes.names):
        raise ValueError(
            f"its classes are {', '.join(classes.names)}, those of its parts {', '.join(model.classes.names)}"
        )
    model.classes = classes
    return model


def _describe(model: Model) -> dict[str, Any]:
    """What a checkpoint says of its model, and of a model of two also what their own checkpoints said of each."""
    if not model.architecture:
        raise ValueError(f"this {type(model).__name__} does not know how it was made: make it with pixelwise.create")
    own = {
        "format_version": FORMAT_VERSION,
        "architecture": model.architecture,
        "arguments": dict(model.arguments),
        "classes": model.classes.to_dict(),
        "resizing": asdict(model.resizing),
        "normalization": model.normalize.to_dict(),
        "postprocess": model.postprocess.to_dict(),
        "versions": {package: version(package) for package in ("pixelwise", "torch", "timm")},
    }
    if isinstance(model, MergedModel):
        parts = {"semantic": model.semantic, "instance": model.instance}
        own["parts"] = {name: {**part.record, **_describe(part)} for name, part in parts.items()}
    return own

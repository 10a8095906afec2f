"""Our own checkpoints: a safetensors file whose metadata say all that it takes to use the weights correctly."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors.torch import save as to_bytes
from torch import Tensor

from ..classes import Classes
from ..images.intensity import IntensityRange
from ..models.base import Model
from ..models.merged import MergedModel
from ..ops.atomic_files import write_bytes
from ..ops.resize import Resizing
from ..postprocess.chain import Chain
from ..postprocess.panoptic_merging import MergeRules
from .creation import create, published
from .programs import backbone_norms, set_backbone_eps
from .published import PRESETS
from .registration import check_registered, code_of
from .rename import recognise
from .tensor_files import KEY, read_safetensors, require_file

FORMAT_VERSION = 1
"""Raised when an older pixelwise can no longer read what a newer one writes."""

BEST, LAST = "best.safetensors", "last.safetensors"
"""The checkpoints that stand for the folder of a run: the best, or the last where no epoch had a score."""

DETECTION = {"score_threshold": float, "max_detections": int}
"""Attributes of models that find objects, and their types: settings that a checkpoint keeps."""


def save(model: Model, path: str | os.PathLike[str], record: Mapping[str, Any] | None = None) -> None:
    """Write the weights of a model and the record of how it was made; the file is written as a whole or not at all.

    Args:
        model: made by `pixelwise.create` or `pixelwise.load`, or by `pixelwise.merge` of two such models.
        path: the file, `best.safetensors` for example; its folder is made when missing.
        record: further entries of plain JSON values: the recipe, the scores, the fingerprint of the data.

    Raises:
        ValueError: the model was not made by `pixelwise.create`, or the record repeats an entry that every checkpoint
            has.
        TypeError: the record holds something that JSON cannot.
        OSError: the file cannot be written.
    """
    own = _describe(model)
    if repeated := sorted(own.keys() & (record or {}).keys()):
        raise ValueError(f"record has {', '.join(repeated)}, which every checkpoint has already: leave it out")
    metadata = {KEY: json.dumps({**own, **(record or {})})}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_bytes(path, to_bytes(tensors, metadata))


def load(path: str | os.PathLike[str]) -> Model:
    """Load the model of a checkpoint, in `eval()`, on the CPU; its `record` is all that the file says of it.

    Args:
        path: the file; or the folder of a training run, which stands for the `best.safetensors` in it, or for the
            `last.safetensors` where no epoch had a score; or the name of a published checkpoint, as
            `pixelwise.create` knows it.

    Raises:
        FileNotFoundError: the file does not exist; similar names in the folder are suggested.
        ValueError: the file is damaged, a pickle, not one of ours or of a newer version, its class has not been
            registered, or its record cannot be fulfilled by this installation; each time with what to do.
    """
    if os.fspath(path) in PRESETS:
        return published(os.fspath(path))
    path = require_file(file_of_run(path))
    tensors, metadata = read_safetensors(path)
    record = _read_record(metadata)
    if record is None:
        raise ValueError(_foreign_file(path, tensors))
    if record.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{path} has the checkpoint format {record.get('format_version')!r}, and this pixelwise reads format "
            f"{FORMAT_VERSION}: install what it was written with, {record.get('versions')}"
        )
    check_registered(record, path)
    try:
        model = _make(record)
        model.load_state_dict(tensors)
    except KeyError as error:
        raise ValueError(f"{path}: its record has no {error}, so the model cannot be recreated") from None
    except (ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(f"{path} does not fit its own record or this installation: {error}") from None
    model.record = record
    return model.eval()


def set_postprocess(path: str | os.PathLike[str], chain: Chain) -> None:
    """Replace the post-processing chain of a checkpoint; its weights and the rest of its record stay.

    Args:
        path: the file, or the folder of a training run, as for `load`.
        chain: the steps that follow the model from now on.

    Raises:
        FileNotFoundError, ValueError: as `load` does.
        OSError: the file cannot be written.
    """
    path = file_of_run(path)
    record = {**load(path).record, "postprocess": chain.to_dict()}
    tensors, metadata = read_safetensors(path)
    write_bytes(path, to_bytes(tensors, {**metadata, KEY: json.dumps(record)}))


def file_of_run(path: str | os.PathLike[str]) -> Path:
    """Return the checkpoint that the folder of a run stands for; any other path as it is."""
    for name in (BEST, LAST):
        if (Path(path) / name).is_file():
            return Path(path) / name
    return Path(path)


def _read_record(metadata: Mapping[str, str]) -> dict[str, Any] | None:
    """The record in the metadata of a file; None when there is none."""
    try:
        record = json.loads(metadata.get(KEY, "null"))
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _foreign_file(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """The error for a safetensors file without our record: whose it seems to be, and how to use it."""
    layout, method, holds = "LAYOUT", "METHOD", ""
    if known := recognise(tensors):
        layout, method = known[0], known[1].architecture
        holds = f", but {method} of {layout}"
    return (
        f"{path} is a safetensors file that pixelwise did not write{holds}: make a checkpoint of it, "
        f"pixelwise convert {path} --layout {layout} --model {method} --out model.safetensors, or fill a model "
        "with it, pixelwise.load_weights(model, path, layout=…)"
    )


def _make(record: Mapping[str, Any]) -> Model:
    """Make the model that a record describes, with random weights; a KeyError names an entry that is missing."""
    arguments, classes = dict(record["arguments"]), Classes.from_dict(record["classes"])
    if foreign := arguments.keys() & {"classes", "num_classes", "pretrained"}:
        raise ValueError(f"{', '.join(sorted(foreign))} cannot be among the arguments")
    if "parts" in record:
        model: Model = _merge_parts(record["parts"], MergeRules.from_dict(arguments["merging"]), classes)
    else:
        model = create(record["architecture"], classes=classes, **arguments)
    model.resizing = Resizing(**record["resizing"])
    if record.get("intensity"):
        model.intensity = IntensityRange.from_lists(record["intensity"])
    model.postprocess = Chain.from_dict(record.get("postprocess", {}))
    normalization = model.normalize.to_dict()
    if record["normalization"] != normalization:
        raise ValueError(
            f"it was trained on pixels normalised with {record['normalization']}, but {record['architecture']} uses "
            f"{normalization} with the versions installed; install {record['versions']}"
        )
    detection = record.get("detection", {})
    for name, kind in DETECTION.items():
        if name in detection and kind(detection[name]) != getattr(model, name):
            setattr(model, name, kind(detection[name]))
    if "backbone_eps" in record:
        set_backbone_eps(model, float(record["backbone_eps"]))
    return model


def _merge_parts(records: Mapping[str, Mapping[str, Any]], merging: MergeRules, classes: Classes) -> MergedModel:
    """The merged model whose parts the records describe; each part keeps its own record."""
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
    """The record of a model; for a merged model also the records of its two parts, as their own checkpoints had them.

    Raises:
        ValueError: the model was not made by `create`.
    """
    if not model.architecture:
        raise ValueError(f"this {type(model).__name__} has no record of how it was made: make it with pixelwise.create")
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
    if model.intensity is not None:
        own["intensity"] = model.intensity.to_lists()
    if isinstance(model, MergedModel):
        parts = {"semantic": model.semantic, "instance": model.instance}
        own["parts"] = {name: {**part.record, **_describe(part)} for name, part in parts.items()}
        return own
    if code := code_of(model):
        own["code"] = code
    detection = {name: getattr(model, name) for name in DETECTION if getattr(model, name, None) is not None}
    if detection:
        own["detection"] = detection
    eps = {layer.eps for layer in backbone_norms(model)}
    if len(eps) == 1:  # networks of timm have one; where a network has several, none was changed
        own["backbone_eps"] = eps.pop()
    return own

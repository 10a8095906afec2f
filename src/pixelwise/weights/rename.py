"""Weights of other libraries in our models: whose names the tensors have, and which of our models they fit."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..models import MODELS, deeplabv2, deeplabv3, deeplabv3plus, fcn, panoptic_fpn, pspnet, unet
from ..models.base import Model
from ..models.mask_rcnn import mask_rcnn_weights as mask_rcnn
from ..models.solo import solo_weights as solo
from ..models.yolact import yolact_weights as yolact
from ..ops.names import suggest
from ..ops.rename_table import Table
from ..ops.resize import Resizing
from .programs import Settings, apply_program
from .tensor_files import read_state_dict, require_file, unwrap

LAYOUTS: dict[str, tuple[Table, ...]] = {
    "detectron2": (mask_rcnn.DETECTRON2, panoptic_fpn.DETECTRON2),
    "kazuto1011": (deeplabv2.KAZUTO1011,),
    "milesial": (unet.MILESIAL,),
    "mmdet": solo.MMDET,
    "semseg": (pspnet.SEMSEG,),
    "smp": (deeplabv3.SMP, deeplabv3plus.SMP, pspnet.SMP, unet.SMP),
    "solo": solo.SOLO,
    "torchvision": (deeplabv3.TORCHVISION, fcn.TORCHVISION, mask_rcnn.TORCHVISION, mask_rcnn.TORCHVISION_V2),
    "vainf": (deeplabv3.VAINF, deeplabv3plus.VAINF),
    "wkentaro": fcn.WKENTARO,
    "yolact": (yolact.YOLACT,),
}
"""Layout, that is, whose names the tensors have → a table for each of our models that they fit, or one per variant."""


@dataclass(frozen=True)
class LoadedWeights:
    """Report of `load_weights`: what it left out, and what it set on the model beside its tensors.

    Attributes:
        unused: name of each entry of the state dict that is not used → the reason.
        notes: a sentence for each setting of the model that was changed to that of the weights' program.
    """

    unused: dict[str, str]
    notes: tuple[str, ...]


def load_weights(
    model: Model,
    source: str | os.PathLike[str] | Mapping[str, Any],
    layout: str,
    *,
    resizing: Resizing | None = None,
    score_threshold: float | None = None,
    max_detections: int | None = None,
    batch_norm_eps: float | None = None,
) -> LoadedWeights:
    """Fill a model with the weights of another library, and set it up to give the same results.

    A layout stands for a program, not only for names of tensors. The model is made to resize images as the program
    does, and takes over its score threshold and its number of detections, unless you state them here or have changed
    them on the model before.

    Args:
        model: made by `pixelwise.create` with the arguments that fit; it is unchanged when anything does not fit.
        source: a file (safetensors, or a state dict of PyTorch, wrapped or not), or the state dict itself.
        layout: whose names the tensors have, a key of `LAYOUTS`.
        resizing: the size at which the model sees images; `Resizing()` leaves them as they are.
        score_threshold: objects with a lower confidence score are dropped, 0 to 1.
        max_detections: number of objects kept per image.
        batch_norm_eps: of the batch normalisation in the backbone.

    Returns:
        The entries that are not used, with reasons, and notes on the settings.

    Raises:
        FileNotFoundError: the file does not exist; similar names are suggested.
        ValueError: the layout is unknown, the model has another architecture, the file holds more than tensors, a
            setting is out of its range, or a tensor has no place, is not filled or has another shape; each is named.

    >>> pixelwise.load_weights(model, "unet_carvana_scale1.0_epoch2.pth", layout="milesial").unused  # doctest: +SKIP
    {'mask_values': 'the grey values of their masks, not a weight'}
    """
    stated = Settings(resizing, score_threshold, max_detections, batch_norm_eps)
    stated.check_model(model)
    name = "the state dict" if isinstance(source, Mapping) else os.fspath(require_file(source))
    theirs = unwrap(source, name) if isinstance(source, Mapping) else read_state_dict(source)
    with naming_file(theirs, name, model.method, layout):
        tensors, unused = find_table(model, layout).rename(theirs, model.state_dict())
    model.load_state_dict(tensors, strict=False)
    return LoadedWeights(unused, apply_program(model, layout, theirs, stated))


def recognise(theirs: Mapping[str, Any]) -> tuple[str, Table] | None:
    """The layout and the table that fit a state dict best; None when no table has a name for each of its tensors."""
    best: tuple[str, Table] | None = None
    best_likeness = 0.0
    for layout, tables in LAYOUTS.items():
        for table in tables:
            likeness = table.likeness(theirs)
            if likeness > best_likeness:
                best, best_likeness = (layout, table), likeness
    return best


@contextmanager
def naming_file(theirs: Mapping[str, Any], name: str, method: str, layout: str) -> Iterator[None]:
    """Begin each ValueError within it with the file; if the file holds another method, say which.

    Args:
        theirs: the state dict.
        name: of its file.
        method: our model that is to be filled.
        layout: the layout that the caller named.
    """
    try:
        yield
    except ValueError as error:
        known, table = recognise(theirs) or (layout, None)
        of_method = [one for one in LAYOUTS.get(layout, ()) if one.architecture == method]
        if table is None or layout not in LAYOUTS or any(one.likeness(theirs) for one in of_method):
            raise ValueError(f"{name}: {error}") from None
        raise ValueError(
            f"{name} holds {table.architecture} in the layout {known!r}, not {method} in the layout {layout!r}. "
            f"These weights fit {table.made_by}"
        ) from None


def find_table(model: Model, layout: str) -> Table:
    """The table of a layout that fits a model.

    Raises:
        ValueError: the layout is unknown, or the model has another architecture or was made with other arguments than
            the weights of this layout demand.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"there is no layout {layout!r}: {suggest(layout, LAYOUTS)}")
    tables = [table for table in LAYOUTS[layout] if table.architecture == model.architecture]
    if not tables:
        known = "; or ".join(table.made_by for table in LAYOUTS[layout])
        raise ValueError(f"the layout {layout!r} has no {model.method}. These weights fit {known}")
    demanded = []
    for table in tables:
        unmet = _unmet_demands(model, table)
        if not unmet:
            return table
        demanded.append(", ".join(f"{key}={value!r}" for key, value in unmet.items()))
    raise ValueError(
        f"the layout {layout!r} needs a model made with {' or '.join(demanded)}. These weights fit {tables[0].made_by}"
    )


def _unmet_demands(model: Model, table: Table) -> dict[str, Any]:
    """The arguments that a table demands and that the model was not made with."""
    parameters = inspect.signature(MODELS[model.architecture]).parameters
    unmet = {}
    for key, demanded in table.demands.items():
        given = model.arguments.get(key, parameters[key].default)
        if isinstance(given, list):  # as which arguments are recorded
            given = tuple(given)
        if given != demanded:
            unmet[key] = demanded
    return unmet

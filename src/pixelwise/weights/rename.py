"""Somebody else's weights in our models."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..models import MODELS, deeplabv2, deeplabv3, deeplabv3plus, fcn, panoptic_fpn, pspnet, unet
from ..models.base import Model
from ..models.mask_rcnn import mask_rcnn_weights as mask_rcnn
from ..models.solo import solo_weights as solo
from ..models.yolact import yolact_weights as yolact
from ..ops.names import suggest
from ..ops.rename_table import Table
from .tensor_files import existing, read_state_dict, unwrapped

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
"""Whose names the tensors have → a table for each of our models that they fit, or several for its variants."""


def load_weights(model: Model, source: str | os.PathLike[str] | Mapping[str, Any], layout: str) -> dict[str, str]:
    """Fill a model with the weights of another library, so that it gives the same outputs.

    Args:
        model: made by `pixelwise.create` with the arguments that fit; it stays as it is when anything does not.
        source: a file (safetensors, or a state dict of PyTorch, wrapped or not), or the state dict itself.
        layout: whose names the tensors have, a key of `LAYOUTS`.

    Returns:
        Each entry of theirs that is not used, with the reason.

    Raises:
        FileNotFoundError: the file is not there; names the nearest ones.
        ValueError: for an unknown layout, a model of another architecture, a file that is more than tensors, and for
            each tensor without a place, not filled or of another shape.

    >>> pixelwise.load_weights(model, "unet_carvana_scale1.0_epoch2.pth", layout="milesial")  # doctest: +SKIP
    {'mask_values': 'the grey values of their masks, not a weight'}
    """
    name = "the state dict" if isinstance(source, Mapping) else os.fspath(existing(source))
    theirs = unwrapped(source, name) if isinstance(source, Mapping) else read_state_dict(source)
    with whose(theirs, name, model.method, layout):
        found, unused = fitting(model, layout).rename(theirs, model.state_dict())
    model.load_state_dict(found, strict=False)
    return unused


def recognised(theirs: Mapping[str, Any]) -> tuple[str, Table] | None:
    """The layout and the table in which each tensor of a state dict has a name, the likest; None if there is none."""
    every = [(table.likeness(theirs), layout, table) for layout, tables in LAYOUTS.items() for table in tables]
    likeness, layout, table = max(every, key=lambda one: one[0])
    return (layout, table) if likeness else None


@contextmanager
def whose(theirs: Mapping[str, Any], name: str, wanted: str, layout: str) -> Iterator[None]:
    """Within it, a ValueError begins with the file; where it holds another method, it says which instead."""
    try:
        yield
    except ValueError as error:
        known, table = recognised(theirs) or (layout, None)
        asked = [one for one in LAYOUTS.get(layout, ()) if one.architecture == wanted]
        if table is None or layout not in LAYOUTS or any(one.likeness(theirs) for one in asked):
            raise ValueError(f"{name}: {error}") from None
        raise ValueError(
            f"{name} holds {table.architecture} in the layout {known!r}, but {wanted} was to be filled from the layout "
            f"{layout!r}. These weights fit {table.made_by}"
        ) from None


def fitting(model: Model, layout: str) -> Table:
    """The table of a layout that fits a model.

    Raises:
        ValueError: for an unknown layout, a model of another architecture, or one made with other arguments than these
            weights want.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"there is no layout {layout!r}: {suggest(layout, LAYOUTS)}")
    tables = [table for table in LAYOUTS[layout] if table.architecture == model.architecture]
    if not tables:
        raise ValueError(
            f"the layout {layout!r} is not that of {model.method}. "
            f"These weights fit {'; or '.join(table.made_by for table in LAYOUTS[layout])}"
        )
    defaults = inspect.signature(MODELS[model.architecture]).parameters
    wrong = []
    for table in tables:
        made = {key: model.arguments.get(key, defaults[key].default) for key in table.demands}
        wrong.append({key: value for key, value in table.demands.items() if made[key] != value})
        if not wrong[-1]:
            return table
    wanted = " or ".join(", ".join(f"{key}={value!r}" for key, value in one.items()) for one in wrong)
    raise ValueError(f"the layout {layout!r} wants a model made with {wanted}. These weights fit {tables[0].made_by}")

"""A published checkpoint: where it is, how it is loaded, how well it scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..ops.resize import Resizing


@dataclass(frozen=True)
class Preset:
    """A published checkpoint, and how its publisher uses it.

    Attributes:
        model: the method, as `pixelwise.create` calls it.
        layout: whose names its tensors have, a key of `weights.rename.LAYOUTS`.
        classes: name of a data set, for `known_classes`.
        file: name of the file on this machine.
        page: the web page on which people find it.
        licence: of the weights, or of the code that they come with.
        score: as published.
        arguments: of the method's constructor.
        url: address of the file; None when only a browser can download it.
        hash: the first digits of its SHA-256, or "md5:" and its MD5; empty when the publisher gives none.
        resizing: the size at which the publisher's program shows an image to the model, see `weights.programs`.
    """

    model: str
    layout: str
    classes: str
    file: str
    page: str
    licence: str
    score: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    url: str | None = None
    hash: str = ""
    resizing: Resizing = field(default_factory=Resizing)

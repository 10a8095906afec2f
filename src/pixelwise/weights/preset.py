"""What is known of a published checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..ops.resize import Resizing


@dataclass(frozen=True)
class Preset:
    """A published checkpoint, and how to use it as its publisher does.

    Attributes:
        model, arguments: what `pixelwise.create` makes for it.
        layout: whose names its tensors have.
        classes: of which data set, for `data.known_classes`.
        file: its name on this machine.
        page: where people find it.
        url: its own address; None where it lies in a folder that only a browser opens.
        hash: how its publisher proves it: the start of its SHA-256, or "md5:" and its MD5; empty when he does not.
        licence: of the weights, or of the code that they come with.
        score: as published.
        resizing: what its publisher does to images before it sees them.
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

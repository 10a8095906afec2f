"""Flags of post-processing: each is a step of `postprocess.chain.Chain`."""

from __future__ import annotations

import argparse
import math
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from . import values
from .parser import UsageError

if TYPE_CHECKING:
    from ..postprocess.chain import Chain

STEPS = {
    "crf": "dense CRF, semantic models only: published parameters (deeplabv2-voc), or bi_xy=50,bi_rgb=5; without a "
    "value the default parameters",
    "smooth": "majority filter: standard deviation of its Gaussian window, pixels",
    "open": "morphological opening, removes hairs and bridges: radius of the disk, pixels",
    "close": "morphological closing, fills cracks: radius of the disk, pixels",
    "fill-holes": "fill holes of at most this area, pixels",
    "merge-below": "merge regions below this area into the neighbour with the longest common border, pixels",
    "drop-below": "turn regions below this area into background, pixels",
    "keep-largest": "number of regions that are kept of each class, the largest ones",
}
"""The flags and their help, in the order in which the steps are applied."""


def add_chain(parser: ArgumentParser) -> None:
    """Add a flag for each step of post-processing, and --plain."""
    text = "applied in this order; any of these flags replaces all post-processing that the checkpoint has"
    group = parser.add_argument_group("post-processing (default: that of the checkpoint)", text)
    length = values.number("0 or more", lambda value: 0 <= value < math.inf)
    for name, help in STEPS.items():
        # Without a value, --crf stands for the default parameters: an empty text.
        settings: dict[str, Any] = {"type": values.whole(0), "metavar": "N"}
        if name == "crf":
            settings = {"type": values.crf, "nargs": "?", "const": "", "metavar": "PARAMETERS"}
        elif name == "smooth":
            settings = {"type": length, "metavar": "PIXELS"}
        group.add_argument(f"--{name}", default=argparse.SUPPRESS, help=help, **settings)
    group.add_argument("--plain", action="store_true", help="no post-processing, whatever the checkpoint has")


def check_chain(options: Namespace) -> None:
    """Refuse --plain together with a step.

    Raises:
        UsageError: names the steps.
    """
    steps = [f"--{name}" for name in STEPS if name.replace("-", "_") in vars(options)]
    if options.plain and steps:
        raise UsageError(f"--plain turns post-processing off, {', '.join(steps)} on: give one of them")


def chain_of(options: Namespace) -> Chain | None:
    """The post-processing that the flags name; None for that of the checkpoint.

    Raises:
        ValueError: for parameters that a CRF does not have.
    """
    from ..postprocess.chain import Chain
    from ..postprocess.crf import CRF

    if options.plain:
        return Chain()
    names = [name.replace("-", "_") for name in STEPS]
    steps = {name: getattr(options, name) for name in names if name in vars(options)}
    if "crf" in steps:
        steps["crf"] = CRF.parse(steps["crf"]) if steps["crf"] else CRF()
    return Chain(**steps) if steps else None

"""Flags that several commands have."""

from __future__ import annotations

import math
from argparse import ArgumentParser, Namespace, _ActionsContainer
from pathlib import Path
from typing import Any

from . import values


def add_out(parser: ArgumentParser, default: str) -> None:
    """Add --out, the folder for everything that a command writes."""
    text = "folder for the files that are written (default: %(default)s)"
    parser.add_argument("--out", default=Path(default), type=Path, metavar="FOLDER", help=text)


def add_json(parser: ArgumentParser, content: str) -> None:
    """Add --json.

    Args:
        parser: of a command.
        content: the name of what is printed.
    """
    parser.add_argument("--json", action="store_true", help=f"print the {content} as JSON instead of a table")


def add_boundary(group: _ActionsContainer, default: int | None) -> None:
    """Add --boundary; None as its default leaves the boundary scores out."""
    width = values.number("a number above 0", lambda value: 0 < value < math.inf)
    text = (
        "tolerance of the boundary F1, and for instance methods width of the boundaries of the boundary AP: pixels, or "
        f"below 1 a share of the image's diagonal (COCO: 0.02) (default: {default or 'no boundary scores'})"
    )
    group.add_argument("--boundary", type=width, default=default, metavar="WIDTH", help=text)


def add_constructor(group: _ActionsContainer) -> None:
    """Add the arguments of a method's constructor."""
    backbone = "encoder of timm (default: that of the paper)"
    group.add_argument("--backbone", metavar="NAME", help=backbone)
    arguments = "further arguments of the method's constructor: output_stride=8,auxiliary=true (default: none)"
    group.add_argument(
        "--arguments", type=values.constructor_arguments, default={}, metavar="NAME=VALUE,…", help=arguments
    )


def constructor_of(options: Namespace) -> dict[str, Any]:
    """The arguments of a method's constructor that the flags of `add_constructor` give."""
    backbone = {} if options.backbone is None else {"backbone": options.backbone}
    return {**backbone, **options.arguments}

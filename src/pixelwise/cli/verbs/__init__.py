"""The commands of `pixelwise`, a module each."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Protocol

from . import build_panoptic, convert, demo, evaluate, inspect, models, predict, recipes, train, tune


class Verb(Protocol):
    """A module of this folder."""

    @property
    def SUMMARY(self) -> str:
        """The purpose of the command: a line without a full stop."""

    @property
    def USAGE(self) -> str:
        """The line after "usage:" of its help."""

    @property
    def EXAMPLES(self) -> tuple[str, ...]:
        """Two command lines that its help ends with."""

    def add_flags(self, parser: ArgumentParser) -> None:
        """Add the flags of the command."""

    def run(self, options: Namespace) -> int:
        """Run the command; return its exit code."""


VERBS: dict[str, Verb] = {
    "demo": demo,
    "inspect": inspect,
    "models": models,
    "recipes": recipes,
    "train": train,
    "evaluate": evaluate,
    "tune": tune,
    "predict": predict,
    "convert": convert,
    "build-panoptic": build_panoptic,
}
"""The commands by name, in the order of `pixelwise --help`."""

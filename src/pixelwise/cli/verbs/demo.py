"""`pixelwise demo`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from .. import exit_codes
from ..flags import add_out

SUMMARY = "train, evaluate and draw on the bundled images of nuclei, in two minutes"
USAGE = "pixelwise demo [flags]"
EXAMPLES = ("pixelwise demo", "pixelwise demo --out runs/first")


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of the command."""
    add_out(parser, "runs/demo")


def run(options: Namespace) -> int:
    """Run the command; return its exit code."""
    from ...demonstration import run_demo

    run_demo(options.out)
    return exit_codes.DONE

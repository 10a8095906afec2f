"""`pixelwise recipes`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ...console import text_table
from ...ops.names import suggest
from ...training.recipe_library import file_of, recipes
from .. import exit_codes

SUMMARY = "list the recipes that reproduce the papers' trainings, or show one"
USAGE = "pixelwise recipes [NAME]"
EXAMPLES = ("pixelwise recipes", "pixelwise recipes pspnet-voc")


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="show this recipe as YAML (default: list all recipes)")


def run(options: Namespace) -> int:
    """Run the command; return its exit code."""
    known = recipes()
    if options.name is None:
        print(text_table(list(known.items()), left={0, 1}))
        print("\npixelwise train --recipe NAME --data FOLDER trains with one of them; flags win over it")
        return exit_codes.DONE
    if options.name not in known:
        raise ValueError(f"there is no recipe {options.name!r}: {suggest(options.name, known)}")
    print(file_of(options.name).read_text("utf-8"), end="")
    return exit_codes.DONE

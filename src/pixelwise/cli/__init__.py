"""The command `pixelwise`: one subcommand a verb, each a thin door to the function of the same name."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

from .. import __version__
from . import flags, verbs

WRONG_INPUT, INTERRUPTED = 2, 130

OVERVIEW = """\
Image segmentation on your own images: from a folder to masks.

  pixelwise demo                                              the whole way on bundled images, two minutes
  pixelwise inspect  --data cells                             what the network will see, and what is wrong with the data
  pixelwise models                                            the methods, and the published weights that load
  pixelwise recipes                                           trainings as the papers did them, to start from
  pixelwise train    --data cells --model unet                a trained model in runs/train
  pixelwise evaluate --model runs/train --data cells          scores on images that it has not seen
  pixelwise tune     --model runs/train --data cells          what comes after the network, kept only where it helps
  pixelwise predict  --model runs/train --source new/*.jpg    masks, overlays and files in runs/predict
  pixelwise convert  theirs.pth --layout smp --model unet     somebody else's weights as a checkpoint of ours
  pixelwise convert  --semantic masks --instances objects     class masks and objects as panoptic data, conflicts shown
"""
ENDINGS = "exit codes: 0 done, 1 something failed or was found wrong, 2 wrong input, 130 interrupted (Ctrl-C)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after `pixelwise`; those of the process when not given.

    Returns:
        The exit code: 0 done, 1 some images failed or problems were found, 2 wrong input, 130 interrupted.
    """
    options, unknown = _parser().parse_known_args(arguments)
    if unknown:
        options.verb.error(_unknown_flags(options.verb, unknown))
    # Threads that wait for each other give the core away sooner: free when the machine is idle, twice as fast when not.
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        print("pixelwise: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (ValueError, OSError, KeyError, TypeError, ImportError, FloatingPointError) as error:
        if options.debug:
            raise
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"pixelwise {options.command}: {text}", file=sys.stderr)
        return WRONG_INPUT


def _parser() -> argparse.ArgumentParser:
    shape: dict[str, Any] = {
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "epilog": ENDINGS,
        "allow_abbrev": False,
    }
    parser = argparse.ArgumentParser("pixelwise", description=OVERVIEW, **shape)
    parser.add_argument("--version", action="version", version=f"pixelwise {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    table: list[tuple[str, str, Callable[..., None], Callable[..., int]]] = [
        ("demo", "train, evaluate and draw on the bundled images of nuclei", flags.demo, verbs.demo),
        ("inspect", "one page that shows what the network will see, and every problem", flags.inspect, verbs.inspect),
        ("models", "the methods there are, and the published weights that load", flags.models, verbs.models),
        ("recipes", "trainings as the papers did them, to start from", flags.recipes, verbs.recipes),
        ("train", "train a model on a folder of images and masks", flags.train, verbs.train),
        ("evaluate", "score a model on images with masks", flags.evaluate, verbs.evaluate),
        ("tune", "search what comes after the network, and keep it where it helps", flags.tune, verbs.tune),
        ("predict", "masks, overlays and files for images", flags.predict, verbs.predict),
        (
            "convert",
            "weights as a checkpoint of ours, or masks and objects as panoptic data",
            flags.convert,
            verbs.convert,
        ),
    ]
    for name, text, add_flags, run in table:
        verb = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", **shape)
        verb.add_argument("--debug", action="store_true", help="show the whole traceback of an error")
        verb.set_defaults(run=run, verb=verb)
        add_flags(verb)
    return parser


def _unknown_flags(verb: argparse.ArgumentParser, unknown: Sequence[str]) -> str:
    """What to say about words that a verb does not know; the nearest flag for each that looks like one."""
    known = [flag for action in verb._actions for flag in action.option_strings]
    near = {word: get_close_matches(word.partition("=")[0], known, 1) for word in unknown if word.startswith("-")}
    hints = [f"{word} (did you mean {found[0]}?)" if found else word for word, found in near.items()]
    return f"there is no {', '.join(hints or unknown)}; --help lists what there is"

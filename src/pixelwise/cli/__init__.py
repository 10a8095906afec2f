"""The command `pixelwise`: a subcommand for each verb, each of them a thin layer over a function of the library."""

from __future__ import annotations

import argparse
import os
import select
import sys
from argparse import Namespace
from collections.abc import Sequence

from .. import __version__
from ..ops.names import suggest
from .exit_codes import DONE, INTERRUPTED, WRONG_INPUT
from .parser import Parser, UsageError, unknown_flags
from .verbs import VERBS

INPUT_ERRORS = (ValueError, OSError, KeyError, TypeError, ImportError, FloatingPointError)
"""Errors whose text says what is wrong with the input: it is printed without a traceback."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after `pixelwise`; those of the process when not given.

    Returns:
        The exit code: 0 done, 1 some images failed or the data have errors, 2 wrong input, 130 interrupted.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    command = f"pixelwise {words[0]}" if words and words[0] in VERBS else "pixelwise"
    try:
        options = _parse(words)
    except UsageError as error:
        return _refuse(command, error)
    return _run(command, options)


def _run(command: str, options: Namespace) -> int:
    # GNU OpenMP threads that wait for each other give up their core sooner. That costs nothing on an idle machine, and
    # is twice as fast on a busy one.
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    try:
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("pixelwise: interrupted", file=sys.stderr)
        return INTERRUPTED
    except INPUT_ERRORS as error:
        if isinstance(error, BrokenPipeError) and _reader_is_gone():
            return DONE
        if options.debug:
            raise
        return _refuse(command, error)


def _refuse(command: str, error: Exception) -> int:
    """Print an error in one line; a usage error says where the flags are described."""
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    hint = f"; see {command} --help" if isinstance(error, UsageError) else ""
    print(f"{command}: {text}{hint}", file=sys.stderr)
    return WRONG_INPUT


def _reader_is_gone() -> bool:
    """Tell whether the reader of a pipe has stopped (`pixelwise models | head`); then the rest is thrown away."""
    if sys.platform == "win32":  # reports a closed pipe in another way, and cannot be asked
        return False
    try:
        output = sys.stdout.fileno()
    except OSError:  # not a file at all
        return False
    poll = select.poll()
    poll.register(output, 0)  # errors are reported without being asked for
    if not any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
        return False
    # Python flushes once more at exit, and would print a traceback.
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return True


def _parse(words: Sequence[str]) -> Namespace:
    parser = _make_parser()
    if not words:
        parser.error(f"give a command: {', '.join(VERBS)}")
    if not words[0].startswith("-") and words[0] not in VERBS:
        parser.error(f"there is no command {words[0]!r}: {suggest(words[0], VERBS)}")
    options, unknown = parser.parse_known_args(words)
    if unknown:
        options.parser.error(unknown_flags(options.parser, unknown))
    return options


def _make_parser() -> Parser:
    width = max(map(len, VERBS))
    commands = "\n".join(f"  {name:{width}}  {verb.SUMMARY}" for name, verb in VERBS.items())
    parser = Parser(
        "pixelwise",
        usage="pixelwise COMMAND [flags]",
        description=f"Image segmentation on your own images: from a folder to masks.\n\ncommands:\n{commands}",
        examples=("pixelwise demo", *[VERBS[name].EXAMPLES[0] for name in ("inspect", "train", "evaluate", "predict")]),
    )
    parser.add_argument("--version", action="version", version=f"pixelwise {__version__}", help="show the version")
    parser.add_last_flags(debug=False)
    # Without help texts of their own, the subparsers are not listed a second time.
    subparsers = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, help=argparse.SUPPRESS, parser_class=Parser
    )
    for name, verb in VERBS.items():
        subparser = subparsers.add_parser(
            name,
            usage=verb.USAGE,
            description=f"{verb.SUMMARY[0].upper()}{verb.SUMMARY[1:]}.",
            examples=verb.EXAMPLES,
        )
        subparser.set_defaults(run=verb.run, parser=subparser)
        verb.add_flags(subparser)
        subparser.add_last_flags(debug=True)
    return parser

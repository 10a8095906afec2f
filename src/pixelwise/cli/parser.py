"""An argument parser whose errors are one line that names the flag, its value and what is allowed."""

from __future__ import annotations

import re
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from . import exit_codes

_ARGPARSE_PREFIX = re.compile(r"^argument ([^:]+): (is |has )?")


class UsageError(ValueError):
    """The words of a command line do not form a command; `--help` of the command says how they do."""


class Parser(ArgumentParser):
    """An `ArgumentParser` that raises `UsageError` instead of printing the usage of all flags and exiting.

    Args:
        prog: the words before the flags, "pixelwise train".
        description: of the command, printed first by `--help`.
        usage: the line after "usage:".
        examples: command lines that `--help` ends with.
        settings: further settings that argparse gives to subparsers.
    """

    def __init__(
        self, prog: str, *, description: str, usage: str | None = None, examples: Sequence[str] = (), **settings: Any
    ) -> None:
        heading = ["examples:", *[f"  {example}" for example in examples], ""] if examples else []
        super().__init__(
            prog,
            usage=usage,
            description=description,
            epilog="\n".join([*heading, exit_codes.MEANINGS]),
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
            add_help=False,
            **settings,
        )
        self._positionals.title = "arguments"
        self._optionals.title = "flags"

    def add_last_flags(self, *, debug: bool) -> None:
        """Add --help, and perhaps --debug, as a group of their own at the end."""
        group = self.add_argument_group("other flags")
        group.add_argument("-h", "--help", action="help", help="show this help")
        if debug:
            group.add_argument("--debug", action="store_true", help="show the traceback of an error")

    def error(self, message: str) -> NoReturn:
        """Raise a `UsageError`: "argument --tile: is '0': …" becomes "--tile is '0': …"."""
        raise UsageError(_ARGPARSE_PREFIX.sub(_name_flag, message))


def _name_flag(match: re.Match[str]) -> str:
    """Name the flag as the subject of a sentence that begins with its verb."""
    return f"{match[1]} {match[2]}" if match[2] else f"{match[1]}: "


def unknown_flags(parser: ArgumentParser, unknown: Sequence[str]) -> str:
    """Describe the words that a parser does not know, with the nearest flag for each that looks like one."""
    known = [flag for action in parser._actions for flag in action.option_strings]
    hints = []
    for word in unknown:
        if not word.startswith("-"):
            continue
        flag = word.partition("=")[0]
        # The beginning of a flag means that flag, whatever else is spelled alike.
        beginnings = [name for name in known if name.startswith(flag)]
        nearest = beginnings or get_close_matches(flag, known, 1)
        hints.append(f"{word} (did you mean {nearest[0]}?)" if nearest else word)
    # Without a flag among them the unknown words are arguments too many.
    return f"there is no flag {', '.join(hints)}" if hints else f"one argument too many: {' '.join(unknown)}"

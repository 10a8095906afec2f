"""Fills the generated parts of the site from the library itself, so that they cannot go stale.

A page asks for a part with a comment on a line of its own: `<!-- generated: cli -->`. On other readers of Markdown the
page stays readable without it.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
MARK = re.compile(r"^<!-- generated: (\w+)(?: (.+?))? -->$", re.MULTILINE)
CHECKPOINT = re.compile(r"^  (\S+)\s+(?:here|to download|to bring)\s", re.MULTILINE)
FIELD = re.compile(r"^(\w+)[ ]+(.*)$", re.MULTILINE)

GROUPS = {
    "Make, load and save": "create load load_weights merge save summarize",
    "Data": "open_dataset read_image inspect build_panoptic",
    "Train and evaluate": "train Recipe evaluate tune",
    "Predict": "predict predict_files Predictor draw",
    "What passes between them": "Segmentation Masks Classes Sample Batch",
    "After the network": "Chain CRF RecurrentCRF mean_field MergeRules",
}
"""How the page of the API is divided; names that are new to the library come last, under a heading of their own."""


def on_page_markdown(markdown: str, page: object, config: object, files: object) -> str:
    """Called by MkDocs for each page."""
    return MARK.sub(lambda found: PARTS[found[1]](*(found[2] or "").split()), markdown)


# --- command line ----------------------------------------------------------------------------------------------------


class _Taken(Exception):
    """Carries the parser out of `main`."""


@cache
def command_line() -> argparse.ArgumentParser:
    """The argument parser that `pixelwise` itself uses, whatever module makes it."""
    main = _library("pixelwise.cli").main

    def take(parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        raise _Taken(parser)

    with mock.patch.object(argparse.ArgumentParser, "parse_known_args", take):
        try:
            main(["--version"])
        except _Taken as taken:
            return taken.args[0]  # type: ignore[no-any-return]
    raise RuntimeError("`pixelwise` parses no arguments")


def commands() -> dict[str, argparse.ArgumentParser]:
    """The parser of each subcommand, in the order of `pixelwise --help`."""
    choices = next(a for a in command_line()._actions if isinstance(a, argparse._SubParsersAction)).choices
    return dict(choices)


def cli() -> str:
    """Every subcommand with its flags."""
    return "\n".join(line for name, parser in commands().items() for line in _command(name, parser))


def _command(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f"\n## pixelwise {name}\n\n{parser.description or ''}\n"
    with mock.patch.dict(os.environ, {"COLUMNS": "100", "NO_COLOR": "1"}):
        usage = parser.format_usage().removeprefix("usage: ").rstrip()
    yield f"```text\n{usage}\n```\n"
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if action.help is not argparse.SUPPRESS]
        if not actions:
            continue
        title = (group.title or "").replace("positional arguments", "arguments")
        yield f"**{title[:1].upper()}{title[1:]}**{': ' + group.description if group.description else ''}\n"
        yield "| argument | meaning |\n|---|---|"
        for action in actions:
            text = parser._get_formatter()._expand_help(action) if action.help else ""
            yield f"| {_flag(action)} | {_cell(text)} |"
        yield ""


def _flag(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    if action.choices and not action.metavar:
        value = f" {{{','.join(map(str, action.choices))}}}"
    return ", ".join(f"`{flag}{value}`" for flag in action.option_strings)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|").replace("<", "&lt;").replace("*", r"\*")


# --- Python ----------------------------------------------------------------------------------------------------------


def api() -> str:
    """A heading and a directive of mkdocstrings for each public name, wherever it is defined."""
    library = _library("pixelwise")
    left = dict.fromkeys(sorted(library.__all__))
    lines: list[str] = []
    for title, names in [*GROUPS.items(), ("Others", " ".join(left))]:
        known = [name for name in names.split() if name in left]
        if known:
            lines.append(f"\n## {title}\n")
        for name in known:
            del left[name]
            value = getattr(library, name)
            lines.append(f"::: {value.__module__}.{value.__qualname__}\n    options:")
            lines.append(f"      heading: pixelwise.{name}\n      toc_label: {name}\n      heading_level: 3\n")
    return "\n".join(lines)


# --- published checkpoints -------------------------------------------------------------------------------------------


@cache
def published() -> dict[str, dict[str, str]]:
    """Name → what `pixelwise models NAME` says of each published checkpoint."""
    names = CHECKPOINT.findall(_printed("models"))
    return {name: dict(FIELD.findall(_printed("models", name))) for name in names}


def checkpoints(*methods: str) -> str:
    """A table of the published checkpoints, of some methods or of all."""
    lines = ["| name | score that its publisher states | licence | file |", "|---|---|---|---|"]
    for name, said in published().items():
        if not methods or _method(name) in methods:
            file = "downloaded" if said["url"] != "None" else f"to bring, from [its page]({said['page']})"
            lines.append(f"| `{name}` | {said['score']} | {said['licence']} | {file} |")
    return "\n".join(lines)


def _printed(*words: str) -> str:
    """What a command prints."""
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        _library("pixelwise.cli").main(words)
    return written.getvalue()


def _method(checkpoint: str) -> str:
    """`deeplabv3` of `deeplabv3_resnet50.torchvision-coco-voc`."""
    known = [name for name in _library("pixelwise.models").MODELS if checkpoint.startswith(name)]
    return max(known, key=len, default="")


# --- other files -----------------------------------------------------------------------------------------------------


def include(path: str) -> str:
    """A file of the project, its links to `docs/` made links within the site, without its title."""
    text = (ROOT / path).read_text("utf-8").replace("](docs/", "](").replace("](CHANGELOG.md)", "](changelog.md)")
    return re.sub(r"^# .*\n", "", text, count=1)


def _library(name: str) -> object:
    if str(ROOT / "src") not in sys.path:
        sys.path.insert(0, str(ROOT / "src"))
    return importlib.import_module(name)


PARTS: dict[str, Callable[..., str]] = {"cli": cli, "api": api, "checkpoints": checkpoints, "include": include}

"""What `--help` shows."""

from __future__ import annotations

import dataclasses
import re
import shlex

import pytest

from pixelwise.cli import _make_parser, main
from pixelwise.cli.exit_codes import MEANINGS
from pixelwise.cli.verbs import VERBS
from pixelwise.cli.verbs.train import EVERYDAY, GROUPS
from pixelwise.training.recipe import Machine, Recipe

each_verb = pytest.mark.parametrize("verb", VERBS)


def help_of(capsys, *words: str) -> str:
    with pytest.raises(SystemExit) as end:
        main([*words, "--help"])
    assert end.value.code == 0
    return capsys.readouterr().out


def test_the_overview_lists_each_command_once(capsys):
    lines = help_of(capsys).splitlines()
    listed = [line.split(maxsplit=1) for line in lines if line.startswith("  ") and line.split()[0] in VERBS]
    assert listed == [[name, verb.SUMMARY] for name, verb in VERBS.items()]
    assert lines[-1] == MEANINGS


@each_verb
def test_help_ends_with_two_examples_and_the_exit_codes(verb, capsys):
    *_, examples, codes = help_of(capsys, verb).rstrip().split("\n\n")
    assert examples.splitlines() == ["examples:", *(f"  {example}" for example in VERBS[verb].EXAMPLES)]
    assert len(VERBS[verb].EXAMPLES) == 2
    assert codes == MEANINGS


@each_verb
def test_examples_are_commands_that_parse(verb):
    for example in VERBS[verb].EXAMPLES:
        program, *words = shlex.split(example)
        assert program == "pixelwise"
        options, unknown = _make_parser().parse_known_args(words)
        assert (options.command, unknown) == (verb, [])


@each_verb
def test_every_flag_has_a_help_and_a_place(verb):
    options, _ = _make_parser().parse_known_args(shlex.split(VERBS[verb].EXAMPLES[0])[1:])
    groups = [group for group in options.parser._action_groups if group._group_actions]
    assert groups[-1].title == "other flags"
    for group in groups:
        assert len(group._group_actions) <= 15, f"{group.title} is a long list: divide it"
        for action in group._group_actions:
            assert action.help, action.option_strings


def test_the_default_of_tiles_is_the_one_that_is_used(capsys):
    from pixelwise.inference.method import MAX_UNTILED_PIXELS, TILE

    side = int(MAX_UNTILED_PIXELS**0.5)
    text = f"(default: {TILE} for images of more than {side}x{side} pixels"
    assert side**2 == MAX_UNTILED_PIXELS and text in " ".join(help_of(capsys, "predict").split())


def test_train_shows_eight_everyday_flags_first(capsys):
    flags = re.findall(r"^  (--[\w-]+)", help_of(capsys, "train"), re.MULTILINE)
    assert flags[:8] == ["--data", "--recipe", "--model", "--epochs", "--imgsz", "--batch", "--out", "--resume"]


def test_train_has_a_flag_for_each_key_once():
    keys = [field.name for field in (*dataclasses.fields(Recipe), *dataclasses.fields(Machine))]
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted([*EVERYDAY, *grouped]) == sorted([*keys, "recipe", "out", "resume"])


def test_train_shows_the_defaults(capsys):
    text = " ".join(help_of(capsys, "train").split())
    for key in ("epochs", "batch", "optimizer", "loss", "device"):
        field = next(f for f in (*dataclasses.fields(Recipe), *dataclasses.fields(Machine)) if f.name == key)
        assert re.search(rf"--{key} [^-].*?\(default: {re.escape(str(field.default))}\)", text)
    assert "--scale MIN,MAX" in text and "(default: 0.5,2)" in text

"""Progress bars, messages and text tables."""

from __future__ import annotations

import io
import sys
from functools import cache

from pixelwise import console
from pixelwise.console import ProgressBar, format_value, print_above, text_table, track


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def terminal_of(monkeypatch) -> Terminal:
    """Let stderr be a terminal, and a bar be drawn at each step."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(console, "REFRESH_SECONDS", 0.0)
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(console, "_terminal", cache(console._terminal.__wrapped__))
    return sys.stderr


def test_without_a_terminal_it_is_a_line_for_each_tenth(capsys):
    assert list(track(range(20), "predict", 20)) == list(range(20))
    assert capsys.readouterr().err.splitlines() == [f"predict: {n} of 20 images" for n in range(2, 21, 2)]
    assert list(track("abc", "predict", 3, unit="bands")) == ["a", "b", "c"]
    assert capsys.readouterr().err.splitlines() == [f"predict: {n} of 3 bands" for n in (1, 2, 3)]


def test_nothing_is_printed_when_it_is_not_shown(capsys, monkeypatch):
    terminal = terminal_of(monkeypatch)
    assert list(track("abc", "predict", 3, show=False)) == ["a", "b", "c"]
    assert terminal.getvalue() == ""
    with ProgressBar("predict", 3, show=False) as bar:
        bar.advance(3)
    assert (capsys.readouterr().out, terminal.getvalue()) == ("", "")


def test_no_plain_lines_where_none_are_asked_for(capsys):
    with ProgressBar("train", 2, unit="steps", plain=False) as bar:
        bar.advance(2)
    assert capsys.readouterr().err == ""


def test_a_total_may_be_unknown_or_exceeded(capsys):
    with ProgressBar("download", None) as bar:
        bar.advance(5)
    assert capsys.readouterr().err == ""
    with ProgressBar("predict", 2) as bar:
        bar.advance(3)
    assert capsys.readouterr().err == "predict: 3 of 2 images\n"


def test_a_terminal_gets_a_bar_that_goes_away(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with ProgressBar("train", 4, unit="steps", start=1) as bar:
        bar.advance(description="epoch 1", status="loss 0.5")
        drawn = terminal.getvalue()
        assert all(text in drawn for text in ("epoch 1", "2/4", "steps", "loss 0.5"))
    assert terminal.getvalue().endswith("\x1b[2K")  # the line is erased
    bar.close()


def test_bars_may_be_nested(monkeypatch):
    terminal = terminal_of(monkeypatch)
    for _ in track(range(1), "predict", 1):
        assert list(track("ab", "tiles", 2, unit="bands")) == ["a", "b"]
    assert "predict" in terminal.getvalue() and "tiles" in terminal.getvalue()


def test_a_bar_of_bytes_has_their_units(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with ProgressBar("download", 4_000_000, unit="bytes") as bar:
        bar.advance(1_000_000)
    assert "1.0/4.0 MB" in terminal.getvalue()


def test_the_cursor_stays_visible(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with ProgressBar("train", 4):
        assert terminal.getvalue().rindex("\x1b[?25h") > terminal.getvalue().rindex("\x1b[?25l")


def test_lines_go_to_their_stream(capsys):
    print_above("one [bold]line[/bold]")
    print_above("another", stderr=True)
    assert capsys.readouterr() == ("one [bold]line[/bold]\n", "another\n")


def test_lines_stand_above_a_bar(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with ProgressBar("predict", 4):
        print_above("skipped [a].png", stderr=True)
    assert "skipped [a].png\n" in terminal.getvalue()


def test_columns_are_aligned():
    assert text_table([["class", "IoU", "found"], ["sky", 0.5, 12], ["車", float("nan"), "1 to 2"]]) == (
        "class     IoU   found\nsky    0.5000      12\n車          –  1 to 2"
    )
    assert text_table([["a", "b"], ["long", "c"]], left=(0, 1)) == "a     b\nlong  c"
    assert max(map(len, text_table([["x" * 500, "[red]y"]]).splitlines())) == 508


def test_values_are_formatted():
    assert [format_value(value) for value in (0.123456, float("nan"), 7, "text")] == ["0.1235", "–", "7", "text"]

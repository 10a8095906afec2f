"""The glossary of CONTRIBUTING.md holds: its terms are used, the words that it replaces are not."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src" / "pixelwise").rglob("*.py"))
FOLDER_NAMES = "data/recognition/path_words.py"
"""Holds the words that other people's folders are named by."""
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "src" / "pixelwise").rglob("*.yaml")])
ROW = re.compile(r"^\| (?P<term>[^|]+?) \| (?P<meaning>[^|]+?) \|(?: (?P<instead>[^|]*?))? *\|$", re.MULTILINE)
GLOSSARY = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("## Words")[1]
ROWS = [row for row in ROW.finditer(GLOSSARY) if not row["term"].startswith(("term", "--"))]
REPLACED = [word for row in ROWS for word in (row["instead"] or "").split(", ") if word]
FRAGMENT = re.compile(r"(Of|What|That|Whether|Those|The same|Which|Where|How|If|As|So|And|With|From)\b")
MOST_FRAGMENTS = 30


def docstrings(path: Path) -> list[str]:
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    nodes = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, kinds)]
    return [text for node in nodes if (text := ast.get_docstring(node))]


def test_the_glossary_is_complete_and_in_order():
    terms = [row["term"] for row in ROWS]
    assert len(terms) >= 40
    assert terms == sorted(terms, key=str.casefold)
    assert len(REPLACED) >= 3


@pytest.mark.parametrize("path", [*SOURCES, *PAGES], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_word_that_the_glossary_replaces(path):
    if path.as_posix().endswith(FOLDER_NAMES):
        return
    text = path.read_text("utf-8")
    for word in REPLACED:
        place = re.search(rf"(?i)\b{re.escape(word)}s?\b", text)
        line = text[: place.start()].count("\n") + 1 if place else 0
        assert place is None, f"{path.name}:{line}: {word!r} has another word in the glossary of CONTRIBUTING.md"


def test_every_term_is_used():
    everything = "\n".join(path.read_text("utf-8") for path in [*SOURCES, *PAGES]).casefold()
    for row in ROWS:
        words = re.sub(r"\(.*?\)", "", row["term"]).strip().casefold()
        variants = {words, words.replace("-", " "), words.replace(" and ", " or "), words.split(" and ")[0]}
        assert any(one in everything for one in variants), f"nobody says {row['term']!r}: leave it out of the glossary"


def test_docstrings_begin_with_what_the_thing_is_or_does():
    fragments = [text.splitlines()[0] for path in SOURCES for text in docstrings(path) if FRAGMENT.match(text)]
    assert len(fragments) < MOST_FRAGMENTS, "\n".join(fragments)

"""Every command and every line of Python that the README and the docs show runs as written, in the page's order."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(bash|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture
def workplace(tmp_path, monkeypatch, nuclei_sample) -> Path:
    """`cells/` (four images to train on, four to test, masks of 0 and 255), `nuclei/` (label maps), `image.jpg`."""
    for split, number in (("train", 4), ("val", 4)):
        for name in (nuclei_sample / f"{split}.txt").read_text("utf-8").split()[:number]:
            for kind in ("images", "masks"):
                image = cv2.imread(str(nuclei_sample / kind / f"{name}.png"), cv2.IMREAD_UNCHANGED)[:160, :160]
                for folder in (tmp_path / "cells" / kind / split, tmp_path / "nuclei" / kind / split):
                    folder.mkdir(parents=True, exist_ok=True)
                    cv2.imwrite(str(folder / f"{name}.png"), image)
                if kind == "masks":
                    image = (image > 0).astype("uint8") * 255
                cv2.imwrite(str(tmp_path / "cells" / kind / split / f"{name}.png"), image)
                if kind == "images":
                    cv2.imwrite(str(tmp_path / "image.jpg"), image)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_command(line: str) -> None:
    words = shlex.split(line, comments=True)
    if words[0] == "make":
        subprocess.run(["make", "-n", "-C", ROOT, *words[1:]], check=True, capture_output=True)
    elif words[:2] == ["pip", "install"]:
        name, _, extras = words[2].partition("[")
        assert name == PROJECT["name"]
        assert {e for e in extras.rstrip("]").split(",") if e} <= set(PROJECT["optional-dependencies"])
    elif words[0] == "pixelwise":
        from pixelwise.cli import main

        assert main(words[1:]) == 0, line
    elif words[:2] == ["python", "benchmarks/"] or words[0] == "python":
        assert (ROOT / words[1]).is_file(), line
    else:
        pytest.fail(f"the docs show a command that no test runs: {line}")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_snippet_runs(page, workplace):
    for language, block in FENCE.findall(page.read_text("utf-8")):
        if language == "bash":
            for line in filter(None, (line.split("  #")[0].strip() for line in block.splitlines())):
                run_command(line)
        else:
            exec(compile(block, str(page), "exec"), {"__name__": "snippet"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = page.read_text("utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text) + re.findall(r'src="(?!https?:)([^"]+)"', text):
        assert (page.parent / link).exists(), f"{page.name} links to {link}, which is not there"


def test_the_readme_opens_with_the_two_commands():
    block = FENCE.search((ROOT / "README.md").read_text("utf-8"))
    assert block is not None
    assert [line.split("#")[0].strip() for line in block[2].splitlines()] == ["make demo", "make test"]

"""Every command and every line of Python that the README and the docs show is checked, in the page's order.

A snippet runs as it is written. After a comment `<!-- not run: REASON -->` it is not run: its commands are then parsed
by the real argument parser, recipes are read and models made without weights, and Python is compiled.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from argparse import Namespace
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
FENCE = re.compile(r"^(?:<!-- (not run: [^\n]+) -->\n)?```(bash|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
TRAINED_ON_THE_PAGE = ("README.md", "quickstart.md")
"""Pages that train the models which they use; on the others these are there already."""

LONGEST_README = 140
RESULTS = "\n".join(path.read_text("utf-8") for path in (ROOT / "benchmarks" / "results").glob("*.txt"))
NUMBER = re.compile(r"(?<![\w.×³²-])\d+(?:\.\d+)?(?:e-\d+)?(?![\w.×²³])")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    """`docs/hooks.py`, which knows the argument parser."""
    spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "hooks.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


def make_models() -> None:
    """`runs/train`, a semantic model, and `runs/objects`, an instance model, both untrained."""
    import pixelwise

    for run, method, data, arguments in (
        ("train", "unet", "cells", {}),
        ("objects", "mask_rcnn", "nuclei", {"width": 16, "regions": 16}),
    ):
        classes = pixelwise.open_dataset(data).classes
        model = pixelwise.create(method, backbone="tf_efficientnet_lite0", classes=classes, **arguments)
        Path("runs", run).mkdir(parents=True)
        pixelwise.save(model, f"runs/{run}/best.safetensors")


def make_formats() -> None:
    """A folder of each format that the page of formats shows."""
    import pixelwise

    formats = sys.modules[pixelwise.open_dataset.__module__].FORMATS  # type: ignore[attr-defined]
    truths = {"voc": "panoptic", "coco-panoptic": "panoptic"}
    for name in ("voc", "coco", "coco-panoptic", "yolo", "labelme", "cvat"):
        truth = truths.get(name, "instance")
        for split in ("train", "val"):
            data = pixelwise.open_dataset(f"shapes:number=10,size=64,seed=3,truth={truth}", split=split)
            with pytest.warns(UserWarning, match="one polygon") if name == "yolo" else nullcontext():
                formats[name].write(data, Path(name))
    numbers = np.full((64, 64), 7, np.uint16)
    numbers[20:40, 20:40] = 26001
    for split, seed in (("train", 0), ("val", 1)):
        for kind, ending, pixels in (
            ("leftImg8bit", "leftImg8bit", np.random.default_rng(seed).integers(0, 255, (64, 64, 3), np.uint8)),
            ("gtFine", "gtFine_instanceIds", numbers),
        ):
            folder = Path("cityscapes", kind, split, "aachen")
            folder.mkdir(parents=True)
            cv2.imwrite(str(folder / f"aachen_{seed:06d}_000019_{ending}.png"), pixels)


def commands_of(block: str) -> list[list[str]]:
    """The words of each command of a block of bash, comments left out."""
    lines = (line.split("  #")[0].strip() for line in block.splitlines())
    return [shlex.split(line, comments=True) for line in lines if line]


def check_tool(words: list[str]) -> bool:
    """Whether these words call a tool that is checked without running it."""
    if words[0] == "make":
        subprocess.run(["make", "-n", "-C", ROOT, *words[1:]], check=True, capture_output=True)
    elif words[0] == "pip":
        for target in (word for word in words[2:] if word.startswith((".", PROJECT["name"])) and words[1] != "wheel"):
            name, _, extras = target.partition("[")
            assert name in (".", PROJECT["name"])
            assert {e for e in extras.rstrip("]").split(",") if e} <= set(PROJECT["optional-dependencies"])
    elif words[0] == "python":
        assert (ROOT / words[1]).is_file(), words
    else:
        return False
    return True


def run_command(words: list[str]) -> None:
    if not check_tool(words):
        from pixelwise.cli import main

        assert words[0] == "pixelwise", f"the docs show a command that no test runs: {shlex.join(words)}"
        assert main(words[1:]) == 0, shlex.join(words)


def parse_command(words: list[str], hooks: ModuleType) -> None:
    """That a command which is not run means something: its flags exist, its recipe is valid, its model can be made."""
    if check_tool(words):
        return
    assert words[0] == "pixelwise", f"the docs show a command that no test checks: {shlex.join(words)}"
    if words[1:] == ["--version"]:
        return
    options, unknown = hooks.command_line().parse_known_args(words[1:])
    assert not unknown, shlex.join(words)
    if words[1] == "train" and not options.resume:
        check_recipe(options)


def check_recipe(options: Namespace) -> None:
    import torch

    import pixelwise

    fields = [field.name for field in dataclasses.fields(pixelwise.Recipe)]
    changes = {name: value for name, value in vars(options).items() if name in fields and value is not None}
    recipe = (
        pixelwise.Recipe.from_yaml(options.recipe, changes) if options.recipe else pixelwise.Recipe.from_dict(changes)
    )
    classes = pixelwise.Classes(("ground", "object"), things=(False, True), background=0)
    backbone = {} if recipe.backbone is None else {"backbone": recipe.backbone}
    if recipe.model == "unet_padded":
        backbone = {}
    with torch.device("meta"):
        pixelwise.create(recipe.model, classes=classes, **backbone, **recipe.arguments)


@pytest.mark.slow
@each_page
def test_every_snippet_runs(page, workplace, hooks):
    snippets = FENCE.findall(page.read_text("utf-8"))
    if snippets and page.name not in TRAINED_ON_THE_PAGE and page.parent != ROOT:
        make_models()
    if page.name == "formats.md":
        make_formats()
    for mark, language, block in snippets:
        if language == "python":
            code = compile(block, str(page), "exec")
            if not mark:
                exec(code, {"__name__": "snippet"})
        else:
            for words in commands_of(block):
                if mark:
                    parse_command(words, hooks)
                else:
                    run_command(words)


@each_page
def test_every_command_parses(page, hooks):
    for _, language, block in FENCE.findall(page.read_text("utf-8")):
        if language == "python":
            compile(block, str(page), "exec")
            continue
        for words in commands_of(block):
            if words[0] == "pixelwise" and words[1] in hooks.commands():
                _, unknown = hooks.command_line().parse_known_args(words[1:])
                assert not unknown, shlex.join(words)


@each_page
def test_every_block_of_code_is_one_that_is_checked(page):
    kinds = re.findall(r"^```(\w*)\n.*?^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert set(kinds) <= {"bash", "python", "text", ""}


@each_page
def test_links_lead_somewhere(page):
    text = page.read_text("utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text) + re.findall(r'src="(?!https?:)([^"]+)"', text):
        assert (page.parent / link).exists(), f"{page.name} links to {link}, which is not there"


@each_page
def test_measured_figures_are_those_of_the_benchmarks(page):
    """Each number in a table below "Measured" stands in a file of `benchmarks/results`, digit by digit."""
    for table in measured_tables(page):
        for row in table:
            for cell in row[1:]:
                for number in NUMBER.findall(cell):
                    assert re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", RESULTS), f"{number} in {' | '.join(row)}"


def measured_tables(page: Path) -> list[list[list[str]]]:
    text = page.read_text("utf-8")
    if page.name not in ("measured.md", "README.md") and page != DOCS / "methods" / "index.md":
        text = text.partition("\n## Measured")[2].partition("\n## ")[0]
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [[[cell.strip() for cell in line.strip("|\n").split("|")] for line in t.splitlines()[2:]] for t in tables]


def test_the_readme_opens_with_the_two_commands():
    block = FENCE.search((ROOT / "README.md").read_text("utf-8"))
    assert block is not None
    assert [line.split("#")[0].strip() for line in block[3].splitlines()] == ["make demo", "make test"]


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= LONGEST_README


def test_each_method_has_a_page():
    from pixelwise.models import MODELS

    pages = {path: path.read_text("utf-8") for path in (DOCS / "methods").glob("*.md") if path.stem != "index"}
    for name in MODELS:
        own = [path for path, text in pages.items() if f"`{name}`" in text.split("\n\n")[1]]
        assert len(own) == 1, f"{name} is the subject of {own or 'no page'} in docs/methods"
        assert "![" in pages[own[0]] and "## Measured" in pages[own[0]] and "## Differences" in pages[own[0]]


def test_each_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:")[2]
    for page in DOCS.rglob("*.md"):
        assert f": {page.relative_to(DOCS).as_posix()}\n" in navigation, f"{page} is not in mkdocs.yml"


def test_generated_parts_know_the_library(hooks):
    import pixelwise
    from pixelwise.models import MODELS

    assert {"train", "predict", "evaluate"} <= set(hooks.commands())
    for name in hooks.commands():
        assert f"## pixelwise {name}\n" in hooks.cli()
    for name in pixelwise.__all__:
        assert f"heading: pixelwise.{name}\n" in hooks.api()
    assert len(hooks.published()) > 50
    assert {hooks._method(name) for name in hooks.published()} <= set(MODELS)


def test_figures_are_those_that_the_script_draws(tmp_path):
    folder = tmp_path / "figures"
    folder.mkdir()
    for name in ("draw.py", "make.py"):
        (folder / name).write_text((DOCS / "figures" / name).read_text("utf-8"), "utf-8")
    subprocess.run([sys.executable, folder / "make.py"], check=True)
    drawn = {path.name: path.read_text("utf-8") for path in folder.glob("*.svg")}
    assert drawn == {path.name: path.read_text("utf-8") for path in (DOCS / "figures").glob("*.svg")}


@pytest.mark.slow
def test_the_site_builds(tmp_path):
    for needed in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(needed, reason="the site is built by the packages of the extra `docs`")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "methods" / "unet.html").is_file()
    api, cli = ((tmp_path / "site" / "reference" / f"{name}.html").read_text("utf-8") for name in ("api", "cli"))
    assert "pixelwise.create" in api and "Raises" in api and "--epochs" in cli

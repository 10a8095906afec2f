"""Files, functions and parameter lists stay small; nothing happens at import; the house's words hold."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "pixelwise"
FILES = sorted(PACKAGE.rglob("*.py"))
FILE, FUNCTION, PARAMETERS, CONSTRUCTOR = 450, 60, 8, 10
BUILDERS = ("__init__", "create", "open_dataset", "read_dataset")
FIELDS = 35  # 25 until the recipes of seven papers had to be said; then folders, and the range of deep images
FORBIDDEN_NAMES = {"utils", "helpers", "common", "core", "misc", "manager"}
QUIET = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.If)


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_sizes(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= FILE, f"{path.name} is a crowded room: rebuild it"
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        assert (node.end_lineno or 0) - node.lineno < FUNCTION, f"{path.name}: {node.name} is too long"
        given = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        number = len([a for a in given if a not in ("self", "cls")])
        limit = CONSTRUCTOR if node.name in BUILDERS else PARAMETERS
        assert number <= limit, f"{path.name}: {node.name} takes {number} parameters"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_words(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert not FORBIDDEN_NAMES & set(path.relative_to(PACKAGE).with_suffix("").parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("hasattr", "eval", "exec"), f"{path.name}:{node.lineno}: {node.func.id}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and path.parent.name != "layers":
            assert (node.value.id, node.attr) != ("self", "training"), f"{path.name}:{node.lineno}: self.training"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            assert not {"pickle", "dill", "joblib"} & set(names), (
                f"{path.name}:{node.lineno}: loading must not unpickle"
            )
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            assert any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords), (
                f"{path.name}:{node.lineno}: torch.load needs weights_only=True"
            )


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_is_executed_at_import(path):
    for node in ast.parse(path.read_text("utf-8")).body:
        documentation = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        main = path.name == "__main__.py"
        assert isinstance(node, QUIET) or documentation or main, f"{path.name}:{node.lineno}: {ast.unparse(node)[:60]}"


def test_a_recipe_is_flat_and_short():
    from dataclasses import fields

    from pixelwise.training.recipe import Recipe

    assert len(fields(Recipe)) <= FIELDS

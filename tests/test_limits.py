"""Files, functions and parameter lists stay small; nothing happens at import; the house's words hold."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "pixelwise"
FILES = sorted(PACKAGE.rglob("*.py"))
FILE, FUNCTION, PARAMETERS, CONSTRUCTOR = 450, 60, 8, 10
FOLDER = 14
# 25 until the recipes of seven papers had to be said: their optimisers, norms, arguments and auxiliary losses. 36 since
# a recipe says which folders hold images and masks, the intensity range and the maximum detections.
FIELDS = 36
BUILDERS = ("__init__", "create", "open_dataset", "read_dataset")
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


COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def own_expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """The expressions of a statement, without those of the statements inside it."""
    waiting = list(ast.iter_child_nodes(statement))
    while waiting:
        node = waiting.pop()
        if not isinstance(node, ast.stmt | ast.excepthandler | ast.match_case):
            yield node
            waiting += ast.iter_child_nodes(node)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_expressions_are_not_folded(path):
    for statement in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(statement, ast.stmt):
            continue
        where = f"{path.name}:{statement.lineno}"
        expressions = list(own_expressions(statement))
        comprehensions = [node for node in expressions if isinstance(node, COMPREHENSIONS)]
        assert len(comprehensions) <= 1, f"{where}: {len(comprehensions)} comprehensions in one statement"
        for node in expressions:
            inside = [one for one in ast.walk(node) if one is not node and isinstance(one, ast.IfExp)]
            assert not (isinstance(node, ast.IfExp) and inside), f"{where}: a conditional expression inside another"
        unpacks = isinstance(statement, ast.Assign) and any(isinstance(t, ast.Tuple) for t in statement.targets)
        assert not (unpacks and isinstance(statement.value, ast.GeneratorExp)), f"{where}: unpacks a generator"


def test_folders_are_not_crowded():
    modules = Counter(path.parent for path in FILES if path.name != "__init__.py")
    crowded = {folder.relative_to(PACKAGE).as_posix(): number for folder, number in modules.items() if number > FOLDER}
    assert not crowded, f"folders of more than {FOLDER} modules: {crowded}"


def test_no_two_modules_have_the_same_name():
    """Two files of one name are told apart only by their folders, which editors and tracebacks cut off."""
    names = Counter(path.name for path in FILES if not path.name.startswith("__"))
    shared = [name for name, number in names.items() if number > 1]
    assert not shared


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

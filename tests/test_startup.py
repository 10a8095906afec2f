"""What each door costs: nothing heavy is imported before it is used."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "pixelwise"

HEAVY = ("torch", "torchvision", "timm", "lightning", "cv2", "numpy", "scipy", "PIL", "rich", "jinja2", "matplotlib")


def loaded_by(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after `code`."""
    report = f"{code}\nimport sys\nprint('LOADED', *[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_importing_pixelwise_loads_nothing_heavy():
    assert loaded_by("import pixelwise; pixelwise.__version__") == set()


def test_help_loads_nothing_heavy():
    assert loaded_by("import pixelwise.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass") == set()


@pytest.mark.slow
def test_a_metric_costs_torch_alone():
    assert not loaded_by("import pixelwise.metrics") & {"torchvision", "timm", "lightning"}


@pytest.mark.slow
def test_predicting_does_not_pay_for_lightning():
    code = "import pixelwise; pixelwise.predict; pixelwise.load; pixelwise.evaluate; pixelwise.draw"
    assert not loaded_by(code) & {"torchvision", "timm", "lightning"}


def test_every_public_name_is_there():
    import pixelwise

    assert all(getattr(pixelwise, name) is not None for name in pixelwise.__all__)
    with pytest.raises(AttributeError, match="it has: "):
        _ = pixelwise.segment


def test_type_checkers_see_every_public_name():
    """The imports for them are the same names out of the same modules as the ones at run time."""
    import pixelwise

    (block,) = (node for node in ast.parse((PACKAGE / "__init__.py").read_text("utf-8")).body if is_for_types(node))
    imported = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names:
            assert alias.asname == alias.name, f"{alias.name}: only `import x as x` makes a name public"
            imported[alias.name] = node.module
    assert imported == pixelwise._PUBLIC


def is_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


@pytest.mark.slow
def test_a_type_checker_knows_what_the_public_functions_return(tmp_path):
    (tmp_path / "user.py").write_text(
        "import pixelwise\n"
        "reveal_type(pixelwise.load)\n"
        'model = pixelwise.create("unet", num_classes=2)\n'
        "reveal_type(model)\n"
        'reveal_type(pixelwise.predict(model, "image.jpg"))\n'
        "reveal_type(pixelwise.train)\n"
        "pixelwise.laod\n"
    )
    command = [sys.executable, "-m", "mypy", "--config-file=", f"--cache-dir={tmp_path / 'cache'}", "user.py"]
    environment = {**os.environ, "MYPYPATH": str(PACKAGE.parent)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    revealed = re.findall(r'Revealed type is "(.*)"', done.stdout)
    assert len(revealed) == 4, done.stdout + done.stderr
    assert re.fullmatch(r"def \(path: .*PathLike.*\) -> pixelwise\.models\.base\.Model", revealed[0])
    assert revealed[1:3] == ["pixelwise.models.base.Model", "pixelwise.segmentation.Segmentation"]
    assert re.match(r"def \(recipe: .*Recipe.*\) -> pixelwise\.training\.", revealed[3])
    assert 'Module has no attribute "laod"' in done.stdout

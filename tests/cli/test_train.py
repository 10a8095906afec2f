"""`pixelwise train`, `recipes` and `models`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pixelwise.cli import main
from pixelwise.cli.exit_codes import WRONG_INPUT

NET = """
from torch import nn

from pixelwise.models.base import SemanticModel, SemanticOutputs


class Tiny(SemanticModel):
    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.head = nn.Conv2d(3, num_classes, 1)

    def forward(self, images):
        return SemanticOutputs(self.head(self.normalize(images)))
"""


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--backbone", "resnet3"], "resnet"),
        (["--device", "cuda"], "there is"),
    ],
)
def test_what_only_the_library_can_tell(flags, message, cells, tmp_path, refused):
    import torch

    if flags[0] == "--device" and torch.cuda.is_available():
        pytest.skip("a GPU is there")
    assert message in refused("train", "--data", str(cells), "--out", str(tmp_path / "run"), *flags)
    assert not (tmp_path / "run").exists(), "a start that fails leaves nothing behind"


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("--lr", "x", "--lr is 'x': it must be a number"),
        ("--encoder-lr", "0", "--encoder-lr is 0.0: it must be above 0"),
        ("--arguments", "width", "--arguments is 'width': it must be names"),
        ("--workers", "-1", "--workers is -1: it must be 0 or more"),
        ("--arguments", "width=abc", "the argument width of unet is 'abc'"),
    ],
)
def test_the_flag_is_blamed_and_not_the_recipe(flag, value, message, tmp_path, cells, refused):
    for recipe in ([], ["--recipe", "unet-medical"]):
        said = refused("train", *recipe, "--data", str(cells), "--out", str(tmp_path / "run"), flag, value)
        assert said.startswith(f"pixelwise train: {message}")


def test_the_recipe_is_blamed_and_not_a_flag(tmp_path, cells, refused):
    file = tmp_path / "recipe.yaml"
    file.write_text(f"data: {cells}\nlr: x\n")
    assert f"{file}: lr is 'x'" in refused("train", "--recipe", str(file), "--epochs", "3")
    file.write_text(f"data: {cells}\nepoch: 3\n")
    assert "'epochs'" in refused("train", "--recipe", str(file))
    file.write_text("data: nowhere\n")
    assert f"{file}: data is 'nowhere': there is no nowhere" in refused("train", "--recipe", str(file))
    assert "nofile.yaml is not there" in refused("train", "--recipe", str(tmp_path / "nofile.yaml"))


def test_recipes_are_listed_and_shown(capsys, refused):
    from pixelwise.training.recipe_library import FOLDER

    names = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    assert main(["recipes"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.partition("\n\n")[0].splitlines()] == names
    assert main(["recipes", "pspnet-voc"]) == 0
    assert capsys.readouterr().out == (FOLDER / "pspnet-voc.yaml").read_text("utf-8")


@pytest.fixture
def net(tmp_path) -> Iterator[str]:
    """`net.py:Tiny`, a model class in a file; afterwards it is not registered."""
    from pixelwise.models import MODELS

    before, path = dict(MODELS), [*sys.path]
    (tmp_path / "net.py").write_text(NET)
    yield f"{tmp_path / 'net.py'}:Tiny"
    MODELS.clear()
    MODELS.update(before)
    sys.path[:] = path


@pytest.mark.slow
def test_a_class_of_ones_own_is_trained_resumed_and_evaluated(net, tmp_path, cells, capsys):
    run = tmp_path / "run"
    flags = ["--epochs", "1", "--imgsz", "32", "--batch", "2", "--augment", "none", "--loggers", "csv"]
    assert main(["train", "--data", str(cells), "--model", net, "--out", str(run), *flags]) == 0
    assert f"--data {cells} --register {net}\n" in capsys.readouterr().out
    assert re.search(r'^model: "Tiny"', (run / "recipe.yaml").read_text("utf-8"), re.MULTILINE)
    assert main(["train", "--resume", "--out", str(run), "--register", net]) == 0
    capsys.readouterr()
    evaluate = ["evaluate", "--model", str(run), "--data", str(cells), "--out", str(tmp_path / "e")]
    assert main([*evaluate, "--register", net, "--json"]) == 0
    row = (run / "metrics.csv").read_text("utf-8").splitlines()
    trained = dict(zip(row[0].split(","), row[-1].split(","), strict=True))
    assert json.loads(capsys.readouterr().out)["scores"]["mIoU"] == pytest.approx(float(trained["mIoU"]), abs=1e-6)


@pytest.mark.slow
def test_a_checkpoint_of_a_class_of_ones_own_says_what_to_register(net, tmp_path):
    from pixelwise import create
    from pixelwise.weights.checkpoint import save
    from pixelwise.weights.registration import register_from

    save(create(register_from(net), num_classes=2), tmp_path / "tiny.safetensors")
    words = [sys.executable, "-m", "pixelwise", "models", "tiny.safetensors"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (WRONG_INPUT, 1)
    assert "add --register net.py:Tiny" in done.stderr
    done = subprocess.run([*words, "--register", "net.py:Tiny"], cwd=tmp_path, capture_output=True, text=True)
    assert "Tiny: 8 parameters" in done.stdout

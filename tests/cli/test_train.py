"""`pixelwise train`, `recipes` and `models`."""

from __future__ import annotations

import json
import re

import pytest

from pixelwise.cli import main

NET = '''
"""A network of one convolution."""

from dataclasses import dataclass

from torch import nn

from pixelwise.models.base import Outputs, SemanticModel


class Tiny(SemanticModel):
    """One convolution."""

    method = "Tiny"

    def __init__(self, num_classes, width=1):
        super().__init__(num_classes)
        self.head = nn.Conv2d(3, num_classes, 1)

    def forward(self, images):
        return Outputs(self.head(self.normalize(images)))
'''


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
    from pixelwise.training.recipes import FOLDER

    names = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    assert main(["recipes"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.partition("\n\n")[0].splitlines()] == names
    assert main(["recipes", "pspnet-voc"]) == 0
    assert capsys.readouterr().out == (FOLDER / "pspnet-voc.yaml").read_text("utf-8")


@pytest.mark.slow
def test_a_class_of_ones_own_is_trained_resumed_and_evaluated(tmp_path, cells, capsys, refused):
    (tmp_path / "net.py").write_text(NET)
    run, spec = tmp_path / "run", f"{tmp_path / 'net.py'}:Tiny"
    flags = ["--epochs", "1", "--imgsz", "32", "--batch", "2", "--augment", "none", "--loggers", "csv"]
    assert main(["train", "--data", str(cells), "--model", spec, "--out", str(run), *flags]) == 0
    assert re.search(r"^model: \"Tiny\"", (run / "recipe.yaml").read_text("utf-8"), re.MULTILINE)
    assert main(["train", "--resume", "--out", str(run), "--register", spec]) == 0
    evaluate = ["evaluate", "--model", str(run), "--data", str(cells), "--out", str(tmp_path / "e")]
    capsys.readouterr()
    assert main([*evaluate, "--register", spec, "--json"]) == 0
    assert 0 < json.loads(capsys.readouterr().out)["scores"]["mIoU"] < 1
    assert main(["models", str(run), "--register", spec]) == 0
    assert "Tiny: 8 parameters" in capsys.readouterr().out


@pytest.mark.slow
def test_a_checkpoint_of_a_class_of_ones_own_says_what_to_register(tmp_path):
    import subprocess
    import sys

    (tmp_path / "net.py").write_text(NET)
    make = (
        "import pixelwise; from pixelwise.weights.registration import register_from; register_from('net.py:Tiny');"
        "pixelwise.save(pixelwise.create('Tiny', num_classes=2), 'tiny.safetensors')"
    )
    make = make.replace("pixelwise.save(", "from pixelwise.weights.checkpoint import save; save(")
    subprocess.run([sys.executable, "-c", make], cwd=tmp_path, check=True)
    words = [sys.executable, "-m", "pixelwise", "models", "tiny.safetensors"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "--register net.py:Tiny" in done.stderr
    done = subprocess.run([*words, "--register", "net.py:Tiny"], cwd=tmp_path, capture_output=True, text=True)
    assert "8 parameters" in done.stdout

"""The command line: what it prints, and how it ends when something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pixelwise.cli import INTERRUPTED, WRONG_INPUT, main
from pixelwise.cli.verbs import SOME_FAILED


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A checkpoint of an untrained little U-Net for two classes."""
    from pixelwise import Classes, create
    from pixelwise.weights import checkpoint

    path = tmp_path_factory.mktemp("model") / "best.safetensors"
    classes = Classes(("background", "nucleus"), things=(False, True), background=0)
    checkpoint.save(create("unet_padded", classes=classes, width=2), path, {})
    return path


@pytest.fixture
def cells(tmp_path) -> Path:
    """Two pictures with masks, one of each split."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (tmp_path / "cells" / kind / split).mkdir(parents=True)
        mask = (rng.random((40, 50)) > 0.5).astype(np.uint8) * 255
        cv2.imwrite(str(tmp_path / "cells" / "images" / split / "a.png"), rng.integers(0, 255, (40, 50, 3)))
        cv2.imwrite(str(tmp_path / "cells" / "masks" / split / "a.png"), mask)
    return tmp_path / "cells"


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    for word in ("pixelwise train", "pixelwise predict", "exit codes"):
        assert word in text


@pytest.mark.parametrize(
    "verb", ["demo", "inspect", "models", "recipes", "train", "evaluate", "tune", "predict", "convert"]
)
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert end.value.code == 0
    assert "exit codes" in capsys.readouterr().out


def test_predict_reports_the_bad_picture_and_does_the_others(tmp_path, cells, model, capsys):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    source = [str(cells / "images" / "val" / "a.png"), str(broken)]
    code = main(["predict", "--model", str(model), "--source", *source, "--out", str(tmp_path / "out")])
    assert code == SOME_FAILED
    assert "broken.jpg" in "".join(capsys.readouterr())
    assert any((tmp_path / "out").rglob("a*.png"))


def test_evaluate_prints_strict_json(tmp_path, cells, model, capsys):
    arguments = ["evaluate", "--model", str(model), "--data", str(cells), "--classes", "background,nucleus"]
    assert main([*arguments, "--json", "--out", str(tmp_path / "out")]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert 0 <= scores["scores"]["mIoU"] <= 1
    assert (tmp_path / "out" / "index.html").is_file()


def wrong(capsys, *arguments: str) -> str:
    """What a command that must be refused says."""
    assert main(arguments) == WRONG_INPUT
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model", "unett"], "unet"),
        (["--backbone", "resnet3"], "resnet"),
        (["--device", "cuda"], "there is"),
        (["--epochs", "many"], "whole number"),
        (["--loss", "dize"], "dice"),
        (["--augment", "lite"], "light"),
        (["--loggers", "paper"], "tensorboard"),
    ],
)
def test_train_refuses_and_names_the_nearest(flags, message, cells, tmp_path, capsys):
    import torch

    if flags[0] == "--device" and torch.cuda.is_available():
        pytest.skip("a GPU is there")
    said = wrong(capsys, "train", "--data", str(cells), "--out", str(tmp_path / "run"), *flags)
    assert message in said
    assert not (tmp_path / "run").exists(), "a start that fails leaves nothing behind"


def test_an_unknown_flag_and_its_nearest(capsys):
    for words in (["train", "--modle", "unet"], ["train", "--epoch", "3"]):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == WRONG_INPUT
        assert f"did you mean {'--model' if 'unet' in words else '--epochs'}?" in capsys.readouterr().err


def test_nothing_to_train_on(tmp_path, capsys):
    assert "--data FOLDER" in wrong(capsys, "train")
    assert "nofile.yaml is not there" in wrong(capsys, "train", "--recipe", str(tmp_path / "nofile.yaml"))


@pytest.mark.slow
def test_evaluate_reads_the_masks_as_the_training_did(tmp_path, cells, capsys):
    flags = ["--classes", "ground,cell", "--model", "unet_padded", "--epochs", "1", "--imgsz", "32", "--batch", "2"]
    assert main(["train", "--data", str(cells), "--out", str(tmp_path / "run"), *flags]) == 0
    assert f"pixelwise evaluate --model {tmp_path / 'run'}" in capsys.readouterr().out
    assert main(["evaluate", "--model", str(tmp_path / "run"), "--data", str(cells), "--out", str(tmp_path / "e")]) == 0
    assert "cell" in capsys.readouterr().out


def test_a_misspelt_recipe_key_is_named(tmp_path, cells, capsys):
    (tmp_path / "recipe.yaml").write_text(f"data: {cells}\nepoch: 3\n")
    assert "'epochs'" in wrong(capsys, "train", "--recipe", str(tmp_path / "recipe.yaml"))


def test_data_that_are_not_there(tmp_path, capsys, model):
    assert str(tmp_path / "nowhere") in wrong(capsys, "train", "--data", str(tmp_path / "nowhere"))
    assert "nowhere" in wrong(capsys, "predict", "--model", str(model), "--source", str(tmp_path / "nowhere.png"))
    assert "nowhere" in wrong(capsys, "predict", "--model", str(tmp_path / "nowhere"), "--source", "a.png")


def test_an_output_folder_that_cannot_be_written(tmp_path, cells, model, capsys):
    (tmp_path / "file").write_text("in the way")
    picture = str(cells / "images" / "val" / "a.png")
    said = wrong(capsys, "predict", "--model", str(model), "--source", picture, "--out", str(tmp_path / "file" / "x"))
    assert str(tmp_path / "file") in said


def test_ctrl_c_ends_with_130(monkeypatch, capsys):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("pixelwise.cli.verbs.models", interrupt)
    assert main(["models"]) == INTERRUPTED
    assert "interrupted" in capsys.readouterr().err


def test_models_lists_the_methods(capsys):
    assert main(["models"]) == 0
    assert "unet_padded" in capsys.readouterr().out


def test_python_dash_m():
    done = subprocess.run([sys.executable, "-m", "pixelwise", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("pixelwise ")

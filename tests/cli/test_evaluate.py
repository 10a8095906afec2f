"""`pixelwise evaluate` and `tune`."""

from __future__ import annotations

import json
from argparse import Namespace

import cv2
import numpy as np
import pytest

from pixelwise.cli import main
from pixelwise.cli.data_options import open_as_trained
from pixelwise.images.intensity import IntensityRange


def test_json_holds_the_scores_of_what_is_predicted(tmp_path, cells, model, capsys):
    """The mIoU is counted again with numpy, from the class map that `predict` writes."""
    flags = ["--model", str(model), "--data", str(cells), "--classes", "background,nucleus"]
    assert main(["evaluate", *flags, "--json", "--out", str(tmp_path / "scores")]) == 0
    scores = json.loads(capsys.readouterr().out)
    source = str(cells / "images" / "val")
    words = ["predict", "--model", str(model), "--source", source, "--write", "class-map", "--out", str(tmp_path)]
    assert main(words) == 0
    predicted = np.asarray(cv2.imread(str(tmp_path / "class-map" / "a.png"), cv2.IMREAD_GRAYSCALE)) > 0
    truth = cv2.imread(str(cells / "masks" / "val" / "a.png"), cv2.IMREAD_UNCHANGED) > 0
    ious = [
        ((predicted == side) & (truth == side)).sum() / ((predicted == side) | (truth == side)).sum()
        for side in (False, True)
    ]
    assert 0.1 < min(ious) < max(ious) < 0.9, "the model predicts both classes, and not always right"
    assert scores["scores"]["mIoU"] == pytest.approx(np.mean(ious), abs=1e-9)
    assert json.loads((tmp_path / "scores" / "metrics.json").read_text("utf-8")) == scores
    assert (tmp_path / "scores" / "index.html").is_file()


def test_masks_are_read_as_the_training_did(tmp_path, cells):
    for path in (cells / "masks").rglob("*.png"):
        values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        values[:10] = 7
        cv2.imwrite(str(path), values)
    record = {"recipe": {"classes": ["ground", "cell"], "void": [7], "colors": None}}
    options = Namespace(data=cells, split="val", format=None, classes=None, void=None, colors=None, range=None)
    before = vars(options).copy()
    data = open_as_trained(options, record)
    assert data.classes.names == ("ground", "cell")
    assert (data.truth(0).class_map()[:10] == 255).all()
    assert vars(options) == before, "the options are only read"


def test_flags_win_over_the_training(cells):
    record = {"recipe": {"classes": ["ground", "cell"], "void": [], "colors": None}}
    options = Namespace(
        data=cells, split="all", format=None, classes="soil,nucleus", void=None, colors=None, range=None
    )
    data = open_as_trained(options, record)
    assert data.classes.names == ("soil", "nucleus")
    assert len(data) == 2


@pytest.mark.slow
def test_a_training_is_evaluated_with_its_classes(tmp_path, cells, capsys):
    flags = ["--classes", "ground,cell", "--model", "unet_padded", "--epochs", "1", "--imgsz", "32", "--batch", "2"]
    run = tmp_path / "run"
    assert main(["train", "--data", str(cells), "--out", str(run), *flags]) == 0
    assert f"next: pixelwise evaluate --model {run} --data {cells}\n" in capsys.readouterr().out
    assert main(["evaluate", "--model", str(run), "--data", str(cells), "--out", str(tmp_path / "e")]) == 0
    table = capsys.readouterr().out
    assert "ground" in table and "cell" in table


@pytest.mark.slow
def test_tune_leaves_the_checkpoint_as_it_is_in_a_dry_run(nuclei_sample, model, capsys):
    before = model.read_bytes()
    flags = ["--data", str(nuclei_sample), "--split", "val", "--budget", "2", "--images", "4", "--dry-run"]
    flags += ["--classes", "background,nucleus"]
    assert main(["tune", "--model", str(model), *flags]) == 0
    assert "judged on 2 others" in capsys.readouterr().out
    assert model.read_bytes() == before


def test_the_range_is_that_of_the_model_unless_it_is_stated(cells):
    record = {"recipe": {}, "intensity": [[0, 3000]]}
    options = Namespace(data=cells, split="val", format=None, classes=None, void=None, colors=None, range=None)
    assert open_as_trained(options, record).intensity == IntensityRange.parse("0,3000")
    options.range = IntensityRange.parse("5,9")
    assert open_as_trained(options, record).intensity == options.range

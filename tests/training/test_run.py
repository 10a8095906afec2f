"""Training in this process: what a run leaves behind, and what it refuses."""

from __future__ import annotations

import csv
import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import pixelwise
from pixelwise.data.opening import open_dataset
from pixelwise.training.recipe import Machine, Recipe
from pixelwise.training.run import TrainingResult, train
from pixelwise.training.validation import Validation

MACHINE = Machine(device="cpu", precision="fp32", workers=0, loggers=())


@pytest.fixture(scope="module")
def recipe(plain, cells) -> Recipe:
    return Recipe(str(cells), model="noisy", epochs=4, batch=4, imgsz=(32,), lr=0.01, augment="light")


@pytest.fixture(scope="module")
def run(recipe, tmp_path_factory) -> TrainingResult:
    machine = replace(MACHINE, loggers=("csv", "tensorboard"))
    return train(recipe, machine=machine, out=tmp_path_factory.mktemp("runs") / "train", progress=False)


@pytest.mark.slow
def test_what_a_run_leaves_behind(run, recipe, cells):
    written = {path.name for path in run.folder.iterdir()}
    files = {"best.safetensors", "last.safetensors", "state.pt", "recipe.yaml", "metrics.csv", "curves.svg", "log.txt"}
    assert written == {*files, "tensorboard"}
    assert list((run.folder / "tensorboard").glob("events*"))
    assert Recipe.from_yaml(run.folder / "recipe.yaml") == replace(recipe, backbone=None)
    rows = list(csv.DictReader((run.folder / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert max(float(row["mIoU"]) for row in rows) == pytest.approx(run.scores["mIoU"], abs=1e-6)
    assert "8 images to train on, 4 to validate on" in (run.folder / "log.txt").read_text()


def test_the_checkpoint_says_what_it_is_and_scores_what_it_says(run, recipe, cells):
    model = pixelwise.load(run.best)
    assert model.record["recipe"] == replace(recipe, backbone=None).to_dict()
    assert len(model.record["data"]["fingerprint"]) == 16
    again = Validation(open_dataset(cells, split="val"), model, 0)(model, torch.device("cpu"))
    assert again == pytest.approx(run.scores)
    assert model.record["scores"] == pytest.approx(run.scores)


def test_a_finished_run_stays_as_it_is(run, recipe, capsys):
    before = (run.folder / "last.safetensors").stat().st_mtime_ns
    again = train(recipe, machine=MACHINE, out=run.folder, resume=True)
    assert again == run
    assert "nothing is left to do" in capsys.readouterr().out
    assert (run.folder / "last.safetensors").stat().st_mtime_ns == before


def test_a_run_is_never_overwritten(run, recipe):
    with pytest.raises(FileExistsError, match=r"--resume"):
        train(recipe, machine=MACHINE, out=run.folder, progress=False)


def test_a_run_resumes_with_its_own_recipe_only(run, recipe):
    with pytest.raises(ValueError, match=r"lr was 0.01 and is 0.5; seed was 0 and is 1"):
        train(replace(recipe, lr=0.5, seed=1), machine=MACHINE, out=run.folder, resume=True)


def test_a_run_resumes_with_its_own_images_only(run, recipe, cells, tmp_path):
    shutil.copytree(cells, tmp_path / "cells")
    shutil.copytree(run.folder, tmp_path / "run")
    image = next((tmp_path / "cells" / "images" / "train").iterdir())
    cv2.imwrite(str(image), np.zeros((64, 64, 3), np.uint8))
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    torch.save({**state, "finished": False}, tmp_path / "run" / "state.pt")
    with pytest.raises(ValueError, match="changed since"):
        train(replace(recipe, data=str(tmp_path / "cells")), machine=MACHINE, out=tmp_path / "run", resume=True)


def test_nothing_to_resume(recipe, tmp_path):
    with pytest.raises(FileNotFoundError, match="no run to resume"):
        train(recipe, machine=MACHINE, out=tmp_path, resume=True)


@pytest.mark.slow
def test_the_same_whatever_the_workers(run, recipe, tmp_path):
    other = train(recipe, machine=replace(MACHINE, workers=2), out=tmp_path / "run", progress=False)
    assert other.last.read_bytes() == run.last.read_bytes()


def test_an_accumulated_batch_is_a_batch(plain, recipe, tmp_path):
    """Without batch statistics or dropout the parts of a batch give the gradient of the whole."""
    recipe = replace(recipe, model="plain", loss="ce", scale=(1, 1), epochs=2)
    whole, parts = (
        pixelwise.load(
            train(recipe, machine=replace(MACHINE, accumulate=k), out=tmp_path / str(k), progress=False).last
        )
        for k in (1, 2)
    )
    for (name, a), b in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_learns_in_either_precision(recipe, squares, tmp_path, precision):
    """Processors without bfloat16 arithmetic compute it too, only slower."""
    easy = replace(recipe, data=str(squares), model="plain", epochs=8, lr=0.02, ema=0.5)
    done = train(easy, machine=replace(MACHINE, precision=precision), out=tmp_path, progress=False)
    assert precision in (done.folder / "log.txt").read_text()
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert float(rows[-1]["loss"]) < 0.7 * float(rows[0]["loss"])
    data = open_dataset(squares, split="val")
    torch.manual_seed(easy.seed)
    untrained = pixelwise.create("plain", classes=data.classes)
    assert Validation(data, untrained, 0)(untrained, torch.device("cpu"))["mIoU"] < 0.6
    assert done.scores["mIoU"] > 0.95


@pytest.mark.parametrize("multiplies", [False, True])
def test_auto_takes_bf16_where_the_processor_multiplies_it(recipe, tmp_path, monkeypatch, multiplies):
    monkeypatch.setattr("pixelwise.training.preparation.machine_check.cpu_multiplies_bf16", lambda: multiplies)
    short = replace(recipe, epochs=1)
    done = train(short, machine=replace(MACHINE, precision="auto"), out=tmp_path, progress=False)
    assert ("bf16" if multiplies else "fp32") in (done.folder / "log.txt").read_text()


def test_a_loss_that_is_no_number_ends_the_run(recipe, tmp_path):
    wild = replace(recipe, model="plain", loss="ce", optimizer="sgd", lr=1e30, clip=0.0, warmup=0.0)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(FloatingPointError, match=r"(?s)step \d+.*lower --lr") as caught:
        train(wild, machine=MACHINE, out=tmp_path, progress=False)
    assert signal.getsignal(signal.SIGINT) is before
    assert "images: " in str(caught.value) or "weights" in str(caught.value)
    assert not (tmp_path / "last.safetensors").exists(), "weights that are no numbers must not be kept"


def test_no_progress_ends_the_run(recipe, tmp_path):
    still = replace(recipe, model="plain", lr=1e-12, epochs=9, patience=2)
    done = train(still, machine=MACHINE, out=tmp_path, progress=False)
    assert len(list(csv.DictReader((tmp_path / "metrics.csv").open()))) == 3
    assert "no better mIoU for 2 epochs" in (tmp_path / "log.txt").read_text()
    assert train(still, machine=MACHINE, out=tmp_path, resume=True, progress=False) == done


def test_images_without_objects_and_without_validation(recipe, tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind / "train").mkdir(parents=True)
        for k in range(5):
            pixels = np.zeros((20, 30), np.uint8)
            if k == 0 and kind == "masks":
                pixels[:5, :5] = 1
            cv2.imwrite(str(tmp_path / "data" / kind / "train" / f"{k}.png"), pixels)
    one = replace(recipe, data=str(tmp_path / "data"), epochs=2)
    done = train(one, machine=MACHINE, out=tmp_path / "run", progress=False)
    assert "1 of 5 are held out" in (done.folder / "log.txt").read_text()
    assert done.best.exists()


def test_weights_to_start_from(run, recipe, cells, tmp_path):
    start = replace(recipe, weights=str(run.last), epochs=1, lr=1e-12)
    more = train(start, machine=MACHINE, out=tmp_path / "same", progress=False)
    old, new = (pixelwise.load(path).state_dict() for path in (run.last, more.last))
    torch.testing.assert_close(old["body.0.weight"], new["body.0.weight"])
    torch.testing.assert_close(old["head.weight"], new["head.weight"])
    named = train(replace(start, classes=("ground", "blob")), machine=MACHINE, out=tmp_path / "other", progress=False)
    new = pixelwise.load(named.last).state_dict()
    torch.testing.assert_close(old["body.0.weight"], new["body.0.weight"])
    assert not torch.equal(old["head.weight"], new["head.weight"])
    assert "start anew: head.weight, head.bias" in (named.folder / "log.txt").read_text()


def test_folders_by_default(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    short = replace(recipe, model="plain", epochs=1)
    folders = [train(short, machine=MACHINE, progress=False).folder for _ in range(2)]
    assert folders == [Path("runs/train"), Path("runs/train2")]
    assert train(short, machine=MACHINE, resume=True, progress=False).folder == Path("runs/train2")


@pytest.mark.parametrize(
    ("changes", "machine", "message"),
    [
        ({"batch": 5}, {"accumulate": 2}, "multiple of 2"),
        ({"model": "nosy"}, {}, "noisy"),
        ({"backbone": "resnet99"}, {}, "backbone"),
        ({"augment": "heavy"}, {}, "strong"),
        ({"loss": "ce+dize"}, {}, "dice"),
        ({"data": "nowhere"}, {}, "nowhere"),
        ({"weights": "nowhere.safetensors"}, {}, "nowhere"),
    ],
)
def test_errors_come_before_anything_is_written(recipe, changes, machine, message, tmp_path):
    with pytest.raises((ValueError, OSError), match=message):
        train(replace(recipe, **changes), machine=replace(MACHINE, **machine), out=tmp_path / "run", progress=False)
    assert not (tmp_path / "run" / "recipe.yaml").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_when_one_is_asked_for(recipe, tmp_path):
    with pytest.raises(ValueError, match=r"device is 'cuda', but PyTorch .*there is: cpu"):
        train(recipe, machine=replace(MACHINE, device="cuda"), out=tmp_path)


def test_a_logger_that_is_not_installed(recipe, tmp_path):
    try:
        import mlflow  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match=r"pip install 'pixelwise\[mlflow\]'"):
            train(recipe, machine=replace(MACHINE, loggers=("mlflow",)), out=tmp_path)


def test_a_folder_that_cannot_be_written(recipe, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot make the run's folder"):
        train(recipe, machine=MACHINE, out=tmp_path / "file" / "run")


def test_scores_are_plain_numbers(run):
    assert json.loads(json.dumps(run.scores)) == run.scores

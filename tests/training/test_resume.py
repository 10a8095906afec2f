"""Real processes that are killed, interrupted, or work together, against one that is left alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import pixelwise
from pixelwise.training.recipe import Machine, Recipe
from pixelwise.training.run import train

MACHINE = Machine(device="cpu", precision="fp32", workers=0, loggers=())


def start(folder: Path, recipe: Recipe, **options: object) -> subprocess.Popen[bytes]:
    """plain.py in a process of its own."""
    recipe.to_yaml(folder.with_suffix(".yaml"))
    script = Path(__file__).with_name("plain.py")
    words = [sys.executable, str(script), str(folder), str(folder.with_suffix(".yaml")), json.dumps(options)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def await_line(process: subprocess.Popen[bytes], log: Path, text: str) -> None:
    """Wait until the log holds a text."""
    end = time.monotonic() + 120
    while not (log.exists() and text in log.read_text("utf-8")):
        assert process.poll() is None, process.communicate()[0].decode()
        assert time.monotonic() < end, "the process does not begin to train"
        time.sleep(0.003)


@pytest.mark.slow
def test_killed_and_interrupted_it_ends_with_the_same_weights(plain, cells, tmp_path):
    """Bit for bit, with batch statistics, dropout, momentum, warm-up and the average of the weights."""
    recipe = Recipe(str(cells), model="noisy", epochs=60, batch=4, imgsz=(48,), lr=0.01, patience=200)
    whole = train(recipe, machine=MACHINE, out=tmp_path / "whole", progress=False)

    folder = tmp_path / "broken"
    killed = start(folder, recipe)
    await_line(killed, folder / "log.txt", "epoch 7:")
    killed.kill()
    assert killed.wait() == -signal.SIGKILL

    (folder / ".state-0123abcd.pt").write_bytes(b"half of it")
    interrupted = start(folder, recipe, resume=True)
    await_line(interrupted, folder / "log.txt", "epoch 20:")
    interrupted.send_signal(signal.SIGINT)
    output = interrupted.communicate()[0].decode()
    assert interrupted.returncode == -signal.SIGINT, output
    assert "--resume continues" in (folder / "log.txt").read_text("utf-8")

    resumed = train(recipe, machine=MACHINE, out=folder, resume=True, progress=False)
    assert resumed.scores == whole.scores
    for name in ("best.safetensors", "last.safetensors"):
        assert (folder / name).read_bytes() == (whole.folder / name).read_bytes()
    rows = [line.split(",")[0] for line in (folder / "metrics.csv").read_text().splitlines()]
    assert rows == ["epoch", *map(str, range(1, 61))]
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_two_processes_do_what_one_does(plain, cells, tmp_path):
    """Each takes half of each batch and half of the validation images; gradients and counts are added up."""
    recipe = Recipe(str(cells), model="plain", epochs=4, batch=4, imgsz=(32,), scale=(1, 1), lr=0.003, loss="ce")
    two = start(tmp_path / "two", recipe, devices=2)
    one = train(recipe, machine=MACHINE, out=tmp_path / "one", progress=False)
    output = two.communicate(timeout=240)[0].decode()
    assert two.returncode == 0, output
    assert "2 x cpu" in (tmp_path / "two" / "log.txt").read_text("utf-8")
    first, second = (pixelwise.load(folder / "last.safetensors") for folder in (one.folder, tmp_path / "two"))
    for name, value in first.state_dict().items():
        assert (value - second.state_dict()[name]).abs().max() < 1e-4, name
    assert second.record["scores"] == pytest.approx(first.record["scores"], abs=2e-3)
    assert one.scores["mIoU"] > 0


def test_a_run_that_was_killed_before_it_saved_starts_over(plain, cells, tmp_path):
    recipe = Recipe(str(cells), model="plain", epochs=1, batch=4, imgsz=(32,))
    (tmp_path / "run").mkdir()
    replace(recipe, backbone=None).to_yaml(tmp_path / "run" / "recipe.yaml")
    assert train(recipe, machine=MACHINE, out=tmp_path / "run", resume=True, progress=False).last.exists()

"""The shipped recipes: what they say against the papers, and that each of them trains."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import pixelwise
from pixelwise.models import MODELS
from pixelwise.training.recipe import Machine, Recipe
from pixelwise.training.recipes import FOLDER, recipes
from pixelwise.training.run import train
from pixelwise.training.schedule import learning_rate_factor

MACHINE = Machine(device="cpu", precision="fp32", workers=0, loggers=())
STAGES = {"fcn16s-voc": "fcn32s", "fcn8s-voc": "fcn16s", "deeplabv3-voc-fine": "deeplabv3"}
"""What a recipe begins from."""


def shipped(name: str, **changes: Any) -> Recipe:
    return Recipe.from_yaml(name, {"data": "d", **changes})


def test_names_and_descriptions():
    assert {"fcn32s-voc", "deeplabv2-voc", "pspnet-cityscapes", "unet-medical"} <= set(recipes())
    assert all(10 < len(text) <= 100 for text in recipes().values())
    assert set(MODELS) - {shipped(name).model for name in recipes()} <= {"unet_padded", "plain", "noisy", "helped"}
    assert all(name.partition("-")[0].startswith(shipped(name).model) for name in recipes())


def test_a_file_wins_over_a_name_and_a_wrong_name_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipped(str(FOLDER / "pspnet-voc.yaml")) == shipped("pspnet-voc")
    Path("pspnet-voc").write_text("model: unet")
    assert shipped("pspnet-voc").model == "unet"
    with pytest.raises(FileNotFoundError, match="did you mean 'pspnet-cityscapes'"):
        Recipe.from_yaml("pspnet-citiscape")
    with pytest.raises(ValueError, match=r"pspnet-voc.*give data"):
        Recipe.from_yaml(Path("pspnet-voc"))


@pytest.mark.parametrize("name", recipes())
def test_the_files_are_tidy(name):
    """No key twice; lines of 110 columns at most."""
    text = (FOLDER / f"{name}.yaml").read_text("utf-8")
    keys = [line.partition(":")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(keys) == len(set(keys)) == len(yaml.safe_load(text))
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize(
    ("name", "images", "steps"),
    [
        ("mask_rcnn-coco", 117_266, 160_000),
        ("panoptic_fpn-coco", 118_287, 90_000),
        ("fcn32s-voc", 8498, 100_000),
        ("fcn8s_at_once-voc", 8498, 300_000),
        ("deeplabv1-voc", 10582, 6000),
        ("deeplabv2-voc", 10582, 20_000),
        ("deeplabv3-voc", 10582, 30_000),
        ("deeplabv3-voc-fine", 2913, 30_000),
        ("deeplabv3plus-voc", 10582, 30_000),
        ("solov2-coco", 117_266, 263_880),
        ("yolact-coco", 117_266, 800_000),
    ],
)
def test_as_many_steps_as_published(name, images, steps):
    """To the nearest whole pass over the images."""
    recipe = shipped(name)
    passes = math.ceil(images / recipe.batch)
    assert abs(recipe.epochs * passes - steps) <= passes / 2
    text = (FOLDER / f"{name}.yaml").read_text("utf-8")
    assert f"# {recipe.epochs * passes:,} steps" in text


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        # of the backbone's weights, of the head's weights and of the head's biases, at the first step
        ("fcn32s-voc", (1e-10 * 180_000, 1e-10 * 180_000, 2e-10 * 180_000)),
        ("deeplabv1-voc", (1e-3, 1e-2, 2e-2)),
        ("deeplabv2-voc", (2.5e-4, 2.5e-3, 5e-3)),
        ("deeplabv3-voc", (0.007, 0.007, 0.007)),
        ("pspnet-voc", (0.01, 0.1, 0.1)),
        ("pspnet-cityscapes", (0.01, 0.1, 0.1)),
    ],
)
def test_the_published_rates(name, rates):
    recipe = shipped(name)
    start = recipe.lr * learning_rate_factor(recipe.schedule, 0, 1000, recipe.warmup)
    found = start * recipe.encoder_lr, start, start * recipe.bias_lr
    assert found == pytest.approx(rates)
    assert (recipe.clip, recipe.ema, recipe.warmup, recipe.optimizer) == (0, 0, 0, "sgd")


def test_deeplab_v1_falls_each_2000_steps():
    schedule = shipped("deeplabv1-voc").schedule
    found = [learning_rate_factor(schedule, step, 6000, 0) for step in (0, 1999, 2001, 3999, 4001, 5999)]
    assert found == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def tiny(name: str, cells: Path) -> Recipe:
    """The recipe with a small network and small images, for two steps."""
    recipe = shipped(name, data=str(cells), epochs=1, batch=4, imgsz=(33,))
    if recipe.resize:
        recipe = replace(recipe, resize=(40,) * len(recipe.resize))
    if recipe.backbone is None and recipe.model != "pspnet":
        narrow = {"width": 4} if recipe.model == "unet" else {"width": 2}
        return replace(recipe, arguments={**recipe.arguments, **narrow}, pretrained=None)
    if recipe.model.endswith(("solo", "solov2")):
        recipe = replace(recipe, arguments={**recipe.arguments, "width": 32, "convs": 1})
    if recipe.model in ("mask_rcnn", "panoptic_fpn"):
        recipe = replace(recipe, arguments={**recipe.arguments, "width": 16, "regions": 16})
    return replace(recipe, backbone="tf_efficientnet_lite0")


@pytest.mark.slow
@pytest.mark.parametrize("name", recipes())
def test_each_trains(name, cells, tmp_path):
    recipe = tiny(name, cells)
    task = MODELS[recipe.model].task
    if task != "semantic":
        recipe = replace(recipe, data=f"shapes:number=12,size=48,truth={task}")
    if name in STAGES:
        start = pixelwise.create(STAGES[name], num_classes=2, backbone=recipe.backbone, **_narrow(recipe))
        start.classes = pixelwise.open_dataset(cells, split="train").classes
        pixelwise.weights.checkpoint.save(start, tmp_path / "start.safetensors")
        recipe = replace(recipe, weights=str(tmp_path / "start.safetensors"))
    done = train(recipe, machine=MACHINE, out=tmp_path / "run", progress=False)
    model = pixelwise.load(done.last)
    assert model.record["step"] >= 2
    assert math.isfinite(done.scores["mask AP" if task == "instance" else "mIoU"])
    assert model.record["recipe"] == recipe.to_dict()


def _narrow(recipe: Recipe) -> dict[str, Any]:
    return {key: value for key, value in recipe.arguments.items() if key == "width"}

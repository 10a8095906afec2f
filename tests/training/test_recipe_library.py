"""The shipped recipes: what they say against the papers, and that each of them trains."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor
from torch.optim import Optimizer

import pixelwise
from pixelwise.metrics import METRICS
from pixelwise.models import MODELS
from pixelwise.sample import Batch
from pixelwise.training.module import TrainingModule
from pixelwise.training.optimisation.schedule import learning_rate_factor
from pixelwise.training.recipe import Machine, Recipe
from pixelwise.training.recipe_library import FOLDER, recipes
from pixelwise.training.run import train
from pixelwise.weights.checkpoint import save

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
    assert (start * recipe.encoder_lr, start, start * recipe.bias_lr) == pytest.approx(rates)
    assert (recipe.clip, recipe.ema, recipe.warmup, recipe.optimizer) == (0, 0, 0, "sgd")


def test_deeplab_v1_falls_each_2000_steps():
    schedule = shipped("deeplabv1-voc").schedule
    factors = [learning_rate_factor(schedule, step, 6000, 0) for step in (0, 1999, 2001, 3999, 4001, 5999)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


NARROW = {
    "unet": {"width": 4},
    "fcn32s": {"width": 2},
    "fcn16s": {"width": 2},
    "fcn8s": {"width": 2},
    "deeplabv1": {"width": 2},
    "solo": {"width": 32, "convs": 1},
    "decoupled_solo": {"width": 32, "convs": 1},
    "solov2": {"width": 32, "convs": 1},
    "mask_rcnn": {"width": 16, "regions": 16},
    "panoptic_fpn": {"width": 16, "regions": 16},
}
"""Arguments that make the networks fast enough; all others are the recipe's own."""

OVERSHOOTING = {"deeplabv2-voc", "mask_rcnn-coco", "panoptic_fpn-coco", "yolact-coco"}
"""The published learning rates of these, without clipping, are too high for the first steps of so small a network."""

LEVELS = re.compile(r"^(locations|rows|columns)\.\d\.")
"""Layers of SOLO for one size of objects each; the objects of two steps have some of these sizes only."""


def tiny(name: str, cells: Path) -> Recipe:
    """The recipe with a small network and small images, for two steps or three."""
    recipe = shipped(name, epochs=1, batch=4, imgsz=(33,))
    task = MODELS[recipe.model].task
    recipe = replace(recipe, data=str(cells) if task == "semantic" else f"shapes:number=12,size=48,truth={task}")
    if recipe.resize:
        recipe = replace(recipe, resize=(40,) * len(recipe.resize))
    # VGG and the U-Net of the paper are wide themselves; with another backbone only the heads of instance models are.
    narrow = recipe.backbone is None or task != "semantic"
    arguments = {**recipe.arguments, **(NARROW.get(recipe.model, {}) if narrow else {})}
    if recipe.backbone is None:
        return replace(recipe, arguments=arguments, pretrained=None)
    return replace(recipe, arguments=arguments, backbone="tf_efficientnet_lite0")


class Watch:
    """The loss of the first batch before the first step and after the last one, and what had a gradient meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.first: Batch | None = None
        self.before = self.after = math.nan
        self.trained: set[str] = set()
        self.reached: set[str] = set()
        step, update = TrainingModule.training_step, TrainingModule.on_before_optimizer_step

        def watched_step(module: TrainingModule, batch: Batch, index: int) -> Tensor:
            loss = step(module, batch, index)
            if self.first is None:
                self.first, self.before = batch, float(loss)
            return loss

        def watched_update(module: TrainingModule, optimizer: Optimizer) -> None:
            for name, parameter in module.model.named_parameters():
                if parameter.requires_grad:
                    self.trained.add(name)
                    if parameter.grad is not None and bool(parameter.grad.abs().max() > 0):
                        self.reached.add(name)
            update(module, optimizer)

        def at_the_end(module: TrainingModule) -> None:
            assert self.first is not None
            with torch.no_grad():
                self.after = float(step(module, self.first, 0))

        monkeypatch.setattr(TrainingModule, "training_step", watched_step)
        monkeypatch.setattr(TrainingModule, "on_before_optimizer_step", watched_update)
        monkeypatch.setattr(TrainingModule, "on_train_end", at_the_end)


@pytest.mark.slow
@pytest.mark.parametrize("name", recipes())
def test_each_trains(name, cells, tmp_path, monkeypatch):
    recipe = tiny(name, cells)
    if name in STAGES:
        start = pixelwise.create(STAGES[name], num_classes=2, backbone=recipe.backbone, **_narrow(recipe))
        start.classes = pixelwise.open_dataset(cells, split="train").classes
        save(start, tmp_path / "start.safetensors")
        recipe = replace(recipe, weights=str(tmp_path / "start.safetensors"))
    watch = Watch(monkeypatch)
    done = train(recipe, machine=MACHINE, out=tmp_path / "run", progress=False)
    model = pixelwise.load(done.last)
    assert model.record["step"] >= 2
    assert model.record["recipe"] == recipe.to_dict()
    assert math.isfinite(done.scores[METRICS[model.task].MAIN_SCORE])
    assert math.isfinite(watch.after)
    assert watch.after != watch.before if name in OVERSHOOTING else watch.after < watch.before
    reached = {LEVELS.sub(r"\1.", name) for name in watch.reached}
    assert {LEVELS.sub(r"\1.", name) for name in watch.trained} == reached, "a parameter without a gradient"


def _narrow(recipe: Recipe) -> dict[str, Any]:
    return {key: value for key, value in recipe.arguments.items() if key == "width"}

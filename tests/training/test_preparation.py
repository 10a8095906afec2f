"""What a recipe and a machine mean here."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import pixelwise
from pixelwise.data.dataset import open_dataset
from pixelwise.training.preparation import bf16, course_of, cpu_multiplies_bf16, make_model, resolve, workers_of
from pixelwise.training.recipe import Machine, Recipe
from pixelwise.weights.checkpoint import save


def test_the_course_follows_from_the_pictures(cells):
    train, val = (open_dataset(cells, split=split) for split in ("train", "val"))
    course = course_of(Recipe("d", batch=3, epochs=40, imgsz=(32,)), Machine(accumulate=3), train, val)
    assert (course.epoch_steps, course.steps, course.accumulate) == (3, 120, 3)
    # 4 pictures of 64² are looked at and 8 of 32² trained on: 2 · ⅓ of an epoch's time, a tenth of it is wanted.
    assert course.validate_every == 4, "limited to ten times a run"
    assert course_of(Recipe("d", batch=3, epochs=400, imgsz=(32,)), Machine(), train, val).validate_every == 7


def test_precision():
    assert bf16(Machine(device="cpu", precision="bf16"))
    assert not bf16(Machine(device="cpu", precision="fp32"))
    assert bf16(Machine(device="cpu")) == cpu_multiplies_bf16()


def test_workers():
    assert workers_of(Machine(device="cpu", workers=5)) == 5
    assert 0 <= workers_of(Machine(device="cpu")) <= 2


def test_a_method_without_backbones_gets_none(plain):
    assert resolve(Recipe("d", model="unet_padded")).backbone is None
    assert resolve(Recipe("d", model="unet")).backbone == "tf_efficientnet_lite0"
    assert resolve(Recipe("d", model="unet_padded", backbone="resnet18")).backbone == "resnet18"


def test_starting_weights_keep_their_arguments_and_fit_their_method(tmp_path):
    save(pixelwise.create("unet_padded", num_classes=2, width=4), tmp_path / "start.safetensors")
    recipe = Recipe("d", model="unet_padded", backbone=None, weights=str(tmp_path / "start.safetensors"), resize=40)
    model, notes = make_model(recipe, pixelwise.Classes(("a", "b", "c")))
    assert model.arguments["width"] == 4
    assert model.resizing.short_side == 40
    assert "class 0, class 1, the data have a, b, c: these weights start anew: head.weight, head.bias" in notes[0]
    with pytest.raises(ValueError, match="use --model unet_padded --backbone none"):
        make_model(replace(recipe, model="unet"), model.classes)


def test_the_seed_makes_the_model():
    recipe, classes = Recipe("d", backbone=None), pixelwise.Classes(("a", "b"))
    first, second, other = (
        make_model(replace(recipe, model="unet_padded", seed=seed), classes)[0].state_dict() for seed in (0, 0, 1)
    )
    assert torch.equal(first["head.weight"], second["head.weight"])
    assert not torch.equal(first["head.weight"], other["head.weight"])

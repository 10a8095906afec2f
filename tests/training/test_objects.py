"""Training a method that finds objects, from made images to scores; and the data that it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

import pixelwise
from pixelwise.data.shapes import shapes
from pixelwise.training.recipe import Machine, Recipe
from pixelwise.training.run import train

MACHINE = Machine(device="cpu", precision="fp32", workers=0, loggers=())


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    changes = {"data": "shapes:number=72,size=64,max_objects=3", "epochs": 8, "imgsz": 64, "lr": 2e-3, "ema": 0.9}
    return Recipe.from_yaml("mask_rcnn-cells", {**changes, "augment": "none"})


ENLARGED = {"data": "shapes:number=240,size=64,max_objects=3", "resize": 128, "imgsz": 128, "batch": 4}
SMALL_SOLO = {"width": 64, "features": 32, "pyramid": 64, "convs": 2, "grids": [12, 10, 8, 6, 4]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("mask_rcnn-cells", {}),
        ("yolact-cells", {**ENLARGED, "epochs": 4, "arguments": {"size": 300, "width": 64}}),
        ("solov2-cells", {**ENLARGED, "epochs": 3, "arguments": SMALL_SOLO, "lr": 3e-3}),
    ],
)
def test_it_learns_to_find_shapes(recipe, name, changes, tmp_path):
    known = {key: getattr(recipe, key) for key in ("data", "epochs", "imgsz", "lr", "ema", "augment")}
    recipe = Recipe.from_yaml(name, {**known, **changes})
    done = train(recipe, machine=MACHINE, out=tmp_path / "run", progress=False)
    unseen = shapes(20, 64, seed=7, max_objects=3)
    evaluation = pixelwise.evaluate(pixelwise.load(done.best), unseen, progress=False)
    assert evaluation.main == "mask AP"
    assert evaluation.scores["mask AP50"] > 0.1
    untrained = pixelwise.create(recipe.model, classes=unseen.classes, **recipe.arguments, backbone=recipe.backbone)
    assert pixelwise.evaluate(untrained, unseen, progress=False).scores["mask AP50"] < 0.02


def test_data_without_objects_are_refused(recipe, cells, tmp_path):
    with pytest.raises(ValueError, match="classes of pixels apart.*not one object from the next"):
        train(replace(recipe, data=str(cells)), machine=MACHINE, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("name", "value"), [("loss", "focal"), ("balance", "median"), ("auxiliary", 0.4)])
def test_the_losses_are_the_methods_own(recipe, name, value, tmp_path):
    with pytest.raises(ValueError, match=f"{name} is .*mask_rcnn has losses of its own"):
        train(replace(recipe, **{name: value}), machine=MACHINE, out=tmp_path / "run")


def test_data_in_which_nothing_is_annotated_are_refused(recipe, tmp_path):
    nothing = replace(recipe, data="shapes:number=6,size=64,min_objects=0,max_objects=0")
    with pytest.raises(ValueError, match="no object in any of the 5 images"):
        train(nothing, machine=MACHINE, out=tmp_path / "run", progress=False)

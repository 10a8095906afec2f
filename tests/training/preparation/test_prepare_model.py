"""The model of a recipe before its first step."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import pixelwise
from pixelwise.losses.pixel import CrossEntropy
from pixelwise.ops.resize import Resizing
from pixelwise.training.preparation.prepare_model import make_model, resizing_of, resolve, set_criterion
from pixelwise.training.recipe import Recipe
from pixelwise.weights.checkpoint import save


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


def test_fcn_is_trained_in_stages(tmp_path):
    """32s → 16s → 8s: all that the stage before has learnt is kept, and only the next finer scores begin anew."""
    classes = pixelwise.Classes(("a", "b"))
    model = pixelwise.create("fcn32s", classes=classes, width=2)
    for stage, method in enumerate(("fcn16s", "fcn8s"), 1):
        torch.nn.init.normal_(model.head.scores[-1].weight)
        save(model, tmp_path / "run" / "best.safetensors")
        before = model.state_dict()
        recipe = Recipe("d", model=method, backbone=None, weights=str(tmp_path / "run"))
        model, notes = make_model(recipe, classes)
        after, new = model.state_dict(), {f"head.scores.{stage}.weight", f"head.scores.{stage}.bias"}
        assert after.keys() - before.keys() == new
        assert all(torch.equal(after[name], before[name]) for name in before)
        assert notes[0].endswith(f"these weights start anew: {', '.join(sorted(new, reverse=True))}")
        assert model.arguments == {"width": 2}


@pytest.mark.slow
def test_the_recipe_changes_what_changes_no_weights(tmp_path):
    """DeepLab v3's second stage: the same weights at output stride 8, group normalisation kept."""
    classes, backbone = pixelwise.Classes(("a", "b")), "tf_efficientnet_lite0"
    start = pixelwise.create("deeplabv3", classes=classes, backbone=backbone, width=8, norm="group")
    save(start, tmp_path / "start.safetensors")
    keys = {"model": "deeplabv3", "weights": str(tmp_path / "start.safetensors"), "auxiliary": 0.3}
    model, notes = make_model(Recipe("d", arguments="output_stride=8", **keys), classes)
    assert model.arguments == {"backbone": backbone, "width": 8, "norm": "group", "output_stride": 8}
    assert model.backbone.strides[-1] == 8
    assert model.auxiliary_weight == 0.3
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in start.state_dict().items())
    assert notes == []


@pytest.mark.slow
def test_imagenet_when_there_is_something_to_fill():
    classes, bare = pixelwise.Classes(("a", "b")), {"model": "unet_padded", "backbone": None, "arguments": "width=4"}
    make_model(Recipe("d", **bare), classes)
    with pytest.raises(ValueError, match=r"unet_padded has no backbone here to fill with vgg16\.pth"):
        make_model(Recipe("d", pretrained="vgg16.pth", **bare), classes)
    with pytest.raises(ValueError, match="choose a backbone of timm"):
        make_model(Recipe("d", model="deeplabv2", backbone=None), classes)
    filled = make_model(Recipe("d", pretrained="auto"), classes)[0].state_dict()
    empty = make_model(Recipe("d", pretrained=None), classes)[0].state_dict()
    first = "network.backbone.net.conv_stem.weight"
    assert torch.equal(empty["network.head.weight"], filled["network.head.weight"])
    assert not torch.equal(empty[first], filled[first])


def test_the_seed_makes_the_model():
    recipe, classes = Recipe("d", backbone=None), pixelwise.Classes(("a", "b"))
    first, second, other = (
        make_model(replace(recipe, model="unet_padded", seed=seed), classes)[0].state_dict() for seed in (0, 0, 1)
    )
    assert torch.equal(first["head.weight"], second["head.weight"])
    assert not torch.equal(first["head.weight"], other["head.weight"])


@pytest.mark.parametrize(
    ("resize", "expected"), [(None, Resizing()), (520, Resizing(520)), ("550,550", Resizing(square=550))]
)
def test_resizing(resize, expected):
    assert resizing_of(Recipe("d", resize=resize)) == expected


def test_classes_are_balanced_in_the_criterion():
    model = pixelwise.create("unet_padded", num_classes=2, width=2)
    counts = torch.tensor([[90, 10], [90, 10]])
    # Class 0 is predicted everywhere, which is wrong in one of two pixels.
    logits, target = torch.tensor([[[[1.0, 1.0]], [[0.0, 0.0]]]]), torch.tensor([[[0, 1]]])

    def loss(**keys: object) -> float:
        set_criterion(model, Recipe("d", loss="ce", **keys), None if "balance" not in keys else counts)
        return sum(map(float, model.criterion(logits, target).values()))

    assert loss(balance="rare") == loss(), "rare changes which images are drawn, not the loss"
    assert loss(balance="median") > loss(), "the rare class is the one that is wrong"
    assert isinstance(model.criterion, CrossEntropy)

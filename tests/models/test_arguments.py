"""What shapes a semantic network is an argument of its constructor, and survives saving and loading."""

from __future__ import annotations

import inspect
import json

import pytest
import torch
from filling import fill, make_image

import pixelwise
from pixelwise.models import MODELS
from pixelwise.weights.checkpoint import save

SHAPES = [
    ("fcn32s", {"width": 2}),
    ("fcn16s", {"width": 2, "learned": True}),
    ("fcn8s", {"width": 2, "at_once": True}),
    ("fcn_resnet", {"backbone": "resnet18", "auxiliary": False, "output_stride": 16}),
    ("unet", {"in_channels": 1, "width": 4, "levels": 3}),
    ("unet_padded", {"bilinear": True, "width": 4, "levels": 3}),
    ("deeplabv1", {"multiscale": True, "width": 2, "rate": 4}),
    ("deeplabv2", {"backbone": "resnet18", "rates": [2, 4], "scales": [0.5]}),
    ("deeplabv3", {"backbone": "resnet18", "output_stride": 8, "multi_grid": [1, 2], "rates": [3, 5], "width": 8}),
    ("deeplabv3plus", {"backbone": "resnet18", "rates": [3], "separable": True, "low_level_channels": 5, "width": 8}),
    ("pspnet", {"backbone": "resnet18", "bins": [1, 2, 5], "width": 16}),
]


def test_every_semantic_method_is_here():
    assert {name for name, _ in SHAPES} == {name for name, kind in MODELS.items() if kind.task == "semantic"}


@pytest.mark.parametrize(("name", "arguments"), SHAPES, ids=[name for name, _ in SHAPES])
def test_a_network_of_other_shape_survives_saving_and_loading(name, arguments, tmp_path):
    model = fill(pixelwise.create(name, num_classes=3, **arguments))
    save(model, tmp_path / "model.safetensors")
    loaded = pixelwise.load(tmp_path / "model.safetensors")
    assert json.loads(json.dumps(loaded.arguments)) == arguments
    image = make_image(40, 56)
    with torch.no_grad():
        assert torch.equal(loaded(image).logits, model.eval()(image).logits)


@pytest.mark.parametrize(
    ("name", "argument", "values"),
    [
        ("deeplabv1", "rate", (2, 12)),
        ("deeplabv2", "rates", ((6, 12), (1, 2))),
        ("deeplabv3", "rates", ((6, 12), (1, 2))),
        ("deeplabv3plus", "low_level_channels", (48, 5)),
        ("pspnet", "bins", ((1, 2), (3, 6))),
        ("pspnet", "width", (512, 8)),
        ("unet_padded", "levels", (5, 4)),
    ],
)
def test_an_argument_changes_the_network(name, argument, values):
    image = make_image(48, 64)
    outputs = []
    backbone = {"backbone": "resnet18"} if "backbone" in inspect.signature(MODELS[name]).parameters else {}
    for value in values:
        model = fill(pixelwise.create(name, num_classes=2, **backbone, **{argument: value}))
        with torch.no_grad():
            outputs.append(model(image).logits)
    assert not torch.equal(*outputs)


@pytest.mark.parametrize(("name", "argument"), [("deeplabv1", "rate"), ("pspnet", "bins"), ("unet", "levels")])
def test_an_argument_that_cannot_be(name, argument):
    value = [0] if argument == "bins" else 0
    with pytest.raises(ValueError, match=argument):
        pixelwise.create(name, num_classes=2, **{argument: value})

"""The recipe: its YAML, its coercions and its errors."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pixelwise.training.options import OptionError
from pixelwise.training.recipe import Machine, Recipe


def test_yaml_round_trip(tmp_path):
    recipe = Recipe("cells: #1 é", classes=("background", "cell"), void=(255,), lr=1e-5, backbone=None, scale=(1, 1.5))
    recipe.to_yaml(tmp_path / "recipe.yaml")
    assert Recipe.from_yaml(tmp_path / "recipe.yaml") == recipe
    text = (tmp_path / "recipe.yaml").read_text("utf-8")
    assert all(f"{name}:" in text for name in recipe.to_dict()), "the file must say every key"


def test_text_becomes_the_type_of_the_field():
    given = {"data": "d", "epochs": "3", "lr": "1e-4", "scale": "0.5,2", "imgsz": "64", "void": "0,255"}
    recipe = Recipe.from_dict({**given, "classes": "a, b", "backbone": "none", "resize": "none"})
    assert (recipe.epochs, recipe.lr, recipe.scale, recipe.imgsz) == (3, 1e-4, (0.5, 2.0), (64,))
    assert (recipe.void, recipe.classes, recipe.backbone, recipe.resize) == ((0, 255), ("a", "b"), None, None)


def test_images_are_resized_by_their_shorter_side_or_to_a_square():
    assert Recipe("d").resize is None
    assert Recipe("d", resize=520).resize == (520,)
    assert Recipe("d", resize="550,550").resize == (550, 550)
    for wrong in ((550, 400), (0,), (5, 5, 5)):
        with pytest.raises(ValueError, match="or the same length twice"):
            Recipe("d", resize=wrong)


def test_arguments_are_names_and_plain_values(tmp_path):
    text = "output_stride=8, auxiliary=true,rates=[6, 12],variant=paper,width=none"
    recipe = Recipe.from_dict({"data": "d", "arguments": text})
    expected = {"output_stride": 8, "auxiliary": True, "rates": [6, 12], "variant": "paper", "width": None}
    assert recipe.arguments == expected
    recipe.to_yaml(tmp_path / "recipe.yaml")
    assert Recipe.from_yaml(tmp_path / "recipe.yaml").arguments == expected
    assert Recipe("d", arguments=None).arguments == Recipe("d").arguments == {}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epoch": 3}, "no key 'epoch': did you mean 'epochs'"),
        ({"zzz": 3}, "no key 'zzz': there are: data, format"),
        ({"epochs": "many"}, "epochs is 'many': it must be a whole number"),
        ({"epochs": 0}, "epochs is 0: it must be 1 or more"),
        ({"epochs": 2.5}, "epochs is 2.5: it must be a whole number"),
        ({"epochs": True}, "epochs is True"),
        ({"schedule": "polly"}, "did you mean 'poly'"),
        ({"optimizer": "adam"}, "one of adamw, sgd"),
        ({"balance": "all"}, "none, median, enet, inverse-sqrt, rare"),
        ({"lr": "nan"}, "lr is nan: it must be above 0"),
        ({"scale": (2.0, 0.5)}, "the smaller first"),
        ({"scale": (0.5, 2.0, 1.0)}, "the smaller first"),
        ({"schedule": "step:0.3,often"}, "one of poly, cosine, step, constant"),
        ({"schedule": "step:1.5"}, "one of poly, cosine, step, constant"),
        ({"schedule": "poly:0.9"}, "one of poly, cosine, step, constant"),
        ({"arguments": "output_stride"}, "names and values, like output_stride=8,auxiliary=true"),
        ({"arguments": "a=!!python/name:os.system"}, "names and values"),
        ({"arguments": ["output_stride=8"]}, "names and values"),
        ({"arguments": {"when": {"deep": 1}}}, "names and values"),
        ({"arguments": "backbone=resnet18"}, "without backbone: the recipe has keys for that"),
        ({"norm": "batch"}, "one of train, frozen, group"),
        ({"norm": "frozen", "pretrained": None}, "train or group without pretrained and weights"),
        ({"momentum": 1}, "momentum is 1.0"),
        ({"encoder_lr": 0}, "encoder_lr is 0.0: it must be above 0"),
        ({"auxiliary": -1}, "auxiliary is -1.0"),
        ({"imgsz": ()}, "imgsz is ()"),
        ({"warmup": 1.0}, "a share of the steps"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_an_error_names_the_key_and_what_is_allowed(wrong, message):
    with pytest.raises(ValueError, match=r".+") as caught:
        Recipe.from_dict({"data": "d", **wrong})
    assert message in str(caught.value)


def test_data_must_be_given():
    with pytest.raises(ValueError, match="give data"):
        Recipe.from_dict({})


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "\x00", "just text"])
def test_a_file_that_is_no_recipe_is_named(tmp_path, text):
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"recipe\.yaml"):
        Recipe.from_yaml(tmp_path / "recipe.yaml")


def test_yaml_makes_no_objects(tmp_path):
    (tmp_path / "recipe.yaml").write_text(f"data: !!python/object/apply:os.mkdir [{tmp_path}/made]\n")
    with pytest.raises(ValueError, match="is not a YAML file"):
        Recipe.from_yaml(tmp_path / "recipe.yaml")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "wrong", [{"device": "gpu0"}, {"device": "cuda:N"}, {"devices": 0}, {"workers": -1}, {"loggers": "csv,tensorbord"}]
)
def test_a_machine_that_cannot_be(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Machine(**wrong)


def test_needs_no_torch():
    code = "import sys, pixelwise.training.recipe; assert 'torch' not in sys.modules and 'lightning' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_range_is_checked_before_anything_is_read():
    assert Recipe("d", range="0,3000").range == "0,3000"
    with pytest.raises(OptionError, match="range is '3000': it must be LOW,HIGH"):
        Recipe("d", range="3000")

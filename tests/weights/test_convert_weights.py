"""From a file of another library to a checkpoint of ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from filling import make_image, sixteen, state_dict

import pixelwise
from pixelwise.classes import Classes
from pixelwise.cli import main
from pixelwise.layers.normalize import Normalize
from pixelwise.ops.resize import Resizing
from pixelwise.weights.convert_weights import convert

RECORD = json.loads((Path(__file__).parents[1] / "golden" / "parity_milesial_bilinear.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("theirs") / "theirs.pth"
    torch.save({**state_dict(RECORD["shapes"]), "mask_values": [0, 1, 2]}, path)
    return path


@pytest.mark.slow
def test_what_is_converted_loads_with_equal_outputs(file, tmp_path):
    out = tmp_path / "ours.safetensors"
    converted = convert(file, "milesial", "unet_padded", out, arguments={"bilinear": True})
    assert set(converted.unused) == {"mask_values"}
    assert converted.notes == ()
    model = pixelwise.load(out)
    assert len(model.classes) == 3  # as many as the weights have
    assert model.record["converted"] == {"from": "theirs.pth", "layout": "milesial"}
    model.normalize = Normalize()
    with torch.no_grad():
        assert sixteen(model(make_image(64, 96)).logits) == pytest.approx(RECORD["outputs"]["64x96"], abs=1e-5)


def test_what_does_not_fit_writes_nothing(file, tmp_path):
    out = tmp_path / "ours.safetensors"
    for arguments, classes, message in (
        ({}, None, "has no place|not filled|but"),
        ({"bilinear": True}, Classes(("a", "b")), r"theirs\.pth.*outc\.conv\.weight is \(3, 64, 1, 1\)"),
    ):
        with pytest.raises(ValueError, match=message):
            convert(file, "milesial", "unet_padded", out, arguments=arguments, classes=classes)
    with pytest.raises(ValueError, match="there is no layout"):
        convert(file, "milesal", "unet_padded", out)
    assert list(tmp_path.iterdir()) == []


def test_weights_of_one_output_or_that_are_no_numbers_are_refused(file, tmp_path):
    tensors = state_dict(RECORD["shapes"])
    one = {name: value[:1] if name.startswith("outc.") else value for name, value in tensors.items()}
    torch.save(one, tmp_path / "one.pth")
    tensors["inc.double_conv.0.weight"][0, 0, 0, 0] = torch.nan
    torch.save(tensors, tmp_path / "nan.pth")
    for name, message in (("one.pth", "a single output, the sigmoid"), ("nan.pth", "numbers that are not finite")):
        with pytest.raises(ValueError, match=message):
            convert(
                tmp_path / name, "milesial", "unet_padded", tmp_path / "x.safetensors", arguments={"bilinear": True}
            )
    before = file.read_bytes()
    with pytest.raises(ValueError, match="overwritten by its own conversion"):
        convert(file, "milesial", "unet_padded", file, arguments={"bilinear": True})
    assert file.read_bytes() == before


@pytest.mark.slow
def test_the_command_line_prints_what_the_program_of_the_weights_does(tmp_path, capsys):
    record = json.loads((Path(__file__).parents[1] / "golden" / "yolact_resnet50_135.json").read_text("utf-8"))
    torch.save(state_dict(record["shapes"]), tmp_path / "theirs.pth")
    arguments = ",".join(f"{key}={value}" for key, value in record["create"].items() if key in ("size", "backbone"))
    command = ["convert", str(tmp_path / "theirs.pth"), "--layout", "yolact", "--model", "yolact"]
    out = tmp_path / "ours.safetensors"
    assert main([*command, "--arguments", f"variant=authors,{arguments}", "--out", str(out)]) == 0
    note = "note: resizing: images are resized to 135x135 pixels, as yolact's program does"
    assert note in capsys.readouterr().out.splitlines()
    assert pixelwise.load(out).resizing == Resizing(square=135)

"""`pixelwise predict` and `convert`."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pixelwise.cli import main
from pixelwise.cli.exit_codes import SOME_FAILED


def test_a_broken_image_is_reported_and_the_others_are_done(tmp_path, cells, model, capsys):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 not an image")
    source = [str(cells / "images" / "val" / "a.png"), str(broken)]
    code = main(["predict", "--model", str(model), "--source", *source, "--out", str(tmp_path / "out")])
    assert code == SOME_FAILED == 1
    assert "broken.jpg" in "".join(capsys.readouterr())
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    assert written == {"overlay/a.jpg", "class-map/a.png"}


def test_writes_the_formats_that_are_named(tmp_path, cells, model, refused):
    source = ["predict", "--model", str(model), "--source", str(cells / "images" / "val"), "--out", str(tmp_path / "o")]
    assert main([*source, "--write", "table, yolo,coco"]) == 0
    written = {path.relative_to(tmp_path / "o").as_posix() for path in (tmp_path / "o").rglob("*.*")}
    assert written == {"table.csv", "class_totals.csv", "coco.json", "yolo/data.yaml", "yolo/labels/a.txt"}
    assert "score_threshold is for instance models" in refused(*source, "--score-threshold", "0.5")


def test_an_output_folder_that_cannot_be_written(tmp_path, cells, model, refused):
    (tmp_path / "file").write_text("in the way")
    image = str(cells / "images" / "val" / "a.png")
    said = refused("predict", "--model", str(model), "--source", image, "--out", str(tmp_path / "file" / "x"))
    assert str(tmp_path / "file") in said


@pytest.mark.parametrize(
    ("flags", "chain"),
    [
        (["--plain"], {}),
        (["--drop-below", "30", "--fill-holes", "4"], {"drop_below": 30, "fill_holes": 4}),
        (["--crf"], {"crf": {}}),
        (["--crf", "deeplabv2-voc"], {"crf": "deeplabv2-voc"}),
        (["--crf", "bi_xy=20,bi_rgb=10,steps=2"], {"crf": {"bi_xy": 20, "bi_rgb": 10, "steps": 2}}),
    ],
)
def test_post_processing_is_that_of_the_flags(flags, chain, tmp_path, cells, model):
    """The same as `Predictor` with that chain."""
    from pixelwise import CRF, Chain, Predictor, load, read_image

    if "crf" in chain:
        crf = chain["crf"]
        chain = {"crf": CRF.parse(crf) if isinstance(crf, str) else CRF(**crf)}
    image = cells / "images" / "val" / "a.png"
    words = ["predict", "--model", str(model), "--source", str(image), "--write", "class-map", *flags]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    written = cv2.imread(str(tmp_path / "out" / "class-map" / "a.png"), cv2.IMREAD_GRAYSCALE) > 0
    expected = Predictor(load(model), postprocess=Chain(**chain))(read_image(image)).class_map().numpy() == 1
    np.testing.assert_array_equal(written, expected)


def test_post_processing_changes_the_result(tmp_path, cells, model):
    source = ["predict", "--model", str(model), "--source", str(cells / "images" / "val"), "--write", "class-map"]
    maps = []
    for name, flags in {"plain": ["--plain"], "clean": ["--drop-below", "30", "--fill-holes", "30"]}.items():
        assert main([*source, *flags, "--out", str(tmp_path / name)]) == 0
        maps.append((tmp_path / name / "class-map" / "a.png").read_bytes())
    assert maps[0] != maps[1]


def test_convert_needs_no_second_look_at_panoptic_flags(refused):
    assert "there is no flag --semantic" in refused(
        "convert", "a.pth", "--layout", "smp", "--model", "unet", "--out", "b", "--semantic", "masks"
    )


@pytest.mark.slow
def test_convert_makes_a_checkpoint_that_predicts(tmp_path, cells, capsys, refused):
    import torch
    from filling import state_dict

    golden = Path(__file__).parents[1] / "golden" / "parity_milesial_bilinear.json"
    record = json.loads(golden.read_text("utf-8"))
    theirs, ours = tmp_path / "theirs.pth", tmp_path / "ours.safetensors"
    torch.save({**state_dict(record["shapes"]), "mask_values": [0, 1, 2]}, theirs)
    words = ["convert", str(theirs), "--layout", "milesial", "--model", "unet_padded", "--out", str(ours)]
    assert main([*words, "--arguments", "bilinear=true", "--classes", "ground,tree,house"]) == 0
    assert "not used: mask_values" in capsys.readouterr().out
    source = str(cells / "images" / "val")
    assert main(["predict", "--model", str(ours), "--source", source, "--out", str(tmp_path / "out")]) == 0
    assert "inc.double_conv.0.weight is (64" in refused(*words, "--arguments", "bilinear=true,width=32")

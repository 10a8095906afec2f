"""The command line: what it prints, and how it ends when something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pixelwise.cli import INTERRUPTED, WRONG_INPUT, main
from pixelwise.cli.verbs import SOME_FAILED


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A checkpoint of an untrained little U-Net that finds both of its two classes in noise."""
    import torch

    from pixelwise import Classes, create
    from pixelwise.weights import checkpoint

    path = tmp_path_factory.mktemp("model") / "best.safetensors"
    classes = Classes(("background", "nucleus"), things=(False, True), background=0)
    torch.manual_seed(0)
    network = create("unet_padded", classes=classes, width=2)
    with torch.no_grad():
        network.head.weight[1] = -network.head.weight[0]
        logits = network.eval()(torch.rand(1, 3, 40, 50)).logits[0]
        network.head.bias -= logits.flatten(1).median(1).values
    checkpoint.save(network, path, {})
    return path


@pytest.fixture
def cells(tmp_path) -> Path:
    """Two images with masks, one of each split."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (tmp_path / "cells" / kind / split).mkdir(parents=True)
        mask = (rng.random((40, 50)) > 0.5).astype(np.uint8) * 255
        cv2.imwrite(str(tmp_path / "cells" / "images" / split / "a.png"), rng.integers(0, 255, (40, 50, 3)))
        cv2.imwrite(str(tmp_path / "cells" / "masks" / split / "a.png"), mask)
    return tmp_path / "cells"


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    for word in ("pixelwise train", "pixelwise predict", "exit codes"):
        assert word in text


@pytest.mark.parametrize(
    "verb", ["demo", "inspect", "models", "recipes", "train", "evaluate", "tune", "predict", "convert"]
)
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert end.value.code == 0
    assert "exit codes" in capsys.readouterr().out


def test_predict_reports_the_bad_image_and_does_the_others(tmp_path, cells, model, capsys):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 not an image")
    source = [str(cells / "images" / "val" / "a.png"), str(broken)]
    code = main(["predict", "--model", str(model), "--source", *source, "--out", str(tmp_path / "out")])
    assert code == SOME_FAILED
    assert "broken.jpg" in "".join(capsys.readouterr())
    assert any((tmp_path / "out").rglob("a*.png"))


def test_evaluate_prints_strict_json(tmp_path, cells, model, capsys):
    arguments = ["evaluate", "--model", str(model), "--data", str(cells), "--classes", "background,nucleus"]
    assert main([*arguments, "--json", "--out", str(tmp_path / "out")]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert 0 <= scores["scores"]["mIoU"] <= 1
    assert (tmp_path / "out" / "index.html").is_file()


def wrong(capsys, *arguments: str) -> str:
    """What a command that must be refused says."""
    assert main(arguments) == WRONG_INPUT
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model", "unett"], "unet"),
        (["--backbone", "resnet3"], "resnet"),
        (["--device", "cuda"], "there is"),
        (["--epochs", "many"], "whole number"),
        (["--loss", "dize"], "dice"),
        (["--augment", "lite"], "light"),
        (["--loggers", "paper"], "tensorboard"),
    ],
)
def test_train_refuses_and_names_the_nearest(flags, message, cells, tmp_path, capsys):
    import torch

    if flags[0] == "--device" and torch.cuda.is_available():
        pytest.skip("a GPU is there")
    said = wrong(capsys, "train", "--data", str(cells), "--out", str(tmp_path / "run"), *flags)
    assert message in said
    assert not (tmp_path / "run").exists(), "a start that fails leaves nothing behind"


def test_an_unknown_flag_and_its_nearest(capsys):
    for words in (["train", "--modle", "unet"], ["train", "--epoch", "3"]):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == WRONG_INPUT
        assert f"did you mean {'--model' if 'unet' in words else '--epochs'}?" in capsys.readouterr().err


def test_nothing_to_train_on(tmp_path, capsys):
    assert "--data FOLDER" in wrong(capsys, "train")
    assert "nofile.yaml is not there" in wrong(capsys, "train", "--recipe", str(tmp_path / "nofile.yaml"))


@pytest.mark.slow
def test_evaluate_reads_the_masks_as_the_training_did(tmp_path, cells, capsys):
    flags = ["--classes", "ground,cell", "--model", "unet_padded", "--epochs", "1", "--imgsz", "32", "--batch", "2"]
    assert main(["train", "--data", str(cells), "--out", str(tmp_path / "run"), *flags]) == 0
    assert f"pixelwise evaluate --model {tmp_path / 'run'}" in capsys.readouterr().out
    assert main(["evaluate", "--model", str(tmp_path / "run"), "--data", str(cells), "--out", str(tmp_path / "e")]) == 0
    assert "cell" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("--lr", "x", "--lr is 'x': it must be a number"),
        ("--encoder-lr", "0", "--encoder-lr is 0.0: it must be above 0"),
        ("--arguments", "width", "--arguments is 'width': it must be names"),
        ("--arguments", "width=abc", "the argument width of unet is 'abc'"),
        ("--workers", "-1", "--workers is -1: it must be 0 or more"),
    ],
)
def test_what_was_typed_is_blamed_and_not_the_recipe(flag, value, message, tmp_path, cells, capsys):
    for recipe in ([], ["--recipe", "unet-medical"]):
        said = wrong(capsys, "train", *recipe, "--data", str(cells), "--out", str(tmp_path / "run"), flag, value)
        assert f"pixelwise train: {message}" in said
    (tmp_path / "recipe.yaml").write_text(f"data: {cells}\nlr: x\n")
    said = wrong(capsys, "train", "--recipe", str(tmp_path / "recipe.yaml"), "--epochs", "3")
    assert f"{tmp_path / 'recipe.yaml'}: lr is 'x'" in said


def test_a_misspelt_recipe_key_is_named(tmp_path, cells, capsys):
    (tmp_path / "recipe.yaml").write_text(f"data: {cells}\nepoch: 3\n")
    assert "'epochs'" in wrong(capsys, "train", "--recipe", str(tmp_path / "recipe.yaml"))


def test_data_that_are_not_there(tmp_path, capsys, model):
    assert str(tmp_path / "nowhere") in wrong(capsys, "train", "--data", str(tmp_path / "nowhere"))
    assert "nowhere" in wrong(capsys, "predict", "--model", str(model), "--source", str(tmp_path / "nowhere.png"))
    assert "nowhere" in wrong(capsys, "predict", "--model", str(tmp_path / "nowhere"), "--source", "a.png")


def test_an_output_folder_that_cannot_be_written(tmp_path, cells, model, capsys):
    (tmp_path / "file").write_text("in the way")
    image = str(cells / "images" / "val" / "a.png")
    said = wrong(capsys, "predict", "--model", str(model), "--source", image, "--out", str(tmp_path / "file" / "x"))
    assert str(tmp_path / "file") in said


def test_ctrl_c_ends_with_130(monkeypatch, capsys):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("pixelwise.cli.verbs.models", interrupt)
    assert main(["models"]) == INTERRUPTED
    assert "interrupted" in capsys.readouterr().err


def test_models_lists_the_methods_and_what_is_published(capsys):
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    assert "unet_padded" in text
    assert "deeplabv3_resnet50.torchvision-coco-voc" in text and "mIoU 66.4" in text


def test_models_name_counts_any_method(model, capsys):
    assert main(["models", "unet_padded", "--summary", "--num-classes", "2", "--size", "64x96"]) == 0
    assert "31,037,698" in capsys.readouterr().out.replace(" ", "")  # Pytorch-UNet's own count, two classes
    assert main(["models", str(model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] > 0
    assert main(["models", "unet_padded.milesial-carvana-scale0.5"]) == 0
    assert main(["models", "panoptic_fpn_resnet50_1x.detectron2-coco", "--summary", "--size", "64x96"]) == 0
    assert "github.com/milesial" in capsys.readouterr().out
    assert "height first" in wrong(capsys, "models", "unet", "--size", "64xx")


def test_models_counts_a_panoptic_method_for_the_classes_of_coco(capsys):
    coco = "panoptic_fpn_resnet50_1x.detectron2-coco"
    for said in (
        [coco],
        ["panoptic_fpn"],
        ["panoptic_fpn", "--num-classes", "133", "--arguments", f"things={[*range(80)]}"],
    ):
        assert main(["models", *said, "--summary", "--size", "64"]) == 0
        assert "panoptic_fpn: 46,031,467 parameters" in capsys.readouterr().out
    assert "things=" in wrong(capsys, "models", "panoptic_fpn", "--num-classes", "3")


def test_recipes_are_listed_and_shown(capsys):
    assert main(["recipes"]) == 0
    assert "pspnet-voc" in capsys.readouterr().out
    assert main(["recipes", "pspnet-voc"]) == 0
    assert "model: pspnet" in capsys.readouterr().out
    assert "did you mean 'pspnet-voc'" in wrong(capsys, "recipes", "pspnet-vok")


def test_what_comes_after_the_network(tmp_path, cells, model, capsys):
    source = ["predict", "--model", str(model), "--source", str(cells / "images" / "val"), "--write", "class-map"]
    maps = {}
    for name, flags in {
        "plain": ["--plain"],
        "crf": ["--crf", "--drop-below", "30"],
        "named": ["--crf", "deeplabv2-voc"],
        "stated": ["--crf", "bi_xy=20,bi_rgb=10,steps=2"],
    }.items():
        assert main([*source, *flags, "--out", str(tmp_path / name)]) == 0
        maps[name] = cv2.imread(str(next((tmp_path / name).rglob("*.png"))), cv2.IMREAD_UNCHANGED)
    assert any((maps["plain"] != other).any() for other in maps.values())
    assert "deeplabv2-voc" in wrong(capsys, *source, "--crf", "deeplabv2-vok")
    assert "--plain wants nothing" in wrong(capsys, *source, "--plain", "--open", "2")


def test_predict_writes_what_is_asked_for(tmp_path, cells, model, capsys):
    source = [
        "predict",
        "--model",
        str(model),
        "--source",
        str(cells / "images" / "val"),
        "--out",
        str(tmp_path / "out"),
    ]
    assert main([*source, "--write", "table, yolo,coco"]) == 0
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    assert written == {"table.csv", "coco.json", "yolo/data.yaml", "yolo/labels/a.txt"}
    assert "did you mean 'table'" in wrong(capsys, *source, "--write", "tables")
    assert "score_threshold is for instance models" in wrong(capsys, *source, "--score", "0.5")


@pytest.mark.slow
def test_tune_tells_and_changes_the_checkpoint_only_where_it_helps(tmp_path, nuclei_sample, model, capsys):
    before = model.read_bytes()
    flags = ["--data", str(nuclei_sample), "--split", "val", "--budget", "2", "--images", "4", "--look"]
    flags += ["--classes", "background,nucleus"]
    assert main(["tune", "--model", str(model), *flags]) == 0
    assert "judged on 2 others" in capsys.readouterr().out
    assert model.read_bytes() == before


@pytest.mark.slow
def test_convert_makes_a_checkpoint_that_predicts(tmp_path, cells, capsys):
    import torch
    from filling import state_dict

    record = json.loads((Path(__file__).parent / "golden" / "parity_milesial_bilinear.json").read_text("utf-8"))
    theirs, ours = tmp_path / "theirs.pth", tmp_path / "ours.safetensors"
    torch.save({**state_dict(record["shapes"]), "mask_values": [0, 1, 2]}, theirs)
    flags = ["--layout", "milesial", "--model", "unet_padded", "--out", str(ours)]
    assert main(["convert", str(theirs), *flags, "--arguments", "bilinear=true", "--classes", "ground,tree,house"]) == 0
    assert "not used: mask_values" in capsys.readouterr().out
    source = str(cells / "images" / "val")
    assert main(["predict", "--model", str(ours), "--source", source, "--out", str(tmp_path / "out")]) == 0
    assert "inc.double_conv.0.weight is (64" in wrong(
        capsys, "convert", str(theirs), *flags, "--arguments", "bilinear=true,width=32"
    )


def test_python_dash_m():
    done = subprocess.run([sys.executable, "-m", "pixelwise", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("pixelwise ")

"""Wrong names and wrong paths are reported before PyTorch is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pixelwise.cli.exit_codes import WRONG_INPUT

SCRIPT = """
import sys
from pixelwise.cli import main
code = main(sys.argv[1:])
print(code, *[name for name in ("torch", "torchvision", "timm", "lightning") if name in sys.modules])
"""


def run_fresh(folder: Path, *words: str) -> str:
    """Run a refused command in an interpreter of its own; return its one line, once it has imported nothing heavy."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{WRONG_INPUT}\n", f"{done.stdout}{done.stderr}"
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.fixture
def workplace(cells, model) -> Path:
    """A folder with `cells/`, `run/` (of a finished training), `new.jpg` and `net.py`."""
    folder = cells.parent
    (folder / "run").mkdir()
    (folder / "run" / "best.safetensors").write_bytes(model.read_bytes())
    (folder / "run" / "recipe.yaml").write_text("data: cells\n")
    (folder / "odd.yaml").write_text("data: cells\naugment: lite\n")
    (folder / "net.py").write_text("raise SystemExit('a file is run only after all checks')\n")
    cv2.imwrite(str(folder / "new.jpg"), np.zeros((8, 8, 3), np.uint8))
    return folder


EVALUATE = ("evaluate", "--model", "run", "--data")


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (["train", "--data", "celsl"], ["--data is 'celsl'", "did you mean 'cells'?"]),
        (["train", "--data", "cells", "--model", "unett"], ["--model is 'unett'", "did you mean 'unet'?"]),
        (["train", "--data", "cells", "--recipe", "pspnet-vok"], ["pspnet-vok", "did you mean 'pspnet-voc'"]),
        (["train", "--data", "cells", "--augment", "lite"], ["--augment is 'lite'", "did you mean 'light'?"]),
        (["train", "--recipe", "odd.yaml"], ["odd.yaml: augment is 'lite'", "did you mean 'light'?"]),
        (["train", "--data", "cells", "--loss", "ce+0.5*dize"], ["--loss is 'ce+0.5*dize'", "did you mean 'dice'?"]),
        (["train", "--data", "cells", "--format", "cocco"], ["--format is 'cocco'", "did you mean 'coco'?"]),
        (["train", "--data", "cells", "--device", "gpu"], ["--device is 'gpu'", "cuda"]),
        (["train", "--data", "cells", "--batch", "0"], ["--batch is 0: it must be 1 or more"]),
        (["train", "--data", "cells", "--epochs", "many"], ["--epochs is 'many': it must be a whole number"]),
        (["train", "--data", "cells", "--loggers", "paper"], ["--loggers is ('paper',)", "tensorboard"]),
        (["train", "--data", "cells", "--weights", "runn"], ["--weights is 'runn'", "did you mean 'run'?"]),
        (["train", "--data", "cells", "--pretrained", "r.pth"], ["--pretrained is 'r.pth'"]),
        (["train", "--data", "cells", "--out", "run"], ["run holds a run already", "--resume"]),
        (["train", "--data", "cells", "--out", "rum", "--resume"], ["rum holds no run to resume"]),
        (["train", "--data", "cells", "--model", "nett.py:Net"], ["nett.py", "did you mean 'net.py'"]),
        (["train", "--data", "cells", "--model", "net.py:"], ["'net.py:' names no class", "file.py:Class"]),
        (["train", "--data", "cells", "--model", "net.py:Net", "--lr", "x"], ["--lr is 'x'"]),
        (["train"], ["nothing to train on: give --data FOLDER"]),
        ([*EVALUATE, "celsl"], ["--data", "did you mean 'cells'?"]),
        (["tune", "--model", "runn", "--data", "cells"], ["--model", "did you mean 'run'?"]),
        (
            ["predict", "--model", "run", "--source", "neu.jpg"],
            ["--source: there is no neu.jpg; did you mean 'new.jpg'"],
        ),
        (["predict", "--model", "run", "--source", "new/*.jpg"], ["no file fits the pattern new/*.jpg"]),
        (["predict", "--model", "cells", "--source", "new.jpg"], ["the folder cells has no best.safetensors, so it"]),
        (["predict", "--model", "unet", "--source", "new.jpg"], ["--model is 'unet', a method without weights"]),
        (
            ["predict", "--model", "fcn8s.wkentaro-vok", "--source", "new.jpg"],
            ["--model", "did you mean 'fcn8s.wkentaro-voc'"],
        ),
        (["predict", "--model", "run", "--source", "new.jpg", "--device", "gpu"], ["--device is 'gpu'"]),
        (["predict", "--model", "run", "--source", "new.jpg", "--register", "nett.py:A"], ["did you mean 'net.py'"]),
        (["predict", "--model", "run", "--source", "new.jpg", "--plain", "--open", "2"], ["--plain", "--open"]),
        (["inspect", "--data", "celsl"], ["--data", "did you mean 'cells'?"]),
        (["train", "--data", ""], ["--data is '': the path is empty"]),
        ([*EVALUATE, ""], ["--data: the path is empty"]),
        (["predict", "--model", "", "--source", "new.jpg"], ["--model: the path is empty"]),
        (["predict", "--model", "run", "--source", ""], ["--source: the path is empty"]),
        (["models", ""], ["'' is no method"]),
        (["models", "unett"], ["'unett' is no method", "did you mean 'unet'"]),
        (["recipes", "pspnet-vok"], ["there is no recipe 'pspnet-vok'", "did you mean 'pspnet-voc'"]),
        (["convert", "b.pth", "--layout", "smp", "--model", "unet", "--out", "c"], ["FILE: there is no b.pth"]),
        (["build-panoptic", "--semantic", "celsl", "--out", "p"], ["--semantic", "did you mean 'cells'?"]),
    ],
    ids=lambda value: " ".join(value[:5]) if isinstance(value, list) else None,
)
def test_is_told_before_torch_is_imported(words, messages, workplace):
    before = sorted(workplace.rglob("*"))
    said = run_fresh(workplace, *words)
    for message in messages:
        assert message in said
    assert sorted(workplace.rglob("*")) == before, "a command that is refused leaves nothing behind"


@pytest.mark.parametrize(
    "files",
    [
        ["a.png"],
        ["a.jpg", "a.png"],
        ["images/a.png", "masks/a.png"],
        ["images/a.png", "annotations/instances_train.json"],
    ],
)
def test_data_of_one_image(files, tmp_path):
    for name in files:
        (tmp_path / "one" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "one" / name).touch()
    said = run_fresh(tmp_path, "train", "--data", "one")
    assert "--data is 'one', which has 1 image: training needs 2 or more" in said


@pytest.mark.parametrize(
    "files", [["images/train/a.png", "images/val/a.png"], ["a.png", "b.png"], ["a.png", "data.yaml"], []]
)
def test_data_that_may_be_more_are_left_to_the_library(files, tmp_path):
    from pixelwise.cli.checks import check_recipe
    from pixelwise.training.recipe import Recipe

    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    check_recipe(Recipe(str(tmp_path)))


def test_linked_folders_are_left_to_the_library(tmp_path, cells):
    from pixelwise.cli.checks import check_recipe
    from pixelwise.training.recipe import Recipe

    (tmp_path / "linked").mkdir()
    for kind in ("images", "masks"):
        (tmp_path / "linked" / kind).symlink_to(cells / kind)
    (tmp_path / "linked" / "preview.png").touch()
    check_recipe(Recipe(str(tmp_path / "linked")))


def test_all_that_the_library_takes_is_let_through(tmp_path, cells, model, monkeypatch):
    from pixelwise.cli import checks
    from pixelwise.cli.known_names import LOSSES, METHODS, PUBLISHED
    from pixelwise.training.recipe import Recipe
    from pixelwise.training.recipe_library import recipes

    for name in recipes():
        checks.check_recipe(Recipe.from_yaml(name, {"data": str(cells)}))
    for name in METHODS:
        checks.check_recipe(Recipe(str(cells), model=name))
    for name in (*LOSSES, "own", "ce + 0.5*dice"):
        checks.check_recipe(Recipe("shapes:number=4", loss=name))
    checks.check_recipe(Recipe(str(cells), model="Net", weights=PUBLISHED[0], pretrained=str(model)), ("Net",))
    checks.check_sources([str(cells), f"{cells}/images/*/a.png", f"{cells}/**/*.png"])
    checks.check_out(None, resume=True)
    checks.check_out(tmp_path / "new", resume=False)
    (tmp_path / "recipe.yaml").touch()
    monkeypatch.setenv("LOCAL_RANK", "1")
    checks.check_out(tmp_path, resume=False)

"""Model classes of one's own: registered, made, saved and loaded; no file is run because a checkpoint names it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import pixelwise
from pixelwise.classes import Classes
from pixelwise.models import MODELS
from pixelwise.models.base import Model, SemanticModel, SemanticOutputs
from pixelwise.training.recipe import Machine
from pixelwise.weights.checkpoint import save
from pixelwise.weights.registration import register_from

SOURCE = """
from torch import nn

from pixelwise.models.base import SemanticModel, SemanticOutputs

from blocks_beside import WIDTH


class Net(SemanticModel):
    def __init__(self, num_classes: int, depth: int = 1) -> None:
        super().__init__(num_classes)
        self.stem = nn.Sequential(*(nn.Conv2d(3 if k == 0 else WIDTH, WIDTH, 3, padding=1) for k in range(depth)))
        self.head = nn.Conv2d(WIDTH, num_classes, 1)

    def forward(self, images):
        return SemanticOutputs(self.head(self.stem(self.normalize(images))))
"""


class Tiny(SemanticModel):
    """Takes `classes` and not their number."""

    def __init__(self, classes: Classes, bias: bool = True) -> None:
        super().__init__(len(classes))
        self.head = nn.Conv2d(3, len(classes), 1, bias=bias)

    def forward(self, images):
        return SemanticOutputs(self.head(images))


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """`MODELS` and the search path as they were, afterwards."""
    before = dict(MODELS)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    MODELS.clear()
    MODELS.update(before)


@pytest.fixture
def file(tmp_path) -> Path:
    (tmp_path / "net.py").write_text(SOURCE)
    (tmp_path / "blocks_beside.py").write_text("WIDTH = 4\n")
    return tmp_path / "net.py"


@pytest.fixture
def checkpoint(file) -> Path:
    """Made with a class that is not registered any more."""
    register_from(f"mine={file}:Net")
    save(pixelwise.create("mine", num_classes=3, depth=2), file.with_name("best.safetensors"))
    del MODELS["mine"]
    return file.with_name("best.safetensors")


def test_a_registered_class_is_made_saved_and_loaded(tmp_path):
    pixelwise.register("tiny", Tiny)
    classes = Classes(("sky", "road"))
    model = pixelwise.create("tiny", classes=classes, bias=False)
    assert (model.architecture, model.arguments, model.classes) == ("tiny", {"bias": False}, classes)
    save(model, tmp_path / "tiny.safetensors")
    loaded = pixelwise.load(tmp_path / "tiny.safetensors")
    assert type(loaded) is Tiny
    assert loaded.record["code"] == {"class": "Tiny", "file": "test_registration.py"}
    assert torch.equal(loaded.head.weight, model.head.weight)
    with pytest.raises(ValueError, match="tiny has no argument 'classses'"):
        pixelwise.create("tiny", num_classes=2, classses=3)


def test_built_in_classes_need_no_file(tmp_path):
    save(pixelwise.create("unet", num_classes=2, width=4), tmp_path / "unet.safetensors")
    assert "code" not in pixelwise.load(tmp_path / "unet.safetensors").record


def test_a_class_of_a_file_is_registered_under_its_name(file):
    assert register_from(f"{file}:Net") == "Net"
    assert len(pixelwise.create("Net", num_classes=3, depth=2).stem) == 2
    assert register_from(f"{file}:Net") == "Net"  # again: the definition is replaced


def test_a_checkpoint_says_which_class_it_needs(checkpoint, file):
    (file.parent / "owned.txt").unlink(missing_ok=True)
    with pytest.raises(
        ValueError,
        match=r"best\.safetensors was made with the class Net of net\.py, which is not part of pixelwise: on the "
        r"command line add --register mine=net\.py:Net, in Python call pixelwise\.register\('mine', Net\) first",
    ):
        pixelwise.load(checkpoint)
    register_from(f"mine={file}:Net")
    assert len(pixelwise.load(checkpoint).stem) == 2


def test_a_merged_model_says_which_class_a_part_needs(tmp_path, file):
    register_from(f"{file}:Net")
    classes = Classes(("sky", "road", "car"), things=(False, False, True))
    semantic = pixelwise.create("Net", classes=classes)
    things = Classes(("background", "car"), things=(False, True), background=0)
    small = {"backbone": "resnet18", "width": 8, "anchors": (8, 16, 32, 64, 128)}
    instance = pixelwise.create("mask_rcnn", classes=things, **small)
    save(pixelwise.merge(semantic, instance), tmp_path / "both.safetensors")
    assert pixelwise.load(tmp_path / "both.safetensors").semantic.architecture == "Net"
    del MODELS["Net"]
    with pytest.raises(ValueError, match=r"add --register net\.py:Net"):
        pixelwise.load(tmp_path / "both.safetensors")


def test_no_file_is_run_because_a_checkpoint_or_a_name_says_so(checkpoint, file, monkeypatch):
    file.write_text(f"from pathlib import Path\nPath({str(file.parent)!r}, 'owned.txt').touch()\n" + SOURCE)
    monkeypatch.chdir(file.parent)
    with pytest.raises(ValueError, match="was made with the class Net"):
        pixelwise.load(checkpoint)
    with pytest.raises(ValueError, match=r"executed only when the command line says so.*pixelwise\.register"):
        pixelwise.create("net:Net", num_classes=2)
    with pytest.raises(ValueError, match="executed only when"):
        pixelwise.create("net.py:Net", num_classes=2)
    assert not (file.parent / "owned.txt").exists()


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("unet", ValueError, r"the name 'unet' is taken by pixelwise\.models\.unet\.UNet"),
        ("my.net", ValueError, "name is 'my.net': use letters"),
        ("", ValueError, "use letters"),
    ],
)
def test_names_that_cannot_be(name, error, message):
    with pytest.raises(error, match=message):
        pixelwise.register(name, Tiny)


def test_classes_that_cannot_be():
    class NoClasses(SemanticModel):
        def __init__(self, width: int = 3) -> None:
            super().__init__(2)

        def forward(self, images):
            return SemanticOutputs(images)

    class NoForward(SemanticModel):
        pass

    class NoTask(Model):
        def __init__(self, num_classes: int) -> None:
            super().__init__(num_classes)

    for wrong, message in (
        (nn.Conv2d, "is not a subclass of"),
        (Tiny(Classes(("a", "b"))), "is not a subclass of"),
        (NoTask, "the task of NoTask must be one of"),
        (NoForward, "NoForward is abstract: it must define forward"),
        (NoClasses, "NoClasses takes neither num_classes nor classes.*it takes width"),
    ):
        with pytest.raises(TypeError, match=message):
            pixelwise.register("wrong", wrong)
    assert "wrong" not in MODELS


def test_files_that_cannot_be(file):
    for source, error, message in (
        ("net.py", ValueError, "names no class in a file: write file.py:Class"),
        (f"{file}:Nett", ValueError, r"net\.py has no class Nett; its model classes are: SemanticModel, Net"),
        (f"{file.parent / 'nett.py'}:Net", FileNotFoundError, r"there is no file .*nett\.py: did you mean net\.py"),
        (f"unet={file}:Net", ValueError, "the name 'unet' is taken"),
    ):
        with pytest.raises(error, match=message):
            register_from(source)
    file.write_text("import torch\n1 / 0\n")
    with pytest.raises(ValueError, match=r"net\.py fails to run: ZeroDivisionError"):
        register_from(f"{file}:Net")
    assert "registered_net" not in sys.modules


@pytest.mark.slow
def test_another_process_loads_the_checkpoint_once_the_class_is_registered(checkpoint, file):
    code = (
        "import pixelwise\nfrom pixelwise.weights.registration import register_from\n"
        f"register_from('mine={file}:Net')\nprint(type(pixelwise.load({str(checkpoint)!r})).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Net"


@pytest.mark.slow
def test_a_class_of_a_file_trains_and_its_run_is_loaded_again(file, tmp_path):
    """A few steps on images whose right half is bright."""
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for number in range(5):
            half = np.zeros((32, 32), dtype=np.uint8)
            half[:, 16:] = 255 if kind == "masks" else 200 + number
            Image.fromarray(half).save(tmp_path / "data" / kind / f"{number}.png")
    recipe = pixelwise.Recipe(
        str(tmp_path / "data"), model=register_from(f"{file}:Net"), epochs=2, batch=4, imgsz=(32,), lr=0.05
    )
    machine = Machine(device="cpu", precision="fp32", workers=0, loggers=())
    run = pixelwise.train(recipe, machine=machine, out=tmp_path / "run", progress=False)
    model = pixelwise.load(run.folder)
    assert model.record["code"] == {"class": "Net", "file": "net.py"}
    assert len(pixelwise.predict(model, tmp_path / "data" / "images" / "0.png")) >= 1
    del MODELS["Net"]
    with pytest.raises(ValueError, match=r"add --register net\.py:Net"):
        pixelwise.load(run.folder)

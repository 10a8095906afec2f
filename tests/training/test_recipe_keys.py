"""Each key of a recipe changes the run, at the place where it should.

Two short trainings differ in one key. The trace of each is recorded in the order of cause and effect (`ASPECTS`); the
first aspect in which they differ is the one that the key is about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

import pixelwise
from pixelwise.training.module import TrainingModule
from pixelwise.training.recipe import Machine, Recipe
from pixelwise.training.run import train
from pixelwise.weights.checkpoint import save

MACHINE = Machine(device="cpu", precision="fp32", workers=0, loggers=())
ASPECTS = ("classes", "start", "batches", "loss", "rates", "steps", "length", "saved")
"""Names of the classes; weights before the first step; first batch; its losses; learning rates of the first four steps;
weights after the first two; number of steps; what is saved at the end."""

PLAIN = {
    "model": "plain",
    "epochs": 2,
    "batch": 4,
    "imgsz": 32,
    "augment": "light",
    "schedule": "constant",
    "warmup": 0,
}
SGD = {**PLAIN, "optimizer": "sgd", "clip": 0}
ENCODER = {**PLAIN, "model": "unet", "arguments": {"width": 4}, "epochs": 1, "imgsz": 64}

CASES: list[tuple[str, Any, str, dict[str, Any]]] = [
    # key, value, the first aspect that changes, the recipe that it is changed in
    ("data", "DATA/other", "batches", PLAIN),
    ("format", "label-map", "classes", PLAIN),
    ("classes", ("ground", "road", "sky"), "classes", PLAIN),
    ("void", (2,), "classes", PLAIN),
    ("colors", "road=0,0,0;ground=9,9,9;sky=200,0,0", "classes", {**PLAIN, "data": "DATA/colored", "colors": "COLORS"}),
    ("images", "photos", "batches", {**PLAIN, "data": "DATA/rivals", "images": "images", "masks": "masks"}),
    ("masks", "manual", "batches", {**PLAIN, "data": "DATA/rivals", "images": "images", "masks": "masks"}),
    ("range", "0,9000", "batches", {**PLAIN, "data": "DATA/deep"}),
    ("resize", 40, "batches", PLAIN),
    ("model", "noisy", "start", PLAIN),
    ("backbone", "resnet10t", "start", {**ENCODER, "pretrained": None}),
    ("arguments", {"width": 2}, "start", {**PLAIN, "model": "unet_padded", "arguments": {"width": 3}}),
    ("pretrained", None, "start", ENCODER),
    ("weights", "DATA/start.safetensors", "start", PLAIN),
    ("loss", "ce", "loss", PLAIN),
    ("balance", "median", "loss", PLAIN),
    ("balance", "rare", "batches", PLAIN),
    ("epochs", 3, "length", PLAIN),
    ("batch", 2, "batches", PLAIN),
    ("imgsz", 24, "batches", PLAIN),
    ("imgsz", (24, 40), "batches", PLAIN),
    ("scale", (1, 1.01), "batches", PLAIN),
    ("augment", "strong", "batches", PLAIN),
    ("optimizer", "sgd", "steps", PLAIN),
    ("momentum", 0.5, "steps", SGD),
    ("lr", 1e-3, "rates", PLAIN),
    ("encoder_lr", 0.5, "rates", ENCODER),
    ("bias_lr", 2, "rates", PLAIN),
    ("schedule", "poly", "rates", PLAIN),
    ("schedule", "step:0.4", "rates", PLAIN),
    ("warmup", 0.5, "rates", PLAIN),
    ("weight_decay", 0.5, "steps", PLAIN),
    ("norm", "group", "start", {**PLAIN, "model": "noisy"}),
    ("norm", "frozen", "loss", {**PLAIN, "model": "noisy", "weights": "DATA/noisy.safetensors"}),
    ("auxiliary", 3.0, "loss", {**PLAIN, "model": "helped"}),
    ("clip", 1e-3, "steps", SGD),
    ("ema", 0.0, "saved", PLAIN),
    ("patience", 1, "length", {**PLAIN, "epochs": 4, "lr": 1e-12}),
    ("seed", 1, "start", PLAIN),
]
COLORS = "ground=0,0,0;road=9,9,9;sky=200,0,0"


def test_every_key_is_in_the_list():
    """All but max_detections, which is for methods that find objects: see test_data_check.py."""
    assert {key for key, *_ in CASES} | {"max_detections"} == {f.name for f in fields(Recipe)}


@dataclass
class RunTrace:
    """The steps of a run, as far as they are compared."""

    classes: tuple[str, ...] = ()
    start: str = ""
    batches: list[str] = field(default_factory=list)
    loss: list[dict[str, float]] = field(default_factory=list)
    rates: list[list[float]] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    length: int = 0
    saved: str = ""

    def first_difference(self, other: RunTrace) -> str | None:
        for aspect in ASPECTS:
            if getattr(self, aspect) != getattr(other, aspect):
                return aspect
        return None


def digest(tensors: Iterable[Tensor]) -> str:
    whole = hashlib.sha256()
    for tensor in tensors:
        whole.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode() + tensor.detach().cpu().numpy().tobytes())
    return whole.hexdigest()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Two data sets of three classes; one again with coloured masks, with 16 bits, with rival folders; checkpoints."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    palette = np.array([[0, 0, 0], [9, 9, 9], [0, 0, 200]], np.uint8)  # BGR, as OpenCV writes them
    for name in ("one", "other"):
        for split, number in (("train", 8), ("val", 2)):
            for k in range(number):
                image = rng.integers(0, 255, (48, 48, 3), np.uint8)
                mask = np.zeros((48, 48), np.uint8)
                mask[8:24] = 1
                if k % 2:
                    mask[30:, : rng.integers(8, 40)] = 2
                write(folder / name, split, k, image, mask)
                if name == "one":
                    write(folder / "colored", split, k, image, palette[mask])
                    write(folder / "rivals", split, k, image, mask)
                    write(folder / "rivals", split, k, 255 - image, np.roll(mask, 5, 0), ("photos", "manual"))
                    write(folder / "deep", split, k, image.astype(np.uint16) * 20, mask)
    classes = pixelwise.open_dataset(folder / "one", split="train").classes
    for model in ("plain", "noisy"):
        torch.manual_seed(7)
        made = pixelwise.create(model, classes=classes)
        made.train()(torch.rand(2, 3, 32, 32))  # moves the batch statistics
        save(made, folder / f"{'start' if model == 'plain' else model}.safetensors")
    return folder


def write(folder: Path, split: str, number: int, image: Any, mask: Any, names: Any = ("images", "masks")) -> None:
    for kind, pixels in zip(names, (image, mask), strict=True):
        (folder / kind / split).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / kind / split / f"{number}.png"), pixels)


@pytest.fixture(scope="module")
def run(plain: ModuleType, tmp_path_factory) -> Callable[[Recipe], RunTrace]:
    """Trains by a recipe and returns the trace; each recipe once."""
    traces: dict[str, RunTrace] = {}

    def trace_of(recipe: Recipe) -> RunTrace:
        key = str(recipe)
        if key not in traces:
            traces[key] = follow(recipe, tmp_path_factory.mktemp("run"))
        return traces[key]

    return trace_of


def follow(recipe: Recipe, folder: Path) -> RunTrace:
    trace = RunTrace()
    training_step, before_step = TrainingModule.training_step, TrainingModule.on_before_optimizer_step

    def watched_training_step(self, batch, index):
        weights = digest(self.model.state_dict().values())
        loss = training_step(self, batch, index)
        if index == 0:
            trace.start = weights + " ".join(self.model.state_dict())
            trace.batches = [digest([batch.images, *(truth.class_map() for truth in batch.truths)])]
            trace.loss = [{name: float(value) for name, value in self.losses.items()}]
        elif index < 3:
            trace.steps.append(weights)
        return loss

    def watched_before_step(self, optimizer):
        before_step(self, optimizer)
        if len(trace.rates) < 4:
            trace.rates.append([group["lr"] for group in optimizer.param_groups])
        trace.length += 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingModule, "training_step", watched_training_step)
        patch.setattr(TrainingModule, "on_before_optimizer_step", watched_before_step)
        done = train(recipe, machine=MACHINE, out=folder / "run", progress=False)
    model = pixelwise.load(done.last)
    trace.classes, trace.saved = model.classes.names, digest(model.state_dict().values())
    return trace


def recipe_of(keys: dict[str, Any], data: Path) -> Recipe:
    """The recipe with these keys, DATA and COLORS filled in."""
    filled = {"data": "DATA/one", **keys}
    for key, value in filled.items():
        if isinstance(value, str):
            filled[key] = value.replace("DATA", str(data)).replace("COLORS", COLORS)
    return Recipe.from_dict(filled)


def parameters() -> list[Any]:
    """The cases; those with a real encoder take seconds."""
    cases = []
    for key, value, aspect, context in CASES:
        marks = [pytest.mark.slow] if context["model"] == "unet" else []
        cases.append(pytest.param(key, value, aspect, context, id=f"{key}={value}", marks=marks))
    return cases


@pytest.mark.parametrize(("key", "value", "aspect", "context"), parameters())
def test_each_key_changes_the_run(run, data, key, value, aspect, context):
    before = run(recipe_of(context, data))
    after = run(recipe_of({**context, key: value}, data))
    assert before.first_difference(after) == aspect


def test_the_same_recipe_is_the_same_run(plain, data, tmp_path):
    """Otherwise the differences above would mean nothing."""
    recipe = recipe_of({**PLAIN, "model": "noisy"}, data)
    assert follow(recipe, tmp_path / "1").first_difference(follow(recipe, tmp_path / "2")) is None

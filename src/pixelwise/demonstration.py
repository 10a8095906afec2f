"""A demonstration on bundled images: train a model, evaluate it on other images, draw its predictions."""

from __future__ import annotations

import shutil
import time
from importlib.resources import files
from pathlib import Path

from .training.recipe import Machine, Recipe

WRITTEN = ("overlay", "class-map")
"""Formats of the predictions that are written, each into a folder of its name."""


def bundled() -> Path:
    """Find the folder of the bundled sample: 40 training and 12 validation images of nuclei (BBBC038, CC0)."""
    return Path(str(files("pixelwise") / "data" / "nuclei"))


def run_demo(out: str | Path, epochs: int = 36) -> None:
    """Train a U-Net on the bundled nuclei, score it, and write overlays and a report page.

    Args:
        out: the folder to write to; files of an earlier demonstration are replaced.
        epochs: passes over the 40 training images.
    """
    from .data.opening import open_dataset
    from .evaluation.scoring import evaluate
    from .inference.folder import predict_files
    from .training.run import train
    from .weights.checkpoint import load

    out = Path(out)
    start = time.monotonic()
    for old in ("train", *WRITTEN):
        shutil.rmtree(out / old, ignore_errors=True)
    recipe = Recipe(data=str(bundled()), classes=("background", "nucleus"), epochs=epochs)
    print(f"Training a U-Net with an ImageNet-pretrained encoder on 40 images of nuclei, {epochs} epochs …")
    training = train(recipe, machine=Machine(loggers=("csv",)), out=out / "train")

    data = open_dataset(bundled(), split="val", classes=recipe.classes)
    model = load(training.last)
    evaluation = evaluate(model, data)
    page = evaluation.write(out)
    predict_files(model, [record.image for record in data.records], out, formats=WRITTEN)
    seconds = time.monotonic() - start
    print(f"\n{evaluation.table()}\n\nOn {len(data)} images that it was not trained on, after {seconds:.0f} s.")
    print(f"report page  {page}\noverlays     {out / 'overlay'}\nmodel        {training.last}")
    print("\nYour own images:  pixelwise train --data FOLDER")

"""The whole way on the bundled images: train, evaluate on images not seen, draw, report."""

from __future__ import annotations

import shutil
import time
from importlib.resources import files
from pathlib import Path

from .training.recipe import Machine, Recipe

WRITTEN = ("overlay", "class-map")
"""The formats of the results; each is a folder."""


def bundled() -> Path:
    """The folder of the bundled sample: 40 training and 12 test images of nuclei (BBBC038, CC0)."""
    return Path(str(files("pixelwise") / "data" / "nuclei"))


def show(out: str | Path, epochs: int = 36) -> None:
    """Train a U-Net on the bundled nuclei, score it, and write overlays and a report page.

    Args:
        out: the folder; what an earlier demo left in it is replaced.
        epochs: passes over the 40 training images.
    """
    from .data.opening import open_dataset
    from .evaluation import evaluate
    from .inference.folder import predict_files
    from .training.run import train
    from .weights.checkpoint import load

    out, start = Path(out), time.monotonic()
    for old in ("train", *WRITTEN):
        shutil.rmtree(out / old, ignore_errors=True)
    recipe = Recipe(data=str(bundled()), classes=("background", "nucleus"), epochs=epochs)
    print(f"Training a U-Net with an ImageNet-pretrained encoder on 40 images of nuclei, {epochs} epochs …")
    training = train(recipe, machine=Machine(loggers=("csv",)), out=out / "train")

    data = open_dataset(bundled(), split="val", classes=recipe.classes)
    model = load(training.last)
    result = evaluate(model, data)
    page = result.write(out)
    predict_files(model, [record.image for record in data.records], out, formats=WRITTEN)
    print(f"\n{result.table()}\n\nOn {len(data)} images it has not seen, after {time.monotonic() - start:.0f} s.")
    print(f"report page  {page}\noverlays     {out / 'overlay'}\nmodel        {training.last}")
    print("\nYour own images:  pixelwise train --data FOLDER")

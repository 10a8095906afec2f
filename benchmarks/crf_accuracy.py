"""What the dense CRF does to IoU and to the boundary score of a trained model, with default and with tuned parameters.

    python benchmarks/crf_accuracy.py --data PATH/camvid PATH/membrane --runs FOLDER [--epochs 30] [--budget 24]

For each data set a U-Net with an EfficientNet-Lite0 encoder is trained with our defaults (once: a run that lies in
FOLDER already is used again, its last weights). The images that it was not trained on are split at random in two:
`pixelwise.tune` searches on the first half, and the table is of the second half, which neither saw. camvid has a split
of its own; of membrane's images every second one is for training. Intervals are 95 % bootstrap over the judged ones.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import pixelwise
from pixelwise import CRF, Chain, Recipe
from pixelwise.data.dataset import Dataset
from pixelwise.evaluation.evaluation_report import Evaluation
from pixelwise.inference.predictor import Predictor
from pixelwise.training.recipe import Machine
from results import machine, write

CAMVID = "sky,building,pole,road,pavement,tree,sign symbol,fence,car,pedestrian,bicyclist"
RECIPES = {
    "camvid": {"classes": CAMVID, "void": 11, "resize": 180, "imgsz": 192, "batch": 8},
    "membrane": {"imgsz": 256, "batch": 4},
}
BOUNDARY = 2
"""The tolerance of the boundary score, pixels."""


def split_by_lists(path: Path, folder: Path) -> Path:
    """A folder with the lists of every second image for training and of the others."""
    images = sorted((path / "image").iterdir(), key=lambda image: int(image.stem))
    folder.mkdir(parents=True, exist_ok=True)
    for k, split in enumerate(("train", "val")):
        lines = [f"{image.resolve()} {(path / 'label' / image.name).resolve()}" for image in images[k::2]]
        (folder / f"{split}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def scored(model: Path, judged: Dataset, chain: Chain) -> Evaluation:
    predictor = Predictor(pixelwise.load(model), postprocess=chain)
    return pixelwise.evaluate(predictor, judged, boundary=BOUNDARY, progress=False)


def report(path: Path, options: argparse.Namespace) -> list[str]:
    """Trains, tunes and judges on one data set."""
    data = path if path.name == "camvid" else split_by_lists(path, options.runs / f"{path.name}-lists")
    recipe = Recipe(
        data=str(data), backbone="tf_efficientnet_lite0", epochs=options.epochs, seed=0, **RECIPES[path.name]
    )
    run = options.runs / path.name
    last = run / "last.safetensors"
    if not last.exists():
        pixelwise.train(recipe, machine=Machine(workers=0, loggers=("csv",)), out=run, progress=False)
    reading = {key: value for key, value in RECIPES[path.name].items() if key in ("classes", "void")}
    unseen = pixelwise.open_dataset(data, split="val", **reading)
    start = time.perf_counter()
    tuning = pixelwise.tune(
        pixelwise.load(last), unseen, budget=options.budget, areas=options.areas, images=len(unseen)
    )
    searched = time.perf_counter() - start
    names = set(tuning.judged)
    judged = replace(unseen, records=tuple(record for record in unseen.records if record.name in names))
    chains = {"no CRF": Chain(), "default CRF": Chain(crf=CRF()), "tuned": tuning.chain}
    lines = ["", f"{path.name}: {len(judged)} images, {options.epochs} epochs, search {searched:.0f} s"]
    for name, chain in chains.items():
        start = time.perf_counter()
        found = scored(last, judged, chain)
        spent = 1000 * (time.perf_counter() - start) / len(judged)
        cells = []
        for score in ("mIoU", "boundary F1"):
            low, high = found.intervals[score]
            cells.append(f"{score} {found.scores[score]:.4f} ({low:.4f} to {high:.4f})")
        lines.append(f"{name:12s} {'   '.join(cells)}   {spent:.0f} ms an image")
    return [*lines, "", *tuning.table().splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders called camvid and membrane")
    parser.add_argument("--runs", type=Path, required=True, help="where the trained models lie or come to lie")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--budget", type=int, default=24)
    parser.add_argument("--areas", action="store_true", help="search areas too")
    options = parser.parse_args()
    lines = [f"the dense CRF after a trained U-Net; boundaries within {BOUNDARY} pixels", machine("torch", "timm")]
    for path in options.data:
        lines += report(path, options)
    write("crf_accuracy", lines)


if __name__ == "__main__":
    main()

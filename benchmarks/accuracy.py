"""Our U-Net beside segmentation_models.pytorch's; or all our methods beside each other.

    python benchmarks/accuracy.py --data PATH/nuclei PATH/camvid [--seeds 3] [--epochs 3]
    python benchmarks/accuracy.py --methods --data PATH/camvid [--seeds 1] [--epochs 15] [--only NAME …]

The first has three arms for each data set and seed, all evaluated alike, on whole images in float32:

- `smp`: their `Unet` with timm's tf_efficientnet_lite0, filled with the ImageNet weights;
- `ours, same`: our `unet` with the same encoder, fed the same batches with the same loss, optimiser and schedule;
- `ours, defaults`: `pixelwise.train` with a default recipe (its loss, schedule, averaged weights and augmentation), for
  the same number of steps of the same batch and crop.

"The same" is: cross-entropy, AdamW at 1e-3 with weight decay 0.01, poly schedule, random scale 0.5 to 2, crop and flip.

With `--methods`: `pixelwise.train` with the default recipe for every method on the same encoder (timm's
tf_efficientnet_lite0, ImageNet weights), for the same steps of the same batches; no method has its paper's schedule, so
this says how they compare at this budget and not what they can reach. Scored with the last weights on whole images.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from pixelwise import create, load, open_dataset, train
from pixelwise.data.augmentation.transforms import augmentation
from pixelwise.data.batch_plan import Plan
from pixelwise.data.dataset import Dataset
from pixelwise.data.loader import training_batches
from pixelwise.inference.predictor import Predictor
from pixelwise.layers.normalize import Normalize
from pixelwise.models.base import SemanticModel, SemanticOutputs
from pixelwise.ops.pad import pad_to
from pixelwise.ops.resize import Resizing
from pixelwise.summary.model_summary import summarize
from pixelwise.training.preparation.machine_check import cpu_multiplies_bf16
from pixelwise.training.recipe import Machine, Recipe
from pixelwise.training.validation import Validation
from quiet import measure
from results import machine, write

BACKBONE = "tf_efficientnet_lite0"
CAMVID = "sky,building,pole,road,pavement,tree,sign symbol,fence,car,pedestrian,bicyclist"
METHODS = ("fcn32s", "fcn16s", "fcn8s", "deeplabv1", "deeplabv2", "deeplabv3", "deeplabv3plus", "pspnet", "unet")
READING = {
    "nuclei": {"resize": None, "options": {}},
    "camvid": {"resize": 180, "options": {"classes": CAMVID, "void": 11}},
}


class Peer(SemanticModel):
    """segmentation_models.pytorch's U-Net in our frame: what goes in and what is made of the logits are the same."""

    stride = 32

    def __init__(self, num_classes: int, ours: SemanticModel) -> None:
        super().__init__(num_classes)
        import segmentation_models_pytorch as smp

        self.network = smp.Unet(f"tu-{BACKBONE}", encoder_weights=None, classes=num_classes)
        encoder = ours.network.backbone.net.state_dict()
        self.network.encoder.model.load_state_dict(encoder)
        self.normalize: Normalize = ours.normalize
        self.classes, self.resizing = ours.classes, ours.resizing

    def forward(self, images: torch.Tensor) -> SemanticOutputs:
        h, w = images.shape[-2:]
        return SemanticOutputs(self.network(pad_to(self.normalize(images), 32))[..., :h, :w])


def fit(model: SemanticModel, data: Dataset, options: argparse.Namespace, seed: int) -> None:
    """The plain loop of the first two arms."""
    steps = options.epochs * -(-len(data) // options.batch)
    model.to(memory_format=torch.channels_last).train()
    plan = Plan(batch=options.batch, steps=steps, seed=seed, workers=0, multiple=32)
    augment = augmentation("light", (options.crop, options.crop), resizing=model.resizing)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, steps, 0.9)
    for batch in training_batches(data, augment, plan=plan):
        with torch.autocast("cpu", torch.bfloat16, enabled=cpu_multiplies_bf16()):
            outputs = model(batch.images)
        loss = torch.stack(list(model.loss(outputs, batch.truths).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def score(model: SemanticModel, data: Dataset) -> float:
    return Validation(data, model, workers=0)(model.eval(), torch.device("cpu"))["mIoU"]


def arms(path: Path, options: argparse.Namespace, seed: int) -> dict[str, float]:
    """The mIoU of each arm with one seed."""
    reading = READING[path.name]
    images, tests = (open_dataset(path, split=split, **reading["options"]) for split in ("train", "val"))
    torch.manual_seed(seed)
    ours = create("unet", classes=images.classes, backbone=BACKBONE, pretrained=True)
    ours.resizing = Resizing(reading["resize"])
    torch.manual_seed(seed)
    models = {"smp": Peer(len(images.classes), ours), "ours, same": ours}
    results = {}
    for name, model in models.items():
        fit(model, images, options, seed)
        results[name] = score(model, tests)
        print(f"{path.name} seed {seed} {name}: {results[name]:.4f}", flush=True)
    recipe = Recipe(
        data=str(path),
        resize=reading["resize"],
        epochs=options.epochs,
        batch=options.batch,
        imgsz=options.crop,
        seed=seed,
        **reading["options"],
    )
    with tempfile.TemporaryDirectory() as folder:
        done = train(recipe, machine=Machine(workers=0, loggers=("csv",)), out=Path(folder) / "run", progress=False)
        results["ours, defaults"] = score(load(done.last), tests)
    print(f"{path.name} seed {seed} ours, defaults: {results['ours, defaults']:.4f}", flush=True)
    return results


def trained(method: str, path: Path, options: argparse.Namespace, seed: int) -> SemanticModel:
    """A method after the common training."""
    reading = READING[path.name]
    recipe = Recipe(
        data=str(path),
        model=method,
        backbone=BACKBONE,
        resize=reading["resize"],
        epochs=options.epochs,
        batch=options.batch,
        imgsz=options.crop,
        seed=seed,
        **reading["options"],
    )
    with tempfile.TemporaryDirectory() as folder:
        done = train(recipe, machine=Machine(workers=0, loggers=("csv",)), out=Path(folder) / "run", progress=False)
        return load(done.last)


def method_row(method: str, path: Path, options: argparse.Namespace) -> str:
    """One line of the table of methods."""
    tests = open_dataset(path, split="val", **READING[path.name]["options"])
    scores = []
    for seed in range(options.seeds):
        start = time.perf_counter()
        model = trained(method, path, options, seed)
        minutes = (time.perf_counter() - start) / 60
        scores.append(score(model, tests))
        print(f"{method} seed {seed}: {scores[-1]:.4f} after {minutes:.1f} min", flush=True)
    image = tests.image(0)
    predictor = Predictor(model, device="cpu")
    milliseconds = measure(lambda: predictor(image), 4)["med"] * 1e3
    counted = summarize(model, model.resizing.size(*image.shape[1:]))
    return (
        f"{method:14s} {np.mean(scores):.4f} ({min(scores):.4f} to {max(scores):.4f})  "
        f"{counted.parameters / 1e6:7.2f} M  {counted.multiply_adds / 1e9:7.2f} G  {milliseconds:7.1f} ms"
    )


def compare_methods(options: argparse.Namespace) -> None:
    """The table of all methods."""
    for path in options.data:
        lines = [
            f"{path.name}: {options.epochs} epochs of crops of {options.crop}, batch {options.batch}, "
            f"{options.seeds} seeds, encoder {BACKBONE}, the default recipe",
            machine("torch", "timm"),
            "mIoU on whole images (lowest to highest seed), parameters, multiply-adds and time of one image",
            "",
        ]
        for method in options.only or METHODS:
            lines.append(method_row(method, path, options))
            write(f"methods_{path.name}", lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders called nuclei and camvid")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--crop", type=int, default=192)
    parser.add_argument("--methods", action="store_true", help="all methods beside each other")
    parser.add_argument("--only", nargs="*", help="of the methods")
    options = parser.parse_args()
    if options.methods:
        compare_methods(options)
        return
    lines = [
        f"mIoU: {options.epochs} epochs of crops of {options.crop}, batch {options.batch}, {options.seeds} seeds",
        machine("torch", "timm", "segmentation-models-pytorch"),
        "",
    ]
    for path in options.data:
        runs = [arms(path, options, seed) for seed in range(options.seeds)]
        for name in runs[0]:
            values = np.array([run[name] for run in runs])
            spread = f"{values.mean():.4f}   from {values.min():.4f} to {values.max():.4f}"
            lines.append(f"{path.name:8s} {name:16s} {spread}   {json.dumps([round(v, 4) for v in values])}")
        write("accuracy", lines)


if __name__ == "__main__":
    main()

"""A training step on the CPU: U-Net with a ResNet34 encoder, 4 images of 256×256, 19 classes, cross-entropy.

    python benchmarks/train_step.py [--seconds 20]

segmentation_models.pytorch runs as its users write it: float32, torch.optim.SGD. pixelwise runs its defaults: channels
last, bfloat16 where the processor multiplies it, AdamW, clipping, averaged weights. Then a whole training of pixelwise
on the bundled images, Lightning and loader included. Writes benchmarks/results/train_step.txt.

The peer: pip install segmentation-models-pytorch==0.5.0
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F

import pixelwise
from pixelwise.demonstration import bundled
from pixelwise.losses import criterion
from pixelwise.training.optimisation.average import Average
from pixelwise.training.optimisation.depthwise import keep_depthwise_float
from pixelwise.training.preparation.machine_check import cpu_multiplies_bf16
from pixelwise.training.recipe import Machine, Recipe
from pixelwise.weights.checkpoint import save
from quiet import compare
from results import machine, write

PEER = "segmentation-models-pytorch"
BATCH, SIDE, CLASSES, ENCODER = 4, 256, 19, "resnet34"
Call = Callable[[], object]


def plain_step() -> Call:
    """segmentation_models.pytorch, as in its own examples."""
    import segmentation_models_pytorch as smp

    model = smp.Unet(ENCODER, encoder_weights=None, classes=CLASSES).train()
    optimizer = torch.optim.SGD(model.parameters(), 1e-4, momentum=0.9)
    images, target = torch.rand(BATCH, 3, SIDE, SIDE), torch.randint(0, CLASSES, (BATCH, SIDE, SIDE))

    def step() -> None:
        loss = F.cross_entropy(model(images), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def our_step(loss: str, bf16: bool) -> Call:
    """All that `pixelwise.train` does in a step, without Lightning."""
    from pixelwise.training.optimisation.optimizer import parameter_groups

    model = pixelwise.create("unet", num_classes=CLASSES, backbone=ENCODER).train()
    model.criterion = criterion(loss)
    model = model.to(memory_format=torch.channels_last)
    average = Average(model, 0.99)
    keep_depthwise_float(model)
    groups = parameter_groups(model, Recipe("", backbone=ENCODER))
    optimizer = torch.optim.AdamW(groups, 1e-4, fused=True)
    images = torch.rand(BATCH, 3, SIDE, SIDE).to(memory_format=torch.channels_last)
    maps = torch.randint(0, CLASSES, (BATCH, SIDE, SIDE), dtype=torch.uint8)
    truths = [pixelwise.Segmentation.from_class_map(m, model.classes) for m in maps]

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            outputs = model(images)
        optimizer.zero_grad()
        torch.stack(list(model.loss(outputs, truths).values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update(model, 1000)

    return step


def whole_training(epochs: int, workers: int) -> tuple[float, float]:
    """Seconds a step and the share of waiting for the loader, in the last epochs of a real training."""
    with tempfile.TemporaryDirectory() as folder:
        start, out = Path(folder) / "start.safetensors", Path(folder) / "run"
        save(pixelwise.create("unet", num_classes=CLASSES, backbone=ENCODER), start)
        recipe = Recipe(
            str(bundled()), backbone=ENCODER, weights=str(start), epochs=epochs, batch=BATCH, imgsz=(SIDE,), loss="ce"
        )
        machine = Machine(device="cpu", workers=workers, loggers=())
        pixelwise.train(recipe, machine=machine, out=out, progress=False)
        rows = list(csv.DictReader((out / "metrics.csv").open()))
    seconds, steps = (sum(float(r["seconds"]) for r in rows[1:]), (len(rows) - 1) * 40 // BATCH)
    waited = sum(float(r["seconds"]) * float(r["waiting"]) for r in rows[1:])
    return seconds / steps, waited / seconds


def main() -> None:
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of repeats for each (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=4, help="of the whole training (default: %(default)s)")
    options = parser.parse_args()
    if not find_spec("segmentation_models_pytorch"):
        raise SystemExit(f"the peer is not installed: pip install {PEER}==0.5.0")
    bf16 = cpu_multiplies_bf16()
    ours = f"pixelwise, channels last, {'bf16' if bf16 else 'float32: no bf16 in this processor'}"
    calls = {
        f"{PEER}, plain": plain_step(),
        ours: our_step("ce", bf16),
        f"{ours}, ce+dice": our_step("ce+dice", bf16),
    }
    lines = [f"A training step: U-Net, {ENCODER}, {BATCH} x {SIDE}x{SIDE}, {CLASSES} classes"]
    lines += [f"{machine('torch', PEER)}; {torch.get_num_threads()} threads"]
    lines += ["Wall clock, measured in turns in one run; of plain: the share of the peer's time", ""]
    timings = compare(calls, options.seconds)
    base = timings[f"{PEER}, plain"]
    for name, timing in timings.items():
        noisy = "  (the machine was busy)" if timing["noisy"] else ""
        share, cpu = timing["med"] / base["med"], timing["cpu"] / base["cpu"]
        lines.append(
            f"{name:50s}{timing['med'] * 1e3:7.0f} ms, {share:.2f} of plain; "
            f"processor {timing['cpu'] * 1e3:.0f} ms, {cpu:.2f}{noisy}"
        )
    del calls
    for workers in (2, 0):
        seconds, waiting = whole_training(options.epochs, workers)
        lines.append(
            f"{f'pixelwise.train, {workers} loader processes':50s}{seconds * 1e3:7.0f} ms a step, "
            f"{waiting:.1%} of it waiting for images"
        )
    write("train_step", lines)


if __name__ == "__main__":
    main()

"""What a recipe and a machine mean here: the images, the model, the loader, the precision; and what cannot be."""

from __future__ import annotations

import inspect
import os
from dataclasses import dataclass, fields, replace
from importlib.util import find_spec
from typing import Any

import torch
from torch.utils.data import DataLoader

from ..classes import Classes
from ..data.augmentation.transforms import augmentation
from ..data.batch_plan import Plan
from ..data.class_balance import class_counts, rare_class_weights
from ..data.dataset import Dataset
from ..data.instance_truth import as_objects, check_panoptic
from ..data.loader import training_batches
from ..data.opening import available_splits, open_dataset
from ..losses import criterion
from ..losses.balance import class_weights
from ..models import MODELS
from ..models.base import Model, SemanticModel
from ..ops.phrases import few
from ..ops.resize import Resizing
from ..sample import Batch
from ..weights.checkpoint import load
from ..weights.creation import create, fill_backbones
from .recipe import Machine, Recipe
from .schedule import validation_interval

HELD_OUT = 5
"""Where the data have no images set aside for validation, every fifth one is."""


@dataclass(frozen=True)
class RunLength:
    """How long a run is.

    Attributes:
        steps: of the optimiser in all.
        epoch_steps: of the optimiser in an epoch.
        validate_every: so many epochs.
        accumulate: parts of a batch.
    """

    steps: int
    epoch_steps: int
    validate_every: int
    accumulate: int


def resolve(recipe: Recipe) -> Recipe:
    """The recipe without a backbone or a criterion where the method does not let one choose.

    Raises:
        ValueError: for an augmentation that does not exist, for a choice that the method does not have.
    """
    augmentation(recipe.augment, (recipe.imgsz[0], recipe.imgsz[0]))
    method = MODELS.get(recipe.model)
    if method is None:
        return recipe
    default = {f.name: f.default for f in fields(recipe)}
    if "backbone" not in inspect.signature(method).parameters and recipe.backbone == default["backbone"]:
        recipe = replace(recipe, backbone=None)
    if issubclass(method, SemanticModel):
        return recipe
    for name, allowed in (("loss", ("own",)), ("balance", ("none", "rare")), ("auxiliary", (None,))):
        if (value := getattr(recipe, name)) not in (*allowed, default[name]):
            raise ValueError(f"{name} is {value!r}, but {recipe.model} has losses of its own: leave it out")
    return replace(recipe, loss="own")


def check_machine(machine: Machine, recipe: Recipe) -> None:
    """That the machine has what is asked for, and that the batch can be shared out.

    Raises:
        ValueError: for a device or precision that is not here, or a batch that cannot be divided.
        ImportError: for a logger whose package is missing.
    """
    device = device_of(machine)
    parts = machine.devices * machine.nodes * machine.accumulate
    if recipe.batch % parts:
        raise ValueError(
            f"batch is {recipe.batch}, which {machine.nodes} x {machine.devices} processes and {machine.accumulate} "
            f"accumulated parts cannot share: it must be a multiple of {parts}"
        )
    if device == "cuda" and machine.devices > torch.cuda.device_count():
        raise ValueError(f"devices is {machine.devices}, but this machine has {torch.cuda.device_count()} GPUs")
    if device == "mps" and machine.devices > 1:
        raise ValueError("devices must be 1 with the device mps")
    if machine.precision == "bf16" and device == "mps":
        raise ValueError("precision bf16 is for cuda and cpu: use fp32 with the device mps")
    for name in ("wandb", "mlflow"):
        if name in machine.loggers and not find_spec(name):
            raise ImportError(f"loggers has {name}, which is not installed: pip install 'pixelwise[{name}]'")


def device_of(machine: Machine) -> str:
    """ "cpu", "cuda" or "mps".

    Raises:
        ValueError: when the device that is asked for is not here; says what is.
    """
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if machine.device == "auto":
        return "cuda" if here["cuda"] else "cpu"
    if not here[machine.device]:
        built = torch.version.cuda
        why = f"PyTorch {torch.__version__} is built " + (
            f"for CUDA {built} but finds none" if built else "without CUDA"
        )
        there = ", ".join(name for name, present in here.items() if present)
        raise ValueError(
            f"device is {machine.device}, but there is none here ({why}); there is: {there}. Use --device auto"
        )
    return machine.device


def bf16(machine: Machine) -> bool:
    """Whether forward passes run in bfloat16: on request, or where the hardware multiplies it natively."""
    if machine.precision != "auto":
        return machine.precision == "bf16"
    device = device_of(machine)
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and cpu_multiplies_bf16()


def workers_of(machine: Machine) -> int:
    """Processes that load images: those asked for, or as many as leave the training its cores.

    With two cores that train, none is fastest: loading takes a thirtieth of a step (`benchmarks/train_step.py`).
    """
    if machine.workers is not None:
        return machine.workers
    spare = (os.cpu_count() or 1) // machine.devices - (1 if device_of(machine) == "cuda" else 2)
    return max(0, min(8 if device_of(machine) == "cuda" else 2, spare))


def cpu_multiplies_bf16() -> bool:
    """Whether the processor has bfloat16 dot products (AVX-512 BF16 or AMX); without them bf16 is slower than fp32."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def open_splits(recipe: Recipe) -> tuple[Dataset, Dataset, list[str]]:
    """The images to train on, those to validate on, and what people should know about them; of objects, if the
    method finds such.

    Raises:
        ValueError: when there is nothing to train on or to validate on, no objects where the method wants them, or not
            both stuff and things.
    """
    images, validated, notes = _split(recipe)
    task = MODELS[recipe.model].task if recipe.model in MODELS else ""
    if task == "instance":
        images, validated = as_objects(images), as_objects(validated)
        if not any(len(images.truth(i)) for i in range(len(images))):
            raise ValueError(f"{recipe.data} has no object in any of the {len(images)} images to train on")
    if task == "panoptic":
        check_panoptic(images)
    return images, validated, notes


def _split(recipe: Recipe) -> tuple[Dataset, Dataset, list[str]]:
    options: dict[str, Any] = {
        "format": recipe.format,
        "classes": recipe.classes or None,
        "void": recipe.void or None,
        "colors": recipe.colors,
    }
    splits = available_splits(recipe.data, recipe.format)
    if "train" in splits and "val" in splits:
        images, validated = (open_dataset(recipe.data, split=name, **options) for name in ("train", "val"))
        return images, validated, list(images.notes)
    whole = open_dataset(recipe.data, split="train" if "train" in splits else None, **options)
    if len(whole) < 2:
        raise ValueError(f"{recipe.data} has {len(whole)} image: training needs 2 at least, one to validate on")
    order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(recipe.seed)).tolist()
    number = max(1, len(whole) // HELD_OUT)
    rest, held = (tuple(whole.records[i] for i in sorted(part)) for part in (order[number:], order[:number]))
    note = f"no images are set aside as val: {number} of {len(whole)} are held out for validation"
    return replace(whole, records=rest), replace(whole, records=held), [*whole.notes, note]


def make_model(recipe: Recipe, classes: Classes) -> tuple[Model, list[str]]:
    """The model as it is before the first step, and what people should know about it.

    Raises:
        ValueError: for a model, backbone or starting weights that do not fit.
    """
    torch.manual_seed(recipe.seed)
    if recipe.weights is not None:
        model, notes = begin_from(recipe.weights, recipe, classes)
    else:
        model, notes = create(recipe.model, classes=classes, **arguments_of(recipe)), []
        if recipe.pretrained is not None:
            filled = fill_backbones(model, True if recipe.pretrained == "auto" else recipe.pretrained)
            if not filled and recipe.pretrained != "auto":
                raise ValueError(f"{recipe.model} has no backbone here to fill with {recipe.pretrained}: give backbone")
    model.resizing = resizing_of(recipe)
    if recipe.auxiliary is not None and isinstance(model, SemanticModel):
        model.auxiliary_weight = recipe.auxiliary
    return model, notes


def resizing_of(recipe: Recipe) -> Resizing:
    """What `resize` says: the shorter side, or both."""
    sides = recipe.resize or (None,)
    return Resizing(square=sides[0]) if len(sides) == 2 else Resizing(sides[0])


def arguments_of(recipe: Recipe) -> dict[str, Any]:
    """What the recipe says to `create`, beside the classes."""
    said = {"backbone": recipe.backbone} if recipe.backbone is not None else {}
    return {**said, **recipe.arguments, **({"norm": "group"} if recipe.norm == "group" else {})}


def begin_from(path: str, recipe: Recipe, classes: Classes) -> tuple[Model, list[str]]:
    """A model with the weights of a checkpoint, made as that one was where the recipe does not say otherwise.

    All tensors of equal name and shape are taken over, so that a method begins from another of its family, as FCN-16s
    does from FCN-32s; the rest starts anew, and so does the head where the classes are others.

    Raises:
        ValueError: when the checkpoint has another backbone, or less than half of what the method needs.
    """
    start = load(path)
    backbone = start.arguments.get("backbone")
    accepted = inspect.signature(MODELS[recipe.model]).parameters if recipe.model in MODELS else ()
    kept = {key: value for key, value in start.arguments.items() if key in accepted or key == "norm"}
    kept.pop("things", None)  # the classes of the data say it
    model = create(recipe.model, classes=classes, **{**kept, **arguments_of(recipe)})
    old, new = start.state_dict(), model.state_dict()
    same = start.classes.names == classes.names
    fits = {name for name, value in new.items() if name in old and value.shape == old[name].shape}
    if backbone != recipe.backbone or 2 * len(fits) < len(new):
        raise ValueError(
            f"{path} is a {start.architecture} with the backbone {backbone}, but the recipe asks for {recipe.model} "
            f"with {recipe.backbone}: use --model {start.architecture} --backbone {str(backbone).lower()}"
        )
    left = [name for name in new if name not in fits or (".head." in f".{name}" and not same)]
    model.load_state_dict({name: value for name, value in old.items() if name in fits - set(left)}, strict=False)
    knows, has = (few(names) for names in (start.classes.names, classes.names))
    why = f"{path} is a {start.architecture}" if same else f"{path} knows {knows}, the data have {has}"
    return model, [f"{why}: these weights start anew: {few(left)}"] if left else []


def balance(model: Model, recipe: Recipe, images: Dataset) -> torch.Tensor | None:
    """Set a semantic model's criterion; the weights with which images are drawn, or None for all alike."""
    counts = class_counts(images) if recipe.balance != "none" else None
    weights = None if counts is None or recipe.balance == "rare" else class_weights(counts, recipe.balance)
    if isinstance(model, SemanticModel):
        model.criterion = criterion(recipe.loss, weights)
    return rare_class_weights(counts) if recipe.balance == "rare" and counts is not None else None


def course_of(recipe: Recipe, machine: Machine, images: Dataset, validated: Dataset) -> RunLength:
    """How long the run is, from the number and size of the images alone."""
    epoch_steps = -(-len(images) // recipe.batch)
    trained = len(images) * max(recipe.imgsz) ** 2
    height, width = resizing_of(recipe).size(*validated.image(0).shape[1:])
    every = validation_interval(trained, len(validated) * height * width, recipe.epochs)
    return RunLength(recipe.epochs * epoch_steps, epoch_steps, every, machine.accumulate)


@dataclass(frozen=True)
class Batches:
    """Makes the loader of each process."""

    images: Dataset
    recipe: Recipe
    machine: Machine
    course: RunLength
    multiple: int
    weights: torch.Tensor | None

    def __call__(self, rank: int, world: int, start: int) -> DataLoader[Batch]:
        """The batches of a process that are left after `start` steps of the optimiser."""
        recipe = self.recipe
        sizes = tuple((side, side) for side in recipe.imgsz)
        augment = augmentation(recipe.augment, sizes[0], recipe.scale, resizing_of(recipe))
        plan = Plan(
            batch=recipe.batch,
            steps=self.course.steps,
            start=start,
            seed=recipe.seed,
            workers=workers_of(self.machine),
            rank=rank,
            world=world,
            multiple=self.multiple,
            sizes=sizes if len(sizes) > 1 else (),
            weights=self.weights,
        )
        return training_batches(self.images, augment, plan=plan)

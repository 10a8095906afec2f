"""The data of a recipe: images to train and to validate on, the batches of each process, the length of the run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ...data.augmentation.transforms import augmentation
from ...data.batch_plan import Plan
from ...data.class_balance import rare_class_weights
from ...data.dataset import Dataset
from ...data.instance_truth import training_truth_for, truth_for
from ...data.loader import training_batches
from ...data.opening import available_splits, open_dataset
from ...models import MODELS
from ...sample import Batch
from ..optimisation.schedule import RunLength, validation_interval
from ..recipe import Machine, Recipe
from .machine_check import worker_count
from .prepare_model import resizing_of

HELD_OUT = 5
"""One image in this many is held out for validation when the data have no split for it."""


def open_splits(recipe: Recipe) -> tuple[Dataset, Dataset, list[str]]:
    """Open the images to train on and those to validate on, as objects if the method finds objects.

    Returns:
        The two data sets, and notes for the log.

    Raises:
        ValueError: there is nothing to train or to validate on, no object for a method that finds objects, or not
            both stuff and things for a panoptic method.
    """
    images, validation_images, notes = _split(recipe)
    method = MODELS.get(recipe.model)
    if method is None:
        return images, validation_images, notes
    return training_truth_for(method, images), truth_for(method, validation_images), notes


def _split(recipe: Recipe) -> tuple[Dataset, Dataset, list[str]]:
    options: dict[str, Any] = {
        "format": recipe.format,
        "classes": recipe.classes or None,
        "void": recipe.void or None,
        "colors": recipe.colors,
        "images": recipe.images,
        "masks": recipe.masks,
        "intensity": recipe.range,
    }
    splits = available_splits(recipe.data, recipe.format, recipe.images, recipe.masks)
    if "train" in splits and "val" in splits:
        images = open_dataset(recipe.data, split="train", **options)
        # Both splits are converted alike: by what is stated, or else by the range of the images to train on.
        options["intensity"] = images.intensity
        return images, open_dataset(recipe.data, split="val", **options), list(images.notes)
    whole = open_dataset(recipe.data, split="train" if "train" in splits else None, **options)
    if len(whole) < 2:
        raise ValueError(f"{recipe.data} has {len(whole)} image: training needs 2 at least, one to validate on")
    number = max(1, len(whole) // HELD_OUT)
    order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(recipe.seed)).tolist()
    note = f"no images are set aside as val: {number} of {len(whole)} are held out for validation"
    return _subset(whole, order[number:]), _subset(whole, order[:number]), [*whole.notes, note]


def _subset(dataset: Dataset, indices: list[int]) -> Dataset:
    return replace(dataset, records=tuple(dataset.records[i] for i in sorted(indices)))


def image_weights(recipe: Recipe, counts: Tensor | None) -> Tensor | None:
    """Return how often each image is drawn with `balance: rare`; None when all are drawn alike.

    Args:
        recipe: says how classes are balanced.
        counts: (images, C) pixels of each class in each image; None with `balance: none`.
    """
    if counts is None or recipe.balance != "rare":
        return None
    return rare_class_weights(counts)


def run_length(recipe: Recipe, machine: Machine, images: Dataset, validation_images: Dataset) -> RunLength:
    """Return the length of the run, which follows from the number and size of the images alone."""
    epoch_steps = -(-len(images) // recipe.batch)
    trained = len(images) * max(recipe.imgsz) ** 2
    # The first image stands for all: reading every size would take long.
    height, width = resizing_of(recipe).size(*validation_images.image(0).shape[1:])
    validated = len(validation_images) * height * width
    return RunLength(
        steps=recipe.epochs * epoch_steps,
        epoch_steps=epoch_steps,
        validate_every=validation_interval(trained, validated, recipe.epochs),
        accumulate=machine.accumulate,
    )


@dataclass(frozen=True)
class ProcessBatches:
    """Makes the loader of each process.

    Attributes:
        images: to train on.
        recipe: says batch, sizes and augmentation.
        machine: says how many processes load images.
        length: of the run.
        multiple: height and width are padded to a multiple of this many pixels.
        weights: how often each image is drawn, as `image_weights` gives them.
    """

    images: Dataset
    recipe: Recipe
    machine: Machine
    length: RunLength
    multiple: int
    weights: Tensor | None

    def __call__(self, rank: int, world: int, start: int) -> DataLoader[Batch]:
        """Return the batches that are left for a process.

        Args:
            rank, world: number of the process, and how many there are.
            start: steps of the optimiser that are done.
        """
        recipe = self.recipe
        sizes = [(side, side) for side in recipe.imgsz]
        augment = augmentation(recipe.augment, sizes[0], recipe.scale, resizing_of(recipe))
        plan = Plan(
            batch=recipe.batch,
            steps=self.length.steps,
            start=start,
            seed=recipe.seed,
            workers=worker_count(self.machine),
            rank=rank,
            world=world,
            multiple=self.multiple,
            # A single size is the augmentation's own; only several are drawn for each step.
            sizes=sizes if len(sizes) > 1 else (),
            weights=self.weights,
        )
        return training_batches(self.images, augment, plan=plan)

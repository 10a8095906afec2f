"""The model of a recipe as it is before the first step: its constructor, starting weights and criterion."""

from __future__ import annotations

import inspect
from dataclasses import fields, replace
from typing import Any, cast

import torch
from torch import Tensor

from ...classes import Classes
from ...data.augmentation.transforms import augmentation
from ...losses import criterion
from ...losses.balance import class_weights
from ...models import MODELS
from ...models.base import Model, SemanticModel
from ...ops.phrases import few
from ...ops.resize import Resizing
from ...weights.checkpoint import load
from ...weights.creation import create, fill_backbones
from ..recipe import Recipe

OWN_LOSSES = {"loss": ("own",), "balance": ("none", "rare"), "auxiliary": (None,)}
"""What the recipe of a method with losses of its own may say about them, beside the defaults."""


def resolve(recipe: Recipe) -> Recipe:
    """Return the recipe without a backbone or a criterion where the method does not let one choose.

    Raises:
        ValueError: the augmentation does not exist, or the method does not have the choice that is made.
    """
    augmentation(recipe.augment, (recipe.imgsz[0], recipe.imgsz[0]))
    method = MODELS.get(recipe.model)
    if method is None:
        return recipe
    defaults = {f.name: f.default for f in fields(recipe)}
    if "backbone" not in inspect.signature(method).parameters and recipe.backbone == defaults["backbone"]:
        recipe = replace(recipe, backbone=None)
    if method.takes_criterion:
        return recipe
    for name, allowed in OWN_LOSSES.items():
        value = getattr(recipe, name)
        if value not in allowed and value != defaults[name]:
            raise ValueError(f"{name} is {value!r}, but {recipe.model} has losses of its own: leave it out")
    return replace(recipe, loss="own")


def make_model(recipe: Recipe, classes: Classes) -> tuple[Model, list[str]]:
    """Make the model as it is before the first step.

    Returns:
        The model, and notes on its starting weights for the log.

    Raises:
        ValueError: the model, the backbone or the starting weights do not fit together.
    """
    torch.manual_seed(recipe.seed)
    notes: list[str] = []
    if recipe.weights is not None:
        model, notes = model_from_checkpoint(recipe.weights, recipe, classes)
    else:
        model = create(recipe.model, classes=classes, **arguments_of(recipe))
        _fill_backbone(model, recipe)
    model.resizing = resizing_of(recipe)
    if recipe.auxiliary is not None and model.takes_criterion:
        cast(SemanticModel, model).auxiliary_weight = recipe.auxiliary
    return model, notes


def resizing_of(recipe: Recipe) -> Resizing:
    """Return how images are resized before all else: by the shorter side, or to a square."""
    if recipe.resize is None:
        return Resizing()
    if len(recipe.resize) == 2:
        return Resizing(square=recipe.resize[0])
    return Resizing(recipe.resize[0])


def arguments_of(recipe: Recipe) -> dict[str, Any]:
    """Return the arguments of `create` that the recipe decides, beside the classes."""
    arguments = dict(recipe.arguments)
    if recipe.backbone is not None:
        arguments = {"backbone": recipe.backbone, **arguments}
    if recipe.norm == "group":
        arguments["norm"] = "group"
    return arguments


def model_from_checkpoint(path: str, recipe: Recipe, classes: Classes) -> tuple[Model, list[str]]:
    """Make a model with the weights of a checkpoint, and with its arguments where the recipe does not say otherwise.

    All tensors of equal name and shape are copied, so that a method starts from another one of its family, as
    FCN-16s does from FCN-32s. The others start anew, and so does the head when the classes differ.

    Args:
        path: of the checkpoint, or of the folder of a run.
        recipe: says the method and its arguments.
        classes: of the data.

    Returns:
        The model, and a note for the log if some of its weights start anew.

    Raises:
        ValueError: the checkpoint has another backbone, or less than half of the tensors that the method needs.
    """
    start = load(path)
    model = create(recipe.model, classes=classes, **{**_inherited_arguments(start, recipe), **arguments_of(recipe)})
    shared = _shared_names(start, model)
    backbone = start.arguments.get("backbone")
    if backbone != recipe.backbone or 2 * len(shared) < len(model.state_dict()):
        raise ValueError(
            f"{path} is a {start.architecture} with the backbone {backbone}, but the recipe asks for {recipe.model} "
            f"with {recipe.backbone}: use --model {start.architecture} --backbone {str(backbone).lower()}"
        )
    same_classes = start.classes.names == classes.names
    copied = {name for name in shared if same_classes or ".head." not in f".{name}"}
    weights = {name: value for name, value in start.state_dict().items() if name in copied}
    model.load_state_dict(weights, strict=False)
    new = [name for name in model.state_dict() if name not in copied]
    if not new:
        return model, []
    reason = f"{path} is a {start.architecture}"
    if not same_classes:
        reason = f"{path} knows {few(start.classes.names)}, the data have {few(classes.names)}"
    return model, [f"{reason}: these weights start anew: {few(new)}"]


def set_criterion(model: Model, recipe: Recipe, counts: Tensor | None) -> None:
    """Set the criterion of a semantic model; other models keep the losses of their own.

    Args:
        model: whose criterion is replaced.
        recipe: names the criterion and how it is balanced.
        counts: (images, C) pixels of each class in each image; None with `balance: none`.
    """
    if not model.takes_criterion:
        return
    weights = None
    if counts is not None and recipe.balance != "rare":
        weights = class_weights(counts, recipe.balance)
    model.criterion = criterion(recipe.loss, weights)


def _fill_backbone(model: Model, recipe: Recipe) -> None:
    """Fill the backbone with ImageNet weights, if the recipe wants them."""
    if recipe.pretrained is None:
        return
    # "auto" fills what there is to fill; a file that is named must have a place to go.
    automatic = recipe.pretrained == "auto"
    filled = fill_backbones(model, True if automatic else recipe.pretrained)
    if not filled and not automatic:
        raise ValueError(f"{recipe.model} has no backbone here to fill with {recipe.pretrained}: give backbone")


def _inherited_arguments(start: Model, recipe: Recipe) -> dict[str, Any]:
    """The arguments of a checkpoint that the recipe's method takes too; which classes are things, the data say."""
    accepted = {"norm"}
    if recipe.model in MODELS:
        accepted |= inspect.signature(MODELS[recipe.model]).parameters.keys()
    accepted.discard("things")
    return {key: value for key, value in start.arguments.items() if key in accepted}


def _shared_names(start: Model, model: Model) -> set[str]:
    """The names of the tensors that both have in the same shape."""
    old = start.state_dict()
    return {name for name, value in model.state_dict().items() if name in old and value.shape == old[name].shape}

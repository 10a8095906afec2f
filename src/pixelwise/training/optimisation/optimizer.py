"""The optimiser: which parameters are trained, and with which learning rate and weight decay."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from ...models.base import Model
from ..recipe import Recipe


def make_optimizer(model: Model, recipe: Recipe, fused: bool) -> Optimizer:
    """Make the recipe's optimiser.

    Args:
        model: whose parameters it updates, but for the frozen ones.
        recipe: says which optimiser, and its rates.
        fused: update all parameters in one kernel, which CPUs and CUDA have.
    """
    groups, decay = parameter_groups(model, recipe), recipe.weight_decay
    if recipe.optimizer == "adamw":
        return AdamW(groups, recipe.lr, weight_decay=decay, fused=fused)
    return SGD(groups, recipe.lr, momentum=recipe.momentum, weight_decay=decay, fused=fused)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the learning rate of each group to its factor of `rate`, the learning rate of new weights."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]


def parameter_groups(model: Model, recipe: Recipe) -> list[dict[str, Any]]:
    """Group the parameters that are trained by their learning rate and weight decay.

    Pretrained backbones and biases have factors of the learning rate; biases and normalisations have no decay.

    Returns:
        Groups for an optimiser, each with its `factor` of the learning rate.
    """
    pretrained = recipe.pretrained is not None or recipe.weights is not None
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        factor = recipe.encoder_lr if pretrained and in_backbone(name) else 1.0
        if name.endswith("bias"):
            factor *= recipe.bias_lr
        # Biases, and the weights of normalisations, are vectors.
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((factor, decay), []).append(parameter)
    return [
        {"params": parameters, "factor": factor, "weight_decay": decay}
        for (factor, decay), parameters in groups.items()
    ]


def in_backbone(name: str) -> bool:
    """Tell whether a parameter or module of this name is part of a backbone."""
    return ".backbone." in f".{name}"

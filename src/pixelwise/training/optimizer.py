"""What the optimiser is given: which parameters learn, and how fast each of them."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from ..models.base import Model
from .recipe import Recipe


def make_optimizer(model: Model, recipe: Recipe, fused: bool) -> Optimizer:
    """The recipe's optimiser over all that learns.

    Args:
        model: whose frozen parameters are left out.
        recipe: says which optimiser.
        fused: whether all parameters are updated in one kernel; for CPUs and CUDA.
    """
    groups, decay = parameter_groups(model, recipe), recipe.weight_decay
    if recipe.optimizer == "adamw":
        return AdamW(groups, recipe.lr, weight_decay=decay, fused=fused)
    return SGD(groups, recipe.lr, momentum=recipe.momentum, weight_decay=decay, fused=fused)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """The rate of new weights; each group gets its factor of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]


def parameter_groups(model: Model, recipe: Recipe) -> list[dict[str, Any]]:
    """Parameters that learn, by what holds for them: `factor` of the learning rate, no decay for biases and norms."""
    learnt = recipe.pretrained is not None or recipe.weights is not None
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        factor = recipe.encoder_lr if learnt and in_backbone(name) else 1.0
        if name.endswith("bias"):
            factor *= recipe.bias_lr
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        if parameter.requires_grad:
            groups.setdefault((factor, decay), []).append(parameter)
    return [{"params": p, "factor": factor, "weight_decay": decay} for (factor, decay), p in groups.items()]


def in_backbone(name: str) -> bool:
    """Whether a parameter or module of this name is part of a backbone."""
    return ".backbone." in f".{name}"

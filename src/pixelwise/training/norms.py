"""Batch normalisation when batches are too small for statistics of their own, or lie on several GPUs."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..models.base import Model
from .optimizer import in_backbone
from .recipe import Recipe


def over_all_gpus(model: Model) -> Model:
    """The model with batch statistics over all processes; those of timm keep the activation that is part of them.

    PyTorch's own `convert_sync_batchnorm`, and so Lightning's, would lose that.
    """
    from timm.layers import convert_sync_batchnorm

    made: Model = convert_sync_batchnorm(model)
    return made


def settled_norms(model: Model, recipe: Recipe) -> Iterator[nn.Module]:
    """The batch normalisations that stay as they are, statistics, weights and biases.

    None with `norm: train`. Else those that were learnt before: all that the starting weights brought, or those of a
    backbone with ImageNet weights; what begins anew has no statistics yet that could be kept.
    """
    if recipe.norm != "train":
        for name, layer in model.named_modules():
            learnt = recipe.weights is not None or (recipe.pretrained is not None and in_backbone(name))
            if learnt and isinstance(layer, _BatchNorm):
                yield layer

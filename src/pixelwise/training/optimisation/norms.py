"""Batch normalisation in training: frozen where batches are too small, synchronised over several GPUs."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...models.base import Model
from ..recipe import Recipe
from .optimizer import in_backbone


def synchronize_norms(model: Model) -> Model:
    """Replace the batch normalisations of a model by synchronised ones, with statistics over all processes.

    Uses timm's conversion: PyTorch's own `convert_sync_batchnorm`, and so Lightning's, would lose the activations that
    are part of timm's normalisation layers.
    """
    from timm.layers import convert_sync_batchnorm

    synchronized: Model = convert_sync_batchnorm(model)
    return synchronized


def frozen_norms(model: Model, recipe: Recipe) -> Iterator[nn.Module]:
    """Yield the batch normalisations that stay as they are: statistics, weights and biases.

    None with `norm: train`. Otherwise those that were trained before: all of them with starting weights, those of the
    backbone with ImageNet weights. New layers have no statistics yet that could be kept.
    """
    if recipe.norm == "train":
        return
    for name, layer in model.named_modules():
        trained = recipe.weights is not None or (recipe.pretrained is not None and in_backbone(name))
        if trained and isinstance(layer, _BatchNorm):
            yield layer

"""Methods that train in milliseconds, and a door to train them in a process of their own.

python plain.py FOLDER RECIPE.yaml '{"devices": 2, "resume": false}'
"""

from __future__ import annotations

import json
import sys

import torch
from torch import Tensor, nn

import pixelwise
from pixelwise.layers.normalize import Normalize
from pixelwise.models import MODELS
from pixelwise.models.base import SemanticModel, SemanticOutputs
from pixelwise.training.recipe import Machine, Recipe


class Plain(SemanticModel):
    """Three convolutions: what one process learns from a batch, several learn from its parts."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.normalize = Normalize()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 5, padding=2), nn.ReLU(), nn.Conv2d(8, 8, 5, padding=2), *self.layers(), nn.ReLU()
        )
        self.head = nn.Conv2d(8, num_classes, 1)

    def layers(self) -> tuple[nn.Module, ...]:
        return ()

    def forward(self, images: Tensor) -> SemanticOutputs:
        return SemanticOutputs(self.head(self.body(self.normalize(images))))


class Noisy(Plain):
    """With batch statistics and dropout: what is hard to resume exactly."""

    def layers(self) -> tuple[nn.Module, ...]:
        return nn.BatchNorm2d(8), nn.Dropout2d(0.2)


class Helped(Plain):
    """With an auxiliary head, which only training runs."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.helper = nn.Conv2d(8, num_classes, 1)

    def forward(self, images: Tensor) -> SemanticOutputs:
        features = self.body(self.normalize(images))
        return SemanticOutputs(self.head(features), (self.helper(features),) if self.auxiliary_heads else ())


MODELS.update(plain=Plain, noisy=Noisy, helped=Helped)

if __name__ == "__main__":
    torch.set_num_threads(1)
    options = json.loads(sys.argv[3])
    resume = options.pop("resume", False)
    recipe = Recipe.from_yaml(sys.argv[2])
    machine = Machine(**{"device": "cpu", "precision": "fp32", "workers": 0, "loggers": (), **options})
    pixelwise.train(recipe, machine=machine, out=sys.argv[1], resume=resume, progress=False)

"""What Lightning is given: parameter groups and batches in parts."""

from __future__ import annotations

import time

import pytest
import torch

import pixelwise
from pixelwise.classes import Classes
from pixelwise.sample import Batch
from pixelwise.segmentation import Segmentation
from pixelwise.training.module import ENCODER_FACTOR, Waiting, parameter_groups
from pixelwise.training.recipe import Recipe


@pytest.mark.slow
def test_no_decay_for_biases_and_norms_and_less_for_the_encoder():
    model = pixelwise.create("unet", num_classes=2, backbone="resnet18")
    groups = parameter_groups(model, Recipe("d", backbone="resnet18"))
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    where = {id(p): group for group in groups for p in group["params"]}
    named = {name: where[id(p)] for name, p in model.named_parameters()}
    assert named["network.head.weight"] == {**named["network.head.weight"], "factor": 1.0, "weight_decay": 0.01}
    assert named["network.head.bias"]["weight_decay"] == 0
    encoder = [group for name, group in named.items() if ".backbone." in name]
    assert encoder
    assert {group["factor"] for group in encoder} == {ENCODER_FACTOR}
    assert all(group["weight_decay"] == 0 for name, group in named.items() if "bn" in name)


def test_waiting_divides_and_measures():
    classes = Classes(("a", "b"))
    truth = Segmentation.from_class_map(torch.zeros(4, 4, dtype=torch.uint8), classes)
    batches = [Batch(torch.rand(4, 3, 4, 4), (truth,) * 4, ((4, 4),) * 4, tuple("abcd")) for _ in range(3)]

    def slowly():
        for batch in batches:
            time.sleep(0.02)
            yield batch

    class Loader:
        def __len__(self) -> int:
            return 3

        def __iter__(self):
            return slowly()

    waiting = Waiting(Loader(), 2)
    parts = list(waiting)
    assert len(parts) == len(waiting) == 6
    assert [part.names for part in parts[:2]] == [("a", "b"), ("c", "d")]
    assert torch.equal(torch.cat([parts[4].images, parts[5].images]), batches[2].images)
    assert waiting.seconds >= 0.06

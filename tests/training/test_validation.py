"""Scoring during training is scoring."""

from __future__ import annotations

import torch

from pixelwise.data.dataset import open_dataset
from pixelwise.metrics import ConfusionMatrix
from pixelwise.ops.resize import Resizing, resize
from pixelwise.training.validation import Validation


def test_it_counts_each_image_once_at_its_own_size(plain, cells):
    data = open_dataset(cells, split="val")
    model = plain.Plain(2).eval()
    model.classes = data.classes
    model.resizing = Resizing(short_side=40)
    metric = ConfusionMatrix(data.classes)
    for k in range(len(data)):
        small = resize(data.image(k)[None].float() / 255, (40, 40))
        with torch.no_grad():
            logits = resize(model(small).logits, (64, 64))[0]
        metric.matrix += metric.count(logits.argmax(0).byte(), data.truth(k).class_map())
    found = Validation(data, model, 0)(model, torch.device("cpu"))
    wanted = metric.scores()
    # The image is resized by area here, and bilinearly above.
    assert abs(found["pixel accuracy"] - wanted["pixel accuracy"]) < 0.02
    assert Validation(data, model, 2)(model, torch.device("cpu")) == found


def test_without_resizing_it_is_exact(plain, cells):
    data = open_dataset(cells, split="val")
    model = plain.Noisy(2).eval()
    model.classes = data.classes
    metric = ConfusionMatrix(data.classes)
    for k in range(len(data)):
        with torch.no_grad():
            logits = model(data.image(k)[None].float() / 255).logits[0]
        metric.matrix += metric.count(logits.argmax(0).byte(), data.truth(k).class_map())
    found = Validation(data, model, 0)(model, torch.device("cpu"))
    for name in ("mIoU", "Dice", "pixel accuracy", "frequency-weighted IoU"):
        assert abs(found[name] - metric.scores()[name]) < 1e-3, name

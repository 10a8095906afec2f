"""Scoring during training is scoring."""

from __future__ import annotations

import pytest
import torch

from pixelwise.data.opening import open_dataset
from pixelwise.inference.predictor import Predictor
from pixelwise.metrics import ConfusionMatrix
from pixelwise.ops.resize import Resizing
from pixelwise.training.validation import Validation


@pytest.mark.parametrize("resizing", [Resizing(), Resizing(short_side=40), Resizing(square=96)])
def test_it_scores_what_a_predictor_predicts(plain, cells, resizing):
    data = open_dataset(cells, split="val")
    model = plain.Plain(2).eval()
    model.classes = data.classes
    model.resizing = resizing
    predictor = Predictor(model, device="cpu")
    metric = ConfusionMatrix(data.classes)
    for k in range(len(data)):
        metric.update(predictor(data.image(k)), data.truth(k))
    expected = metric.scores()
    assert expected["pixel accuracy"] < 1, "the model is wrong somewhere"
    assert Validation(data, model, 0)(model, torch.device("cpu")) == expected
    assert Validation(data, model, 2)(model, torch.device("cpu")) == expected


def test_without_resizing_it_is_exact(plain, cells):
    data = open_dataset(cells, split="val")
    model = plain.Noisy(2).eval()
    model.classes = data.classes
    metric = ConfusionMatrix(data.classes)
    for k in range(len(data)):
        with torch.no_grad():
            logits = model(data.image(k)[None].float() / 255).logits[0]
        metric.matrix += metric.count(logits.argmax(0).byte(), data.truth(k).class_map())
    scores = Validation(data, model, 0)(model, torch.device("cpu"))
    for name in ("mIoU", "Dice", "pixel accuracy", "frequency-weighted IoU"):
        assert scores[name] == metric.scores()[name], name

"""The largest number of detections: set for a loaded model, and said where an image reaches it."""

from __future__ import annotations

import pytest
import torch

from pixelwise.classes import Classes
from pixelwise.inference.detection_limit import detection_limit, limit_detections, limit_notes, reaches_limit
from pixelwise.models.base import InstanceModel
from pixelwise.segmentation import Segmentation
from pixelwise.weights.creation import create

CLASSES = Classes(("background", "cell"), things=(False, True), background=0)


class Finder(InstanceModel):
    """Finds nothing: only its limit matters."""

    def forward(self, images):
        return images

    def loss(self, outputs, truths):
        return {}

    def decode(self, outputs, sizes):
        return []


def cells(*scores: float) -> Segmentation:
    labels = torch.ones(len(scores), dtype=torch.int64)
    return Segmentation(CLASSES, labels, torch.tensor(scores), masks=torch.ones(len(scores), 2, 2, dtype=torch.bool))


def test_an_image_that_reaches_the_limit_is_named():
    model = Finder(2)
    limit_detections(model, 2)
    assert detection_limit(model) == 2
    assert reaches_limit(model, cells(0.9, 0.1))
    assert not reaches_limit(model, cells(0.9, 0.1), score_threshold=0.3)
    assert not reaches_limit(model, cells(0.9))
    assert limit_notes(model, ["a.png"]) == ["2 of 2 detections in a.png: there may be more; raise --max-detections"]
    assert limit_notes(model, []) == []


def test_a_semantic_model_has_no_limit():
    model = create("unet_padded", num_classes=2, width=4)
    assert detection_limit(model) is None
    assert not reaches_limit(model, cells(0.9))
    with pytest.raises(TypeError, match="no maximum of detections"):
        limit_detections(model, 5)

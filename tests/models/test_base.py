"""What the semantic models share."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pixelwise.classes import Classes
from pixelwise.models.base import Model, SemanticModel, SemanticOutputs, from_winners
from pixelwise.ops.resize import Resizing
from pixelwise.segmentation import Segmentation

THREE = Classes(("ground", "tree", "house"))


class Logits(SemanticModel):
    """Its images are logits already."""

    def forward(self, images: Tensor) -> SemanticOutputs:
        return SemanticOutputs(images)


def test_the_most_probable_class_and_its_mean_score():
    probabilities = torch.tensor([[[0.7, 0.2], [0.5, 0.1]], [[0.2, 0.6], [0.3, 0.1]], [[0.1, 0.2], [0.2, 0.8]]])
    found = from_winners((rows.max(0) for rows in probabilities.split(1, 1)), THREE)
    assert found.class_map().tolist() == [[0, 1], [0, 2]]
    assert found.scores.tolist() == pytest.approx([0.6, 0.6, 0.8])


def test_probabilities_undo_resizing_and_padding():
    model = Logits(3)
    model.resizing = Resizing(short_side=4)
    logits = torch.zeros(1, 3, 8, 8)
    logits[:, 1, :4, :8] = 5.0  # the image of 10×20 was seen as 4×8, then padded below
    logits[:, 2, 4:] = 50.0
    (found,) = model.probabilities(SemanticOutputs(logits), [(10, 20)])
    assert found.shape == (3, 10, 20)
    assert found.argmax(0).unique().tolist() == [1]
    torch.testing.assert_close(found.sum(0), torch.ones(10, 20))


def test_auxiliary_heads_count_with_their_weight():
    model = Logits(3)
    truth = Segmentation.from_class_map(torch.zeros(4, 4, dtype=torch.uint8), THREE)
    flat = torch.zeros(1, 3, 4, 4)
    parts = model.loss(SemanticOutputs(flat, (flat, flat)), [truth])
    log3 = torch.tensor(3.0).log()
    torch.testing.assert_close(parts["cross_entropy"], log3)
    torch.testing.assert_close(parts["auxiliary"], 0.4 * 2 * log3)


def test_a_model_needs_a_class_and_verbs():
    with pytest.raises(ValueError, match="at least one class"):
        Logits(0)
    with pytest.raises(TypeError, match="abstract methods? .*decode.*forward.*loss"):
        Model(2)

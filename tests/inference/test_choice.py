from __future__ import annotations

import pytest
import torch

from pixelwise.classes import Classes
from pixelwise.inference.choice import best, mean_probability, most_probable


def test_probabilities_are_averaged_over_the_views():
    logits = torch.rand(6, 2, 3)
    mean = (logits[:3].softmax(0) + logits[3:].softmax(0)) / 2
    torch.testing.assert_close(mean_probability(logits, 2), mean)
    torch.testing.assert_close(mean_probability(logits[:3], 1), logits[:3].softmax(0))


def test_a_segment_has_the_mean_probability_of_its_pixels():
    one = torch.tensor([[0.9, 0.2], [0.6, 0.3]])
    found = most_probable(iter(best(torch.stack([one, 1 - one])).split(1, 1)), Classes(("a", "b")))
    assert found.class_map().tolist() == [[0, 1], [0, 1]]
    assert found.scores.tolist() == pytest.approx([0.75, 0.75])

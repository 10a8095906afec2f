from __future__ import annotations

import torch

from pixelwise.inference.semantic import mean_probability, most_probable


def test_probabilities_are_averaged_over_the_views():
    logits = torch.rand(6, 2, 3)
    mean = (logits[:3].softmax(0) + logits[3:].softmax(0)) / 2
    torch.testing.assert_close(mean_probability(logits, 2), mean)
    torch.testing.assert_close(mean_probability(logits[:3], 1), logits[:3].softmax(0))


def test_the_most_probable_class_of_each_pixel():
    one = torch.tensor([[0.9, 0.2], [0.6, 0.3]])
    confidence, winner = most_probable(torch.stack([one, 1 - one]))
    torch.testing.assert_close(confidence, torch.tensor([[0.9, 0.8], [0.6, 0.7]]))
    assert winner.tolist() == [[0, 1], [0, 1]]

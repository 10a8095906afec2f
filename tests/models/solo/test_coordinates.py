"""Coordinate channels."""

from __future__ import annotations

import torch

from pixelwise.models.solo.coordinates import coordinates


def test_x_comes_first_and_both_run_from_minus_one_to_one():
    actual = coordinates(torch.zeros(2, 5, 3, 5))
    assert actual.shape == (2, 2, 3, 5)
    assert actual[1, 0].tolist() == [[-1, -0.5, 0, 0.5, 1]] * 3
    assert actual[0, 1, :, 4].tolist() == [-1, 0, 1]

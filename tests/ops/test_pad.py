"""Reflection, padding and centre crops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixelwise.ops.pad import centre, mirror, pad_to


@pytest.mark.parametrize(("length", "before", "after"), [(9, 4, 5), (9, 8, 8), (5, 23, 31), (2, 7, 6), (1, 3, 4)])
def test_mirror_is_numpys_reflection(length, before, after):
    row = torch.rand(1, 1, length, length)
    actual = mirror(row, before, (before + length + after,) * 2)
    expected = np.pad(row[0, 0].numpy(), (before, after), mode="reflect" if length > 1 else "edge")
    assert np.array_equal(actual[0, 0].numpy(), expected)


def test_pad_to_adds_zeros_right_and_below():
    padded = pad_to(torch.ones(1, 3, 33, 64), 32)
    assert padded.shape == (1, 3, 64, 64)
    assert padded.sum() == 3 * 33 * 64
    assert padded[:, :, :33].min() == 1
    even = torch.ones(1, 3, 32, 64)
    assert pad_to(even, 32) is even


def test_centre():
    maps = torch.arange(30).view(5, 6)
    assert centre(maps, (3, 3)).tolist() == [[7, 8, 9], [13, 14, 15], [19, 20, 21]]
    with pytest.raises(ValueError, match="6x5 have no middle of 7x1"):
        centre(maps, (1, 7))

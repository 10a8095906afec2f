from __future__ import annotations

import pytest
import torch

from pixelwise.ops.resize import Resizing, bilinear_weights, resize


def test_sizes_keep_the_aspect_ratio():
    assert Resizing().size(30, 40) == (30, 40)
    assert Resizing(short_side=60).size(30, 40) == (60, 80)
    assert Resizing(short_side=60).size(40, 30) == (80, 60)
    assert Resizing(short_side=800, long_side=1333).size(480, 1920) == (333, 1333)
    assert Resizing(long_side=10).size(1, 5000) == (1, 10)


def test_a_square_keeps_no_aspect_ratio():
    assert Resizing(square=550).size(480, 640) == (550, 550)
    assert Resizing(square=550).size(1, 5000) == (550, 550)
    with pytest.raises(ValueError, match="square is 550, which fixes both sides"):
        Resizing(short_side=300, square=550)
    with pytest.raises(ValueError, match="square is 0"):
        Resizing(square=0)


@pytest.mark.parametrize(("length", "cells"), [(7, 4), (4, 7), (550, 138), (1, 3), (3, 1), (5, 5)])
def test_bilinear_weights_are_those_of_resize(length, cells):
    values = torch.randn(cells, generator=torch.Generator().manual_seed(0))
    weights = bilinear_weights(length, cells, cells / length)
    expected = resize(values.double().view(1, 1, 1, -1), (1, length)).flatten()  # of float32, torch 2.11 is 9e-6 off
    torch.testing.assert_close(weights @ values, expected.float(), atol=1e-6, rtol=0)
    torch.testing.assert_close(weights.sum(1), torch.ones(length))


def test_what_cannot_be():
    with pytest.raises(ValueError, match="short_side is 0"):
        Resizing(short_side=0)
    with pytest.raises(ValueError, match="5000x1 would become 1280000x256"):
        Resizing(short_side=256).size(1, 5000)


def test_maps_are_resized_with_corners_as_told():
    ramp = torch.tensor([[[[0.0, 1.0]]]])
    assert resize(ramp, (1, 4)).flatten().tolist() == [0.0, 0.25, 0.75, 1.0]
    assert resize(ramp, (1, 4), align_corners=True).flatten().tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert resize(ramp, (1, 2)) is ramp

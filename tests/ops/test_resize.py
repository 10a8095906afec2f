from __future__ import annotations

import pytest
import torch

from pixelwise.ops.resize import Resizing, resize


def test_sizes_keep_the_aspect_ratio():
    assert Resizing().size(30, 40) == (30, 40)
    assert Resizing(short_side=60).size(30, 40) == (60, 80)
    assert Resizing(short_side=60).size(40, 30) == (80, 60)
    assert Resizing(short_side=800, long_side=1333).size(480, 1920) == (333, 1333)
    assert Resizing(long_side=10).size(1, 5000) == (1, 10)


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

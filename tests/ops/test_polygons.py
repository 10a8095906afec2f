from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from pixelwise.masks import Masks
from pixelwise.ops.polygons import joined, trace
from pixelwise.ops.rle import rasterise


def even_odd(rings, height, width):
    """Whether the centre of each pixel lies inside: an odd number of vertical edges to the left of it."""
    inside = np.zeros((height, width), bool)
    for ring in rings:
        for (x, y), (x2, y2) in zip(ring, ring[1:] + ring[:1], strict=True):
            if x == x2:
                inside[min(y, y2) : max(y, y2), x:] ^= True
    return inside


def test_a_square_with_a_hole_and_a_part_that_touches_its_corner():
    mask = torch.zeros(6, 7, dtype=torch.bool)
    mask[1:4, 1:4] = True
    mask[2, 2] = False
    mask[4, 4] = True
    rings = trace(mask)
    assert sum(map(len, rings)) == 12
    assert {(1, 1), (4, 1), (1, 4), (2, 2), (3, 3), (5, 5)} <= {corner for ring in rings for corner in ring}
    assert rings[0][:2] == [(1, 1), (4, 1)]
    assert (even_odd(rings, 6, 7) == mask.numpy()).all()


@pytest.mark.parametrize("density", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_any_mask_comes_back(density):
    """As rings by the even-odd rule, and as one polygon by COCO's rasteriser, through the text of six digits."""
    rng = np.random.default_rng(7)
    for _ in range(40):
        height, width = rng.integers(1, 30, 2).tolist()
        mask = torch.from_numpy(rng.random((height, width)) < density)
        rings = trace(mask)
        assert (even_odd(rings, height, width) == mask.numpy()).all()
        assert bool(rings) == bool(mask.any())
        for ring in rings:
            steps = np.abs(np.diff([*ring, ring[0]], axis=0))
            assert ((steps > 0).sum(1) == 1).all()
            assert (steps[::2, 1] == 0).all()
        if rings:
            shares = [
                (float(f"{x / width:.6g}") * width, float(f"{y / height:.6g}") * height) for x, y in joined(rings)
            ]
            lengths = rasterise([[value for corner in shares for value in corner]], height, width)
            assert torch.equal(Masks.from_lengths([lengths], (height, width))[0], mask)


def test_one_polygon_of_parts_and_holes_for_opencv():
    """Another reader, whose edges are a pixel thick, sees the ring and the disc beside it, and hardly the ways."""
    y, x = np.mgrid[:90, :200]
    middle = np.hypot(x - 50, y - 45)
    mask = (abs(middle - 30) < 12) | (np.hypot(x - 150, y - 40) < 25)
    whole = joined(trace(torch.from_numpy(mask)))
    seen = cv2.fillPoly(np.zeros((90, 200), np.uint8), [np.array(whole)], 1) > 0
    assert (seen & mask).sum() / (seen | mask).sum() > 0.93
    assert not seen[40:50, 47:49].any()


def test_a_large_mask_takes_its_corners_only():
    mask = torch.zeros(2000, 3000, dtype=torch.bool)
    mask[100:1900, 50:2900] = True
    assert trace(mask) == [[(50, 100), (2900, 100), (2900, 1900), (50, 1900)]]
    assert joined(trace(mask)) == trace(mask)[0]
    assert joined([]) == []

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as coco

from pixelwise.masks import Masks
from pixelwise.ops.polygons import join_rings, rasterise, trace
from pixelwise.ops.rle import runs_from_text


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
                (float(f"{x / width:.6g}") * width, float(f"{y / height:.6g}") * height) for x, y in join_rings(rings)
            ]
            lengths = rasterise([[value for corner in shares for value in corner]], height, width)
            assert torch.equal(Masks.from_lengths([lengths], (height, width))[0], mask)


def test_one_polygon_of_parts_and_holes_for_opencv():
    """Another reader, whose edges are a pixel thick, sees the ring and the disc beside it, and hardly the ways."""
    y, x = np.mgrid[:90, :200]
    middle = np.hypot(x - 50, y - 45)
    mask = (abs(middle - 30) < 12) | (np.hypot(x - 150, y - 40) < 25)
    whole = join_rings(trace(torch.from_numpy(mask)))
    seen = cv2.fillPoly(np.zeros((90, 200), np.uint8), [np.array(whole)], 1) > 0
    assert (seen & mask).sum() / (seen | mask).sum() > 0.93
    assert not seen[40:50, 47:49].any()


def test_a_large_mask_takes_its_corners_only():
    mask = torch.zeros(2000, 3000, dtype=torch.bool)
    mask[100:1900, 50:2900] = True
    assert trace(mask) == [[(50, 100), (2900, 100), (2900, 1900), (50, 1900)]]
    assert join_rings(trace(mask)) == trace(mask)[0]
    assert join_rings([]) == []


def test_polygons_unite():
    square, far = [1.0, 1, 4, 1, 4, 4, 1, 4], [6.0, 6, 8, 6, 8, 8, 6, 8]
    inner = [2.0, 2, 3, 2, 3, 3, 2, 3]
    found = Masks.from_lengths([rasterise([square, far, inner], 10, 12)], (10, 12))[0]
    assert found.shape == (10, 12)
    assert found[1:4, 1:4].all()
    assert found[6:8, 6:8].all()
    assert found.sum() == 9 + 4


@pytest.mark.parametrize(
    ("polygon", "what"),
    [
        ([1, 1, 4, 1], "4 numbers"),
        ([1, 1, 4, 1, 4, 4, 1], "7 numbers"),
        ([1, 1, 4, 1, float("nan"), 4], "nan"),
        ([1, 1, 4, 1, 1e9, 4], "far outside"),
        ([1, 1, 4, 1, "4", 4], "list of numbers"),
        ("abcdef", "list of numbers"),
    ],
)
def test_polygons_that_are_none(polygon, what):
    with pytest.raises(ValueError, match=what):
        rasterise([polygon], 10, 10)


def random_polygon(rng, kind, height, width):
    """Corners (x, y), most of which lie in the image of this size."""
    number = int(rng.integers(3, 40))
    extent = np.array([width, height])
    anywhere = rng.random((number, 2))
    if kind == "self-intersecting":
        corners = anywhere * extent
    elif kind == "partly outside":
        corners = (anywhere * 3 - 1) * extent
    elif kind == "outside":
        corners = (anywhere * 0.9 + 1.05) * extent
    elif kind == "a point":
        corners = np.repeat(anywhere[:1] * extent, number, axis=0)
    elif kind == "within a pixel":
        corners = anywhere[:1] * extent + anywhere * 0.9
    elif kind == "whole numbers":
        corners = rng.integers(0, max(height, width) + 1, (number, 2)).clip(max=extent)
    elif kind == "halves":
        corners = np.round(anywhere * extent * 2) / 2
    elif kind == "a slanted line":
        corners = anywhere[:, :1] * extent
    elif kind == "an upright line":
        corners = np.stack([np.full(number, anywhere[0, 0] * width), anywhere[:, 1] * height], 1)
    else:  # star-shaped
        angles = np.sort(anywhere[:, 0]) * 2 * np.pi
        corners = extent / 2 * (1 + np.stack([np.cos(angles), np.sin(angles)], 1) * (0.2 + 0.8 * anywhere[:, 1:]))
    return corners.astype(float).ravel().tolist()


@pytest.mark.parametrize(
    "kind",
    [
        "self-intersecting",
        "partly outside",
        "outside",
        "a point",
        "within a pixel",
        "whole numbers",
        "halves",
        "a slanted line",
        "an upright line",
        "star-shaped",
    ],
)
def test_pixels_of_polygons_are_those_of_pycocotools(kind):
    """Polygons of every kind, alone and several to an object, in images of one pixel to some hundred thousand."""
    rng = np.random.default_rng(11)
    for parts in (1, 1, 2, 5):
        for height in (1, 2, 3, 7, 20, 64, 137, 480):
            width = int(rng.choice([1, 2, 3, 7, 20, 64, 137, 480]))
            polygons = [random_polygon(rng, kind, height, width) for _ in range(parts)]
            merged = coco.merge(coco.frPyObjects(polygons, height, width))
            assert rasterise(polygons, height, width) == runs_from_text(merged["counts"].decode())

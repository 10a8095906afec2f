"""Cells of objects, worked out by hand; points NMS; masks at a stride, compared with OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from pixelwise.masks import Masks
from pixelwise.models.solo.locations import (
    cells_of_objects,
    centres_of_mass,
    latest_owners,
    shrink,
    suppress_neighbours,
)


def cells(centre, box, size=(80, 160), grid=8):
    """The (row, column) pairs of one object; a cell is 10 rows high and 20 columns wide."""
    pairs = cells_of_objects(torch.tensor([centre], dtype=torch.float64), torch.tensor([box]).double(), size, grid)
    return [divmod(int(cell), grid) for cell, _ in pairs]


def test_a_small_object_has_the_cell_of_its_centre():
    assert cells((70.0, 35.0), (68, 33, 72, 37)) == [(3, 3)]


def test_the_middle_fifth_of_the_box_reaches_into_other_cells():
    # 0.1 of 80 columns to either side of 70: 62 to 78, within column 3; 0.1 of 60 rows: 29 to 41, rows 2 to 4
    assert cells((70.0, 35.0), (30, 5, 110, 65)) == [(2, 3), (3, 3), (4, 3)]


def test_three_by_three_cells_at_most():
    actual = cells((70.0, 35.0), (0, 0, 2000, 2000))
    assert actual == [(row, column) for row in (2, 3, 4) for column in (2, 3, 4)]


def test_at_the_border_nothing_is_outside():
    assert cells((0.0, 79.0), (0, 0, 300, 300)) == [(6, 0), (6, 1), (7, 0), (7, 1)]


def test_the_last_object_has_a_contested_cell():
    centres = torch.tensor([[70.0, 35.0], [70.0, 35.0], [10.0, 5.0]])
    pairs = cells_of_objects(centres, torch.tensor([[68, 33, 72, 37], [30, 5, 110, 65], [9, 4, 11, 6]]), (80, 160), 8)
    assert pairs.tolist() == [[27, 0], [19, 1], [27, 1], [35, 1], [0, 2]]
    assert latest_owners(pairs).tolist() == [[0, 2], [19, 1], [27, 1], [35, 1]]


def test_no_objects_have_no_cells():
    pairs = cells_of_objects(torch.zeros(0, 2), torch.zeros(0, 4), (64, 64), 5)
    assert pairs.shape == (0, 2)
    assert latest_owners(pairs).shape == (0, 2)


def test_centres_of_mass():
    dense = torch.zeros(3, 9, 7, dtype=torch.bool)
    dense[0, 2:5, 1:3] = True
    dense[1, 8, 6] = dense[1, 0, 0] = True
    actual = centres_of_mass(Masks.from_dense(dense))
    assert actual.tolist() == [[1.5, 3], [3, 4], [0, 0]]


def test_points_nms_looks_up_and_left_only():
    scores = torch.tensor([[[[0.5, 0.9, 0.2], [0.4, 0.6, 0.7], [0.8, 0.3, 0.6]]]])
    expected = torch.tensor([[[[0.5, 0.9, 0.0], [0.0, 0.0, 0.0], [0.8, 0.0, 0.0]]]])
    assert torch.equal(suppress_neighbours(scores), expected)


@pytest.mark.parametrize("stride", [4, 8, 16])
def test_masks_at_a_stride_equal_those_of_opencv(stride):
    rng = np.random.default_rng(stride)
    height, width = 96, 160
    noise = cv2.resize(rng.random((3, 12, 20), np.float32).transpose(1, 2, 0), (width, height))
    dense = torch.from_numpy(noise.transpose(2, 0, 1) > 0.5)
    dense[1, :40] = False  # a crop that begins anywhere
    dense[2, :, :37] = dense[2, 75:] = False
    size = (height // stride, width // stride)
    actual = shrink(Masks.from_dense(dense), torch.tensor([2, 0, 1]), stride, size)
    for mask, n in zip(actual, (2, 0, 1), strict=True):
        expected = cv2.resize(dense[n].byte().numpy(), size[::-1], interpolation=cv2.INTER_LINEAR)
        assert torch.equal(mask, torch.from_numpy(expected).bool())
    assert actual.any((1, 2)).all()

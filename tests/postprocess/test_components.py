"""Connected regions: counted by SciPy, and merging by hand and by what must hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from pixelwise.classes import VOID
from pixelwise.masks import Masks
from pixelwise.postprocess.components import drop_map, drop_mask, keep_map, keep_mask, merge_map, merge_masks

EIGHT = np.ones((3, 3), int)


def specks(seed: int = 0, classes: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(rng.standard_normal((80, 90)), 1.5) for _ in range(classes)]
    return np.argmax(fields, 0).astype(np.uint8)


def areas_of(mask: np.ndarray) -> np.ndarray:
    """(H, W): the area of the region that each pixel of the mask belongs to, 0 outside."""
    labels, _ = ndimage.label(mask, EIGHT)
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    return areas[labels]


def test_small_regions_are_dropped():
    mask = specks() == 1
    kept = drop_mask(mask, 30)
    assert 0 < kept.sum() < mask.sum()
    assert np.array_equal(kept, areas_of(mask) >= 30)


def test_the_largest_regions_are_kept():
    mask = specks() == 1
    areas = areas_of(mask)
    third = np.unique(areas)[-3]
    assert np.array_equal(keep_mask(mask, 3), areas >= third)
    assert np.array_equal(keep_mask(mask, 10_000), mask)
    assert not keep_mask(np.zeros((4, 4), bool), 2).any()


def test_pixels_that_touch_at_a_corner_are_one_region():
    mask = np.eye(5, dtype=bool)
    assert np.array_equal(drop_mask(mask, 5), mask)


@pytest.mark.parametrize("background", [None, 0])
def test_what_is_dropped_becomes_background_or_void(background):
    class_map = specks()
    rest = VOID if background is None else background
    expected = class_map.copy()
    for c in (0, 1, 2):
        if c != background:
            expected[(class_map == c) & (areas_of(class_map == c) < 40)] = rest
    assert (expected != class_map).any()
    assert np.array_equal(drop_map(class_map, 40, background), expected)
    kept = keep_map(class_map, 1, background)
    for c in (1, 2):
        assert (kept == c).sum() == areas_of(class_map == c).max()


def test_a_region_joins_the_neighbour_with_most_border():
    class_map = np.zeros((6, 10), np.uint8)
    class_map[:, 5:] = 1
    class_map[2:4, 3:6] = 2  # 6 pixels: 7 sides to class 0, 3 to class 1
    merged = merge_map(class_map, 7)
    assert (merged[2:4, 3:6] == 0).all()
    assert np.array_equal(merge_map(class_map, 6), class_map)


def test_what_has_grown_large_enough_stays():
    class_map = np.zeros((5, 9), np.uint8)
    class_map[2, 2:4], class_map[2, 4:7] = 1, 2
    # 1 has 5 sides to the background and 1 to 2: it goes there; 2 is then alone, and large enough for 3.
    expected = np.zeros_like(class_map)
    expected[2, 4:7] = 2
    assert np.array_equal(merge_map(class_map, 3), expected)
    class_map[:] = VOID
    class_map[2, 2:4], class_map[2, 4:7] = 1, 2
    joined = merge_map(class_map, 5)  # without a background they become one region of 5
    assert (joined[2, 2:7] == 2).all()
    assert ((joined == VOID) == (class_map == VOID)).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("below", [2, 20, 200])
def test_no_small_region_stays_and_no_large_one_changes(seed, below):
    class_map = specks(seed, 5)
    merged = merge_map(class_map, below)
    for c in range(5):
        large = areas_of(class_map == c) >= below
        assert (merged[large] == c).all()
        left = areas_of(merged == c)
        assert left[left > 0].min(initial=below) >= below


def test_a_map_of_one_region_and_one_of_void_stay():
    for class_map in (np.zeros((4, 4), np.uint8), np.full((4, 4), VOID, np.uint8), np.zeros((1, 1), np.uint8)):
        assert np.array_equal(merge_map(class_map, 100), class_map)


def test_small_masks_join_a_touching_one_of_their_class():
    masks = np.zeros((5, 10, 12), bool)
    masks[0, 1:6, 1:6] = True
    masks[1, 2:4, 6:8] = True  # touches 0, and 2
    masks[2, 2:8, 8:11] = True
    masks[3, 4:6, 6:8] = True  # touches 1, but is of another class
    masks[4, 9, 0] = True  # touches nothing
    labels, given = [0, 0, 0, 1, 0], Masks.from_dense(torch.from_numpy(masks))
    assert merge_masks(given, labels, 5) == [[0, 1], [2], [3], [4]]
    assert merge_masks(given, labels, 4) == [[0], [1], [2], [3], [4]]


def test_small_masks_join_each_other():
    masks = np.zeros((3, 3, 9), bool)
    masks[0, 1, 0:3] = masks[1, 1, 3:6] = masks[2, 1, 6:9] = True
    given = Masks.from_dense(torch.from_numpy(masks))
    assert len(merge_masks(given, [0, 0, 0], 3)) == 3
    (group,) = merge_masks(given, [0, 0, 0], 10)
    assert sorted(group) == [0, 1, 2]

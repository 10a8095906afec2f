"""Morphology against SciPy's, on real nuclei; and what a class map adds to it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from pixelwise.classes import VOID
from pixelwise.postprocess.morphology import (
    close_map,
    close_mask,
    fill_map,
    fill_mask,
    open_map,
    open_mask,
    smooth_map,
    smooth_mask,
)

MAPS = {
    "open": lambda m, b: open_map(m, 2, b),
    "close": lambda m, b: close_map(m, 2, b),
    "fill": lambda m, b: fill_map(m, 20, b),
    "smooth": lambda m, b: smooth_map(m, 1.5),
}


@pytest.fixture(scope="module")
def nuclei(nuclei_sample) -> NDArray[np.bool_]:
    """The image with most nuclei, with noise at their boundaries, some of them at the border."""
    labels = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in sorted((nuclei_sample / "masks").glob("*.png"))]
    mask = max(labels, key=lambda label: len(np.unique(label))) > 0
    rng = np.random.default_rng(0)
    return mask ^ (ndimage.gaussian_filter(rng.standard_normal(mask.shape), 1) > 0.6)


def rounded(radius: int) -> NDArray[np.bool_]:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return x * x + y * y <= radius * radius


def patches(seed: int, classes: int = 4) -> NDArray[np.uint8]:
    """A noisy class map with void in it."""
    rng = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(rng.standard_normal((60, 70)), 2) for _ in range(classes)]
    class_map = np.argmax(fields, 0).astype(np.uint8)
    class_map[rng.random(class_map.shape) < 0.05] = VOID
    return class_map


@pytest.mark.parametrize("radius", [1, 2, 5])
def test_opening_and_closing_are_those_of_scipy(nuclei, radius):
    disk = rounded(radius)
    eroded = ndimage.binary_erosion(nuclei, disk, border_value=1)  # the border of the image wears nothing away
    assert np.array_equal(open_mask(nuclei, radius), ndimage.binary_dilation(eroded, disk))
    grown = ndimage.binary_dilation(nuclei, disk)
    assert np.array_equal(close_mask(nuclei, radius), ndimage.binary_erosion(grown, disk, border_value=1))


def test_holes_are_filled_up_to_their_area(nuclei):
    labels, number = ndimage.label(ndimage.binary_fill_holes(nuclei) & ~nuclei)
    areas = ndimage.sum_labels(np.ones_like(labels), labels, np.arange(number + 1))
    limit = int(np.median(areas[1:]))
    small = np.isin(labels, np.flatnonzero(areas <= limit)[1:] if areas[0] <= limit else np.flatnonzero(areas <= limit))
    assert 0 < small.sum() < (labels > 0).sum()
    assert np.array_equal(fill_mask(nuclei, limit), nuclei | small)
    assert np.array_equal(fill_mask(nuclei, nuclei.size), ndimage.binary_fill_holes(nuclei))


def test_smoothing_is_a_gaussian_majority(nuclei):
    share = ndimage.gaussian_filter(nuclei.astype(np.float64), 2, mode="nearest", truncate=4)
    clear = np.abs(share - 0.5) > 1e-3
    assert clear.mean() > 0.99
    assert np.array_equal(smooth_mask(nuclei, 2)[clear], (share > 0.5)[clear])
    class_map = nuclei.astype(np.uint8)
    assert np.array_equal(smooth_map(class_map, 2)[clear], (share > 0.5)[clear])


@pytest.mark.parametrize("name", ["open", "close", "fill"])
def test_two_classes_with_background_are_a_mask(nuclei, name):
    of_mask = {"open": open_mask(nuclei, 2), "close": close_mask(nuclei, 2), "fill": fill_mask(nuclei, 20)}[name]
    assert np.array_equal(MAPS[name](nuclei.astype(np.uint8), 0), of_mask)


@pytest.mark.parametrize("background", [None, 0])
@pytest.mark.parametrize("name", list(MAPS))
@pytest.mark.parametrize("seed", [0, 1])
def test_void_stays_void_and_nothing_else_becomes_it(name, background, seed):
    class_map = patches(seed)
    before = class_map.copy()
    after = MAPS[name](class_map, background)
    assert np.array_equal(after == VOID, class_map == VOID)
    assert not np.array_equal(after, class_map)
    assert np.array_equal(class_map, before)  # what was given is not changed


def test_what_opening_takes_goes_to_the_nearest_other_class():
    class_map = np.zeros((9, 12), np.uint8)
    class_map[:, 6:] = 1
    class_map[3, 2:8] = 2  # a line into which no disk fits
    opened = open_map(class_map, 1)
    assert (opened[3, 2:8] == [0, 0, 0, opened[3, 5], 1, 1]).all()  # halfway either will do
    assert not (opened == 2).any()


def test_void_and_the_border_wear_nothing_away():
    class_map = np.full((9, 9), VOID, np.uint8)
    class_map[4] = 1
    assert np.array_equal(open_map(class_map, 3), class_map)
    strip = np.zeros((2, 9), np.uint8)
    assert np.array_equal(open_map(strip, 3), strip)


def test_closing_fills_cracks_of_the_background_and_spares_other_classes():
    class_map = np.zeros((15, 15), np.uint8)
    class_map[3:12, 3:12] = 1
    class_map[:, 7] = 0  # a crack
    class_map[5, 7] = 2  # something in it
    closed = close_map(class_map, 2, background=0)
    assert (closed[4:11, 7] == [1, 2, 1, 1, 1, 1, 1]).all()


def test_without_background_thin_things_lose_nothing_to_what_is_around():
    class_map = np.zeros((20, 20), np.uint8)
    class_map[:, 8:13] = 1
    class_map[8:10, 8:13] = 0  # a gap in a pole
    closed = close_map(class_map, 3)
    assert (closed[:, 9:12] == 1).all()
    assert (closed[class_map == 1] == 1).all()  # though the ground would close over it


def test_what_lies_in_a_class_is_no_hole_where_there_is_a_background():
    cell = np.zeros((12, 12), np.uint8)
    cell[1:11, 1:11] = 1
    cell[3:5, 3:5] = 2  # its nucleus
    cell[7, 7] = 0  # a hole
    filled = fill_map(cell, 10, background=0)
    assert (filled[3:5, 3:5] == 2).all()
    assert filled[7, 7] == 1
    assert (fill_map(cell, 10)[1:11, 1:11] == 1).all()


def test_holes_that_touch_at_a_corner_are_two():
    mask = np.ones((6, 6), bool)
    mask[2, 2] = mask[3, 3] = False
    assert fill_mask(mask, 1).all()

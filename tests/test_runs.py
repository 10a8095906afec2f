from __future__ import annotations

import numpy as np
import pytest

from pixelwise.runs import (
    drop_empty_runs,
    expand_intervals,
    fill_runs,
    resample_intervals,
    runs_from_lengths,
    runs_of_crop,
    vertical_edges,
)


def test_the_runs_of_a_crop_are_those_of_the_image():
    pixels = np.array([[0, 1, 0, 1], [0, 1, 0, 0], [0, 0, 0, 1]], bool)
    column, first, end = runs_of_crop(pixels, 10, 20)
    assert column.tolist() == [11, 13, 13]
    assert first.tolist() == [20, 20, 22]
    assert end.tolist() == [22, 21, 23]


def test_edges_go_down_the_columns():
    row, column = vertical_edges(np.array([[3, 0], [3, 5], [4, 5]]))
    assert list(zip(column.tolist(), row.tolist(), strict=True)) == [(0, 0), (0, 2), (0, 3), (1, 1), (1, 3)]


def test_runs_are_filled_with_values():
    plane = fill_runs(np.array([1, 4]), np.array([3, 6]), np.array([7, 9], np.int32), (3, 2))
    assert plane.tolist() == [[0, 0], [7, 9], [7, 9]]
    assert plane.dtype == np.int32


def test_intervals_are_expanded():
    interval, value = expand_intervals(np.array([5, 2, 9]), np.array([7, 2, 12]))
    assert interval.tolist() == [0, 0, 2, 2, 2]
    assert value.tolist() == [5, 6, 9, 10, 11]


@pytest.mark.parametrize(
    "source",
    [
        [0, 1, 2, 3, 4, 5],
        [-1, 2, 3, -1, -1],
        [4, 3, 3, 1, -1],
        [0, 0, 1, 1, 4, 4, 5],
        [-1, -1],
        [],
        [3],
    ],
)
def test_resampled_intervals_hold_what_comes_from_the_interval(source):
    starts, stops = np.triu_indices(7)
    first, last = resample_intervals(np.array(source, np.int64), 6, starts, stops)
    for start, stop, a, b in zip(starts, stops, first, last, strict=True):
        assert list(range(a, b)) == [k for k, place in enumerate(source) if start <= place < stop]


def test_run_lengths_are_cut_at_the_ends_of_columns():
    column, first, end = runs_from_lengths([2, 5, 1], 4, 2)
    assert column.tolist() == [0, 1]
    assert first.tolist() == [2, 0]
    assert end.tolist() == [4, 3]


def test_edges_without_a_pixel_between_them_cancel_out():
    assert drop_empty_runs(np.array([1, 3, 3, 5, 7, 7, 7, 9])).tolist() == [1, 5, 7, 9]

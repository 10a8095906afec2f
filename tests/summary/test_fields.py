"""Windows and interpolation over what rows see, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pixelwise.summary.fields import (
    WHOLE,
    Fields,
    empty,
    interpolate,
    map_fields,
    slide_transposed_window,
    slide_window,
    union,
)

TEN = np.tile(np.arange(10), (2, 1))


def test_a_window_over_a_window():
    once = slide_window(TEN, 10, kernel=3, stride=1, padding=1, dilation=1)
    assert once[:, 0].tolist() == [0, 1]  # the border of zeros depends on nothing
    assert once[:, 5].tolist() == [4, 6]
    twice = slide_window(once, 5, kernel=3, stride=2, padding=2, dilation=2)
    assert twice[:, 2].tolist() == [1, 7]


def test_a_window_transposed():
    seen = slide_transposed_window(TEN[:, :3], 6, kernel=4, stride=2, padding=1, dilation=1)
    assert seen.T.tolist() == [[0, 0], [0, 1], [0, 1], [1, 2], [1, 2], [2, 2]]


@pytest.mark.parametrize(
    ("taps", "align_corners", "wanted"),
    [
        (1, False, [[0, 0], [0, 0], [1, 1], [1, 1]]),
        (2, False, [[0, 0], [0, 1], [0, 1], [1, 1]]),
        (2, True, [[0, 0], [0, 1], [0, 1], [1, 1]]),
    ],
)
def test_two_rows_become_four(taps, align_corners, wanted):
    assert interpolate(TEN[:, :2], 4, taps, align_corners, None).T.tolist() == wanted


def test_aligned_corners_see_themselves_alone():
    seen = interpolate(TEN[:, :4], 10, 2, True, None)  # every third position lies upon one of the four
    assert seen[:, ::3].T.tolist() == [[0, 0], [1, 1], [2, 2], [3, 3]]
    assert seen[:, 4].tolist() == [1, 2]


def test_together_and_all_alike():
    assert union(TEN, TEN[:, ::-1]).T.tolist()[:2] == [[0, 9], [1, 8]]
    assert union(TEN, WHOLE).shape == (2, 10)
    assert np.array_equal(union(TEN, empty(10)), TEN)


def test_reach():
    assert map_fields((1, 3, 10, 10), {"y": TEN, "x": slide_window(TEN, 8, 3, 1, 0, 1)}).longest() == 3
    assert map_fields((1, 3, 10, 10), {"y": TEN, "x": WHOLE}).longest() is None
    assert Fields((), {"y": empty(2), "x": empty(2)}).longest() == 0

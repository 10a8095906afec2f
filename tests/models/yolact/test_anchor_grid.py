"""Anchors: places, sizes and order."""

from __future__ import annotations

import numpy as np

from pixelwise.models.yolact.anchor_grid import anchor_grid


def test_places_run_level_by_level_row_by_row():
    anchors = anchor_grid((20, 30), ((2, 3), (1, 1)), (4, 16), (1.0,))
    middle = (anchors[:, :2] + anchors[:, 2:]) / 2
    assert middle.tolist() == [[5, 5], [15, 5], [25, 5], [5, 15], [15, 15], [25, 15], [15, 10]]
    assert (anchors[:, 2:] - anchors[:, :2]).tolist() == [[4, 4]] * 6 + [[16, 16]]


def test_the_cells_share_the_image_evenly():
    anchors = anchor_grid((10, 33), ((3, 5),), (4,), (1.0, 4.0))
    middle = (anchors[::2, :2] + anchors[::2, 2:]) / 2
    np.testing.assert_allclose(middle[:5, 0], (np.arange(5) + 0.5) * 33 / 5, rtol=1e-6)
    assert (anchors[1, 2:] - anchors[1, :2]).tolist() == [8, 2]


def test_they_are_cached():
    arguments = ((20, 30), ((2, 3),), (4,), (1.0,))
    assert anchor_grid(*arguments) is anchor_grid(*arguments)

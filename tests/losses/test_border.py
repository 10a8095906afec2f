"""U-Net's equation 2 against distances measured pixel by pixel."""

import math

import numpy as np
import pytest
import torch

from pixelwise.classes import Classes
from pixelwise.losses.border import border_weights
from pixelwise.segmentation import Segmentation

CELLS = Classes(("background", "cell"), things=(False, True), background=0)


def cells(ids: np.ndarray) -> Segmentation:
    return Segmentation(CELLS, torch.ones(int(ids.max()), dtype=torch.int64), ids=torch.from_numpy(ids))


def by_definition(ids: np.ndarray, w0: float, sigma: float) -> np.ndarray:
    places = [np.argwhere(ids == n) for n in range(1, int(ids.max()) + 1)]
    weights = np.zeros(ids.shape)
    for y, x in np.ndindex(ids.shape):
        d1, d2 = sorted(math.sqrt(((place - (y, x)) ** 2).sum(1).min()) for place in places)[:2]
        weights[y, x] = w0 * math.exp(-((d1 + d2) ** 2) / (2 * sigma**2))
    return weights


def test_two_squares() -> None:
    ids = np.zeros((20, 30), np.int32)
    ids[4:12, 3:11] = 1
    ids[6:16, 14:22] = 2
    weights = border_weights(cells(ids)).numpy()
    np.testing.assert_allclose(weights, by_definition(ids, 10, 5), rtol=1e-5, atol=1e-6)
    # Between them in row 8 lie three pixels, 1 and 3, 2 and 2, 3 and 1 from the squares: the distances are added.
    np.testing.assert_allclose(weights[8, 11:14], 10 * math.exp(-16 / 50), rtol=1e-6)


def test_many_cells_and_short_reach() -> None:
    """σ = 1.5 reaches 9 pixels, fewer than the image has: what is cut off is less than 2e-8 of w0."""
    rng = np.random.default_rng(0)
    ids = np.zeros((40, 50), np.int32)
    for n in range(7):
        y, x = rng.integers(0, (36, 46))
        ids[y : y + rng.integers(2, 9), x : x + rng.integers(2, 9)] = n + 1
    assert len(np.unique(ids)) == 8
    weights = border_weights(cells(ids), w0=4, sigma=1.5).numpy()
    np.testing.assert_allclose(weights, by_definition(ids, 4, 1.5), rtol=1e-5, atol=4 * 2e-8)


@pytest.mark.parametrize("number", [0, 1])
def test_fewer_than_two_cells_have_no_border(number: int) -> None:
    ids = np.zeros((9, 9), np.int32)
    ids[2:5, 2:5] = number
    assert border_weights(cells(ids)).abs().max() == 0


def test_only_things_that_are_not_crowd_are_cells() -> None:
    ids = torch.zeros(8, 20, dtype=torch.int32)
    ids[:, 2:5], ids[:, 7:10], ids[:, 12:15] = 1, 2, 3
    parts = {"labels": torch.tensor([1, 1, 1]), "ids": ids}
    assert border_weights(Segmentation(CELLS, **parts))[4, 11] > 6
    crowd = Segmentation(CELLS, **parts, crowd=torch.tensor([False, False, True]))
    assert border_weights(crowd)[4, 11] < 3
    stuff = Segmentation(CELLS, torch.tensor([1, 0, 0]), ids=ids)
    assert border_weights(stuff).abs().max() == 0


def test_a_sigma_of_zero() -> None:
    with pytest.raises(ValueError, match="sigma is 0"):
        border_weights(cells(np.ones((3, 3), np.int32)), sigma=0)

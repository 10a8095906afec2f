from __future__ import annotations

import pytest
import torch

from pixelwise.inference.tiles import Tiling, blended, regrouped, resized
from pixelwise.ops.resize import resize

TILINGS = [(64, 0.25, 8), (64, 0.0, 1), (64, 0.9, 16), (50, 0.5, 32), (7, 0.3, 1), (1, 0.0, 1)]


@pytest.mark.parametrize("length", [1, 5, 63, 64, 65, 200, 333])
@pytest.mark.parametrize(("side", "overlap", "multiple"), TILINGS)
def test_weights_sum_to_one_everywhere(length, side, overlap, multiple):
    tiling = Tiling(side, overlap, multiple)
    total = torch.zeros(length)
    for start, weight in zip(tiling.starts(length), tiling.weights(length), strict=True):
        assert start % multiple == 0
        assert weight.min() >= 0
        total[start : start + len(weight)] += weight
    torch.testing.assert_close(total, torch.ones(length))


def test_a_tile_has_no_say_near_its_inner_edges_only():
    first, *_, last = Tiling(64, 0.25, 8).weights(300)
    assert (first[:48] == 1).all()
    assert (first[-6:] == 0).all()
    assert (last[:6] == 0).all()
    assert (last[-1:] == 1).all()


@pytest.mark.parametrize(("side", "overlap", "multiple"), TILINGS[:5])
def test_blending_what_each_tile_copies_gives_the_image(side, overlap, multiple):
    whole = torch.rand(3, 100, 77)
    bands = list(blended(lambda rows, columns: whole[:, rows, columns], (100, 77), Tiling(side, overlap, multiple)))
    torch.testing.assert_close(torch.cat(bands, 1), whole)
    assert len(bands) > 1
    assert max(band.shape[1] for band in bands) <= 64


def test_tiles_that_disagree_are_joined_without_a_step():
    """Each tile says another number: along a row the blend never jumps by more than the wave rises in a pixel."""
    said = iter(range(100))
    maps = [torch.full((1, 64, 64), float(next(said) % 2)) for _ in range(7)]
    row = torch.cat(list(blended(lambda rows, columns: maps.pop(), (64, 64 + 6 * 32), Tiling(64, 0.5))), 1)[0, 0]
    assert row.min() == 0
    assert row.max() == 1
    assert row.diff().abs().max() < 0.25


@pytest.mark.parametrize("size", [(40, 30), (1, 1), (1, 9), (40, 9)])
@pytest.mark.parametrize("target", [(40, 30), (95, 61), (13, 50), (1, 1), (200, 1)])
@pytest.mark.parametrize("pieces", [1, 7, 40])
def test_resizing_in_bands_equals_resizing_the_whole(size, target, pieces):
    whole = torch.rand(2, *size)
    bands = list(resized(iter(whole.split(pieces, 1)), size, target, 16))
    torch.testing.assert_close(torch.cat(bands, 1), resize(whole[None], target)[0], atol=1e-5, rtol=0)
    assert size == target or max(band.shape[1] for band in bands) <= 16


@pytest.mark.parametrize("rows", [1, 4, 5, 30, 100])
def test_regrouping_keeps_the_rows(rows):
    whole = torch.rand(2, 30, 3)
    bands = list(regrouped(iter(whole.split([3, 1, 20, 6], 1)), rows))
    assert torch.equal(torch.cat(bands, 1), whole)
    assert all(band.shape[1] == rows for band in bands[:-1])


def test_tilings_that_make_no_sense():
    with pytest.raises(ValueError, match="tile is 0"):
        Tiling(0, 0.25)
    with pytest.raises(ValueError, match=r"overlap is 1\.0"):
        Tiling(64, 1.0)

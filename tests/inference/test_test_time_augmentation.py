from __future__ import annotations

import pytest
import torch

from pixelwise.inference.test_time_augmentation import View, views


def test_every_scale_with_every_flip():
    assert views((1.0,), False) == (View(),)
    assert views((0.5, 1), True) == (View(0.5), View(0.5, (-1,)), View(1.0), View(1.0, (-1,)))
    assert len(views((1,), "both")) == 4


def test_a_flip_undoes_itself():
    maps = torch.rand(2, 3, 4)
    for view in views((1,), "both"):
        assert torch.equal(view.flip(view.flip(maps)), maps)


def test_a_view_is_never_empty():
    assert View(0.1).size(3, 40) == (1, 4)


@pytest.mark.parametrize("scales", [(), (0.0,), (-1.0,), (float("nan"),)])
def test_scales_that_make_no_sense(scales):
    with pytest.raises(ValueError, match="positive"):
        views(scales, False)


def test_an_unknown_flip():
    with pytest.raises(ValueError, match="'up'"):
        views((1,), "up")

from __future__ import annotations

from pathlib import Path

import pytest

from pixelwise.data.dataset import Record, short_names


def named(*names):
    return [Record(name, Path(name)) for name in names]


def test_short_names():
    assert short_names(named("images/train/a", "images/train/b")) == ["a", "b"]
    assert short_names(named("x/a", "y/a", "b")) == ["x_a", "y_a", "b"]
    with pytest.raises(ValueError, match="two images would be called 'x_y_a'"):
        short_names(named("x/y/a", "x_y/a", "b/a"))

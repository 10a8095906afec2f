"""Sums of the losses of an epoch."""

from __future__ import annotations

import pytest
import torch

from pixelwise.training.callback.loss_sums import LossSums
from pixelwise.training.run_state import State


def test_means_since_the_last_epoch(tmp_path):
    sums = LossSums(State(), tmp_path)
    assert sums.means() == {}
    for value in (1.0, 2.0, 6.0):
        sums.add(("a",), {"loss": torch.tensor(value), "dice": torch.tensor(value / 2)})
    assert sums.means() == {"loss": 3.0, "dice": 1.5}
    sums.reset()
    assert sums.means() == {}


def test_a_resumed_run_goes_on_adding(tmp_path):
    state = State()
    LossSums(state, tmp_path).add((), {"loss": torch.tensor(1.0)})
    resumed = LossSums(state, tmp_path)
    resumed.add((), {"loss": torch.tensor(3.0)})
    assert resumed.means() == {"loss": 2.0}


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_loss_that_is_not_finite_ends_the_run(tmp_path, value):
    (tmp_path / "last.safetensors").touch()
    sums = LossSums(State(step=7), tmp_path)
    with pytest.raises(FloatingPointError, match=r"loss of step 7 is .*images: a, b.*last\.safetensors.*lower --lr"):
        sums.add(("a", "b"), {"loss": torch.tensor(float(value))})

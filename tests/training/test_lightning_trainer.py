"""Lightning's Trainer and loggers."""

from __future__ import annotations

import pytest

from pixelwise.training.lightning_trainer import make_loggers
from pixelwise.training.recipe import Machine


def test_loggers_are_those_that_are_named(tmp_path):
    assert make_loggers(Machine(), tmp_path, 0) == []


def test_tensorboard_in_the_folder_of_the_run(tmp_path):
    pytest.importorskip("tensorboard")
    (logger,) = make_loggers(Machine(loggers=("csv", "tensorboard")), tmp_path, 5)
    logger.log_metrics({"loss": 0.5}, step=1)
    logger.finalize("success")
    assert list((tmp_path / "tensorboard").glob("events*"))

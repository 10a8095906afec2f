"""Plots of a training run."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from pixelwise.drawing.plots import curves

ROWS = [
    {"epoch": 1.0, "step": 5.0, "loss": 0.75},
    {"epoch": 2.0, "step": 10.0, "loss": 0.5, "mIoU": 0.25},
    {"epoch": 3.0, "step": 15.0, "loss": float("nan"), "mIoU": 0.5},
]


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], []], ids=len)
def test_each_column_that_is_there_has_a_curve(rows):
    root = ElementTree.fromstring(curves(rows, ("loss", "mIoU", "PQ")))
    drawn = {element.get("id") for element in root.iter()} & {"loss", "mIoU", "PQ"}
    assert drawn == {name for name in ("loss", "mIoU") if any(name in row for row in rows)}


def test_it_is_reproducible_and_without_nan():
    assert curves(ROWS, ("loss", "mIoU")) == curves(ROWS, ("loss", "mIoU"))
    assert "nan" not in curves(ROWS, ("loss",)).lower()

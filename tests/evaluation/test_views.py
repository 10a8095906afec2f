"""The legend below the views of an evaluated image names every colour in them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixelwise.classes import Classes, palette
from pixelwise.drawing.overlay import CONFUSED, FALSE_ALARM, MISSED, RIGHT, errors
from pixelwise.evaluation.views import legend_entries
from pixelwise.segmentation import Segmentation


def class_map(values: list[list[int]], classes: Classes) -> Segmentation:
    return Segmentation.from_class_map(torch.tensor(values, dtype=torch.uint8), classes)


def test_confused_pixels_of_two_classes_without_background_are_in_the_legend():
    classes = Classes(("road", "water"))
    prediction, truth = class_map([[0, 1, 1]], classes), class_map([[0, 0, 1]], classes)
    assert [text for _, text in legend_entries(prediction, truth)] == ["road", "water", "right", "confused"]
    nothing = class_map([[0, 255, 1]], classes)
    assert "missed" in [text for _, text in legend_entries(nothing, truth)]


def test_each_colour_of_the_wrong_pixels_is_in_the_legend():
    classes = Classes(("background", "cell", "debris"), background=0)
    generator = np.random.default_rng(0)
    image = torch.full((3, 8, 8), 100, dtype=torch.uint8)
    for _ in range(5):
        prediction, truth = (class_map(generator.integers(0, 3, (8, 8)).tolist(), classes) for _ in range(2))
        named = dict(legend_entries(prediction, truth))
        assert {RIGHT, FALSE_ALARM, MISSED, CONFUSED} <= named.keys()
        drawn = {tuple(color) for color in errors(image, prediction, truth, legend=False).reshape(-1, 3).tolist()}
        assert len(drawn) == 5, "four kinds, and grey"


@pytest.mark.parametrize("color", [RIGHT, FALSE_ALARM, MISSED, CONFUSED])
def test_no_class_has_a_colour_of_right_and_wrong(color):
    distances = np.linalg.norm(np.array(palette(20)) - np.array(color), axis=1)
    assert distances.min() > 60, palette(20)[int(distances.argmin())]

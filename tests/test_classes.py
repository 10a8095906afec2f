from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from pixelwise.classes import SAFE_COLORS, Classes, palette


def test_defaults_are_told_apart():
    classes = Classes(("background", "cell", "wall"), background=0)
    assert classes.colors == ((0, 0, 0), *SAFE_COLORS[:2])
    assert classes.things == (False,) * 3
    assert len(set(palette(600))) == 600


def test_default_colors_are_far_apart():
    """In CIELAB: two of the seven safe ones, both blue, are 26.6 apart; all others of the first twenty are farther."""
    colors = np.float32(palette(20))
    lab = cv2.cvtColor(colors[None] / 255, cv2.COLOR_RGB2LAB)[0]
    distances = np.linalg.norm(lab[:, None] - lab, axis=2) + 999 * np.eye(20)
    assert distances.min() == pytest.approx(26.6, abs=0.1)
    assert distances[len(SAFE_COLORS) :].min() > 35
    assert palette(20)[:11] == palette(11)


def test_round_trip_through_plain_values():
    classes = Classes(("sky", "car"), colors=((1, 2, 3), (4, 5, 6)), things=(False, True))
    assert Classes.from_dict(classes.to_dict()) == classes


def test_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Classes(("a",)).names = ("b",)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"names": ()}, "at least one name"),
        ({"names": ("a", "b", "a")}, "these are repeated: 'a'"),
        ({"names": ("a", "b"), "colors": ((0, 0, 0),)}, "1 colors for 2 classes"),
        ({"names": ("a", "b"), "things": (True,)}, "1 things for 2 classes"),
        ({"names": ("a",), "colors": ((0, 0, 256),)}, "not RGB from 0 to 255"),
        ({"names": ("a",), "background": 1}, "numbered 0 to 0"),
    ],
)
def test_errors_teach(arguments, message):
    with pytest.raises(ValueError, match=message):
        Classes(**arguments)


def test_unknown_name_lists_the_names():
    with pytest.raises(KeyError, match="there are: sky, car"):
        Classes(("sky", "car")).index("sun")

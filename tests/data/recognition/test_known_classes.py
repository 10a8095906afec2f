"""The classes of well-known data sets."""

from __future__ import annotations

import pytest

from pixelwise.data.formats.voc import NAMES
from pixelwise.data.recognition.known_classes import known_classes


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("voc", 21),
        ("cityscapes", 19),
        ("ade20k", 150),
        ("cocostuff", 182),
        ("carvana", 2),
        ("coco", 81),
        ("coco-panoptic", 133),
    ],
)
def test_numbers(name, number):
    assert len(known_classes(name)) == number


def test_those_of_voc_are_the_development_kits():
    voc = known_classes("voc")
    assert voc.names == NAMES
    assert voc.background == 0
    assert voc.colors[voc.index("person")] == (192, 128, 128)
    assert known_classes("cityscapes").colors[0] == (128, 64, 128)


def test_those_of_coco_panoptic_are_80_things_and_then_53_of_stuff():
    coco = known_classes("coco-panoptic")
    assert coco.things == (True,) * 80 + (False,) * 53
    assert (coco.names[0], coco.names[79], coco.names[80], coco.names[132]) == (
        "person",
        "toothbrush",
        "banner",
        "rug-merged",
    )
    assert coco.colors[0] == (220, 20, 60)
    assert coco.background is None
    assert not any(known_classes("voc").things)


def test_an_unknown_set_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'cityscapes'"):
        known_classes("cityscape")

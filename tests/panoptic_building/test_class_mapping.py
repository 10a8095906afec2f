from __future__ import annotations

import pytest

from pixelwise.classes import Classes
from pixelwise.panoptic_building.class_mapping import CLASS_FROM_MASK, NO_CLASS, UNNAMED_OBJECTS, map_classes

STREET = Classes(("nothing", "road", "car"), background=0)
OBJECTS = Classes(("background", "car", "dog"), things=(False, True, True), background=0)


def test_classes_are_united_by_name():
    mapping = map_classes(STREET, OBJECTS)
    assert mapping.classes.names == ("nothing", "road", "car", "dog")
    assert mapping.classes.things == (False, False, True, True)
    assert mapping.classes.colors[:3] == STREET.colors
    assert mapping.from_masks == (0, 1, 2)
    assert mapping.from_objects == (NO_CLASS, 2, 3)


def test_a_background_that_becomes_void_has_no_class():
    mapping = map_classes(STREET, None, ["car"], rest="void")
    assert mapping.classes.names == ("road", "car")
    assert mapping.classes.background is None
    assert mapping.from_masks == (NO_CLASS, 0, 1)
    assert mapping.from_objects == ()


def test_unnamed_objects_get_their_class_from_the_mask():
    mapping = map_classes(STREET, UNNAMED_OBJECTS, ["car"])
    assert mapping.classes.names == STREET.names
    assert mapping.from_objects == (NO_CLASS, CLASS_FROM_MASK)


def test_objects_alone_keep_their_classes():
    mapping = map_classes(None, OBJECTS)
    assert mapping.classes == OBJECTS
    assert mapping.from_masks == ()
    assert mapping.from_objects == (NO_CLASS, 1, 2)


def test_impossible_classes():
    with pytest.raises(ValueError, match="there is nothing to build from"):
        map_classes(None, None)
    with pytest.raises(ValueError, match="which classes are countable\\? name some with --things, of: road, car"):
        map_classes(STREET, None)
    with pytest.raises(ValueError, match="no class is called 'cars', which should be a thing; did you mean 'car'"):
        map_classes(STREET, None, ["cars"])
    for things in ((), ("nucleus",)):
        with pytest.raises(ValueError, match="the objects have no name: .*--things NAME, of: road, car; .*classes.txt"):
            map_classes(STREET, UNNAMED_OBJECTS, things)
    with pytest.raises(ValueError, match="rest is 'stuff'"):
        map_classes(STREET, None, ["car"], "stuff")

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixelwise import Classes, Segmentation
from pixelwise.panoptic_building.class_mapping import UNNAMED_OBJECTS
from pixelwise.panoptic_building.ground_truth import PanopticTruthBuilder

STREET = Classes(("nothing", "road", "sky", "car", "tree"), background=0)
OBJECTS = Classes(("background", "car", "dog"), things=(False, True, True), background=0)

MAP = torch.tensor(
    [
        [2, 2, 2, 2, 2, 2, 2, 2],
        [1, 3, 3, 3, 1, 1, 3, 0],
        [1, 3, 3, 3, 1, 1, 3, 0],
        [1, 1, 1, 1, 4, 255, 1, 1],
    ],
    dtype=torch.uint8,
)


def street(class_map=MAP, classes=STREET):
    return Segmentation.from_class_map(class_map, classes)


def objects(*boxes, labels=None, crowd=None, classes=OBJECTS):
    """Each box is x1 y1 x2 y2, the last column and row not included."""
    masks = torch.zeros(len(boxes), 4, 8, dtype=torch.bool)
    for n, (x1, y1, x2, y2) in enumerate(boxes):
        masks[n, y1:y2, x1:x2] = True
    return Segmentation(
        classes,
        torch.tensor(labels or [1] * len(boxes), dtype=torch.int64),
        masks=masks,
        crowd=None if crowd is None else torch.tensor(crowd),
    )


def names(truth):
    return [truth.classes.names[k] for k in truth.labels.tolist()]


def described(conflicts):
    return [(one.kind, one.text, one.pixels) for one in conflicts]


def test_where_both_agree_there_is_no_conflict():
    builder = PanopticTruthBuilder.from_classes(STREET, OBJECTS)
    truth, conflicts = builder.build(street(), objects((1, 1, 4, 3), (6, 1, 7, 3)))
    assert conflicts == []
    assert truth.ids.tolist() == [
        [5, 5, 5, 5, 5, 5, 5, 5],
        [4, 1, 1, 1, 4, 4, 2, 3],
        [4, 1, 1, 1, 4, 4, 2, 3],
        [4, 4, 4, 4, 6, 0, 4, 4],
    ]
    assert names(truth) == ["car", "car", "nothing", "road", "sky", "tree"]
    assert builder.classes.names == ("nothing", "road", "sky", "car", "tree", "dog")
    assert builder.classes.things == (False, False, False, True, False, True)
    assert builder.classes.background == 0
    assert len(set(builder.classes.colors)) == 6


def test_the_background_can_be_void():
    builder = PanopticTruthBuilder.from_classes(STREET, OBJECTS, rest="void")
    truth, conflicts = builder.build(street(), objects((1, 1, 4, 3), (6, 1, 8, 3)))
    assert builder.classes.names == ("road", "sky", "car", "tree", "dog")
    assert builder.classes.background is None
    assert conflicts == [], "the mask says nothing where it is void"
    assert truth.ids[1].tolist() == [3, 1, 1, 1, 3, 3, 2, 2]
    assert builder.build(street(), objects((1, 1, 4, 3), (6, 1, 7, 3)))[0].ids[1, 7] == 0


def test_each_conflict_is_reported_and_settled_by_the_rule():
    builder = PanopticTruthBuilder.from_classes(STREET, OBJECTS)
    truth, conflicts = builder.build(street(), objects((0, 1, 4, 4), (0, 1, 2, 3)))
    assert described(conflicts) == [
        ("overlap", "other objects cover 4 of 12 pixels of car (object 1)", 4),
        ("class", "of 8 pixels of car (object 1) the mask says: road 4", 4),
        ("class", "of 4 pixels of car (object 2) the mask says: road 2", 2),
        ("uncovered", "2 pixels of car in the mask have no object", 2),
    ]
    assert truth.ids[1:].tolist() == [[2, 2, 1, 1, 4, 4, 0, 3], [2, 2, 1, 1, 4, 4, 0, 3], [1, 1, 1, 1, 6, 0, 4, 4]]
    assert conflicts[-1].where.nonzero()[0].tolist() == [1, 2]
    assert conflicts[-1].where.nonzero()[1].tolist() == [6, 6]


def test_objects_of_a_kind_that_the_mask_does_not_know_do_not_contradict_it():
    builder = PanopticTruthBuilder.from_classes(STREET, OBJECTS)
    truth, conflicts = builder.build(street(), objects((1, 1, 4, 3), (6, 1, 7, 3), (4, 3, 8, 4), labels=[1, 1, 2]))
    assert conflicts == []
    assert names(truth)[:3] == ["car", "car", "dog"]


def test_an_object_wholly_under_others_is_reported_and_left_out():
    left = objects((0, 1, 2, 2), (2, 1, 4, 2), (0, 1, 4, 2), (7, 3, 7, 3))
    truth, conflicts = PanopticTruthBuilder.from_classes(None, OBJECTS).build(None, left)
    assert described(conflicts) == [
        ("overlap", "other objects cover 4 of 4 pixels of car (object 3): nothing is left of it", 4)
    ]
    assert names(truth) == ["car", "car", "background"]
    assert truth.ids[1].tolist() == [1, 1, 2, 2, 3, 3, 3, 3]


def test_crowds_lie_below_and_stay_crowds():
    builder = PanopticTruthBuilder.from_classes(None, OBJECTS, rest="void")
    truth, conflicts = builder.build(None, objects((0, 0, 2, 2), (1, 1, 6, 3), crowd=[True, False]))
    assert conflicts == []
    assert truth.ids.tolist() == [
        [1, 1, 0, 0, 0, 0, 0, 0],
        [1, 2, 2, 2, 2, 2, 0, 0],
        [0, 2, 2, 2, 2, 2, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
    ]
    assert truth.crowd.tolist() == [True, False]
    assert builder.classes.names == ("car", "dog")


def test_connected_parts_of_masks_alone():
    builder = PanopticTruthBuilder.from_classes(STREET, None, ["car"], smallest=3)
    truth, conflicts = builder.build(street(), None)
    assert conflicts == []
    assert names(truth) == ["car", "nothing", "road", "sky", "tree"]
    assert truth.ids[1].tolist() == [3, 1, 1, 1, 3, 3, 0, 2]
    truth, _ = PanopticTruthBuilder.from_classes(STREET, None, ["car"]).build(street(), None)
    assert truth.areas().tolist()[:2] == [6, 2]
    corner = torch.eye(4, 8, dtype=torch.uint8) * 3
    assert len(PanopticTruthBuilder.from_classes(STREET, None, ["car"]).build(street(corner), None)[0]) == 2, (
        "corners join"
    )


def test_objects_without_a_class_get_that_of_the_mask():
    builder = PanopticTruthBuilder.from_classes(STREET, UNNAMED_OBJECTS, ["car", "tree"])
    truth, conflicts = builder.build(
        street(), objects((1, 1, 5, 3), (4, 3, 5, 4), (0, 0, 8, 1), classes=UNNAMED_OBJECTS)
    )
    assert builder.classes.names == STREET.names
    assert names(truth) == ["car", "tree", "nothing", "road", "sky"]
    assert [one[:2] for one in described(conflicts)] == [
        ("classless", "object 3 is no thing in the mask: left out"),
        ("class", "of 8 pixels of car (object 1) the mask says: road 2"),
        ("uncovered", "2 pixels of car in the mask have no object"),
    ]


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match="class mask is 7x4, but its objects are on 8x4"):
        PanopticTruthBuilder.from_classes(STREET, OBJECTS).build(street(MAP[:, :7]), objects((0, 0, 1, 1)))


@pytest.mark.parametrize("seed", range(20))
def test_the_parts_of_random_maps_add_up(seed):
    """Every pixel is in one segment or void, and what was said of it by object, mask or neither is kept."""
    rng = np.random.default_rng(seed)
    class_map = torch.from_numpy(rng.choice([0, 1, 2, 3, 4, 255], (4, 8)).astype(np.uint8))
    corners = [np.sort(rng.integers(0, size + 1, 2)) for size in (8, 4) * 4]
    boxes = [(*corners[k], *corners[k + 1]) for k in range(0, 8, 2)]
    given = objects(*[(x1, y1, x2, y2) for x1, x2, y1, y2 in boxes], labels=[1, 2, 1, 2])
    truth, conflicts = PanopticTruthBuilder.from_classes(STREET, OBJECTS).build(street(class_map), given)
    covered = given.masks.dense().any(0)
    held = truth.class_map()
    stuff = ~covered & (class_map != 3)
    assert torch.equal(held[stuff], class_map[stuff])
    assert (held[~covered & (class_map == 3)] == 255).all()
    assert torch.isin(held[covered], torch.tensor([3, 5])).all()
    assert (truth.areas() > 0).all()
    assert int(truth.areas().sum()) == int((truth.ids > 0).sum())
    label = torch.cat([torch.tensor([-1]), truth.labels])[truth.ids]
    wrong = covered & (label == 3) & (class_map != 3) & (class_map != 255)
    assert sum(one.pixels for one in conflicts if one.kind == "class") == int(wrong.sum())

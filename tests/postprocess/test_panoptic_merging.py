"""Merging, against what the panoptic API's script and detectron2 made of the same cases."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from record_merging import FILE, THINGS, Case, boxes, coco_cases, small_cases, summary

from pixelwise.classes import VOID, Classes
from pixelwise.postprocess.panoptic_merging import RULES, MergeRules, join_classes
from pixelwise.segmentation import Segmentation

RECORDED = json.loads(Path(FILE).read_text("utf-8"))
STUFF = Classes(("things", *(f"stuff {k}" for k in range(1, 9))))
OBJECTS = Classes(("background", *(f"thing {k}" for k in range(1, THINGS + 1))), background=0)
BOTH = Classes((*OBJECTS.names, *STUFF.names[1:]), things=(False, *[True] * THINGS, *[False] * 8), background=0)


def found_in(case: Case) -> Segmentation:
    masks, scores, labels = (torch.from_numpy(array) for array in (case.masks, case.scores, case.labels))
    return Segmentation(OBJECTS, labels, scores, masks=masks)


def merged(case: Case, rules: MergeRules) -> Segmentation:
    semantic = torch.from_numpy(case.semantic)
    return replace(rules, stuff_area=case.stuff_area)(semantic, found_in(case), semantic_classes=STUFF, classes=BOTH)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("case", small_cases())
def test_equal_to_others_pixel_for_pixel(case, name):
    result = merged(small_cases()[case], RULES[name])
    assert summary(result.ids.numpy(), result.labels.tolist()) == RECORDED[case][name]


@pytest.mark.parametrize("name", RULES)
def test_equal_to_others_on_real_images(trial_data, name):
    cases = coco_cases(trial_data("coco-panoptic-sample"))
    assert len(cases) == 4
    for told, case in cases.items():
        result = merged(case, RULES[name])
        assert summary(result.ids.numpy(), result.labels.tolist()) == RECORDED[told][name]


def test_the_limits_of_each_rule():
    result = merged(small_cases()["limits"], MergeRules())
    rows = ["11112244", "11112244", "11112244", "55555555", "33555555", "55556666"]
    assert ["".join(map(str, row)) for row in result.ids.tolist()] == rows
    assert result.labels.tolist() == [3, 5, 3, THINGS + 1, THINGS + 2, THINGS + 3]
    assert result.scores.tolist() == pytest.approx([0.9, 0.8, 0.5, 1, 1, 1])


def test_what_is_left_of_an_object_is_never_nothing():
    case = small_cases()["hidden"]
    result = merged(case, MergeRules(score=0, overlap=1))
    assert result.areas().min() > 0
    assert len(result) == 4 + 3  # the second lies within the first


def test_the_same_of_probabilities_a_map_and_a_result():
    case = small_cases()["limits"]
    semantic = torch.from_numpy(case.semantic)
    sure = torch.full((9, 6, 8), 0.05)
    sure.scatter_(0, semantic[None].long(), torch.arange(48).reshape(1, 6, 8) / 100 + 0.4)
    rules, instances = MergeRules(stuff_area=4), found_in(case)
    of_map = rules(semantic, instances, semantic_classes=STUFF)
    of_probabilities = rules(sure, instances, semantic_classes=STUFF)
    said = Segmentation.from_class_map(semantic, STUFF)
    scores = torch.tensor([0.1, 0.2, 0.3, 0.4])
    of_result = rules(replace(said, scores=scores), instances)
    assert torch.equal(of_map.ids, of_probabilities.ids) and torch.equal(of_map.ids, of_result.ids)
    objects = [0.9, 0.8, 0.5]
    assert of_map.scores.tolist() == pytest.approx([*objects, 1, 1, 1])
    assert of_result.scores.tolist() == pytest.approx([*objects, 0.2, 0.3, 0.4])
    means = [sure.max(0).values[of_map.ids == n].mean().item() for n in (4, 5, 6)]
    assert of_probabilities.scores.tolist() == pytest.approx([*objects, *means])
    assert of_map.classes == join_classes(STUFF, OBJECTS)


def test_void_stays_void_but_where_objects_lie():
    semantic = torch.full((4, 4), VOID, dtype=torch.uint8)
    semantic[:2] = 1
    instances = Segmentation(OBJECTS, torch.tensor([2]), masks=torch.from_numpy(boxes((4, 4), (1, 2, 0, 1))))
    result = MergeRules(stuff_area=1)(semantic, instances, semantic_classes=STUFF)
    assert result.ids.tolist() == [[2, 2, 2, 2], [1, 1, 2, 2], [1, 1, 0, 0], [0, 0, 0, 0]]
    assert [result.classes.names[label] for label in result.labels] == ["thing 2", "stuff 1"]


@pytest.mark.parametrize(("size", "least"), [((480, 640), 4096), ((1000, 1500), 4096), ((48, 64), 40), ((5, 7), 1)])
def test_the_limit_of_stuff_shrinks_with_small_images(size, least):
    none = Segmentation(OBJECTS, torch.empty(0, dtype=torch.int64), masks=torch.empty(0, *size, dtype=torch.bool))
    found = []
    for pixels in (least - 1, least):
        semantic = torch.full(size, VOID, dtype=torch.uint8)
        semantic.view(-1)[:pixels] = 1
        found.append(len(MergeRules()(semantic, none, semantic_classes=STUFF)))
    assert found == [0, 1]


def test_backgrounds_and_things_of_the_semantic_result_are_void_unless_wanted():
    names = Classes(("background", "sky", "car"), background=0)
    cars = Classes(("ground", "car"), background=0)
    semantic = torch.tensor([[0, 1, 2, 2]] * 2, dtype=torch.uint8)
    none = Segmentation(cars, torch.empty(0, dtype=torch.int64), masks=torch.empty(0, 2, 4, dtype=torch.bool))
    rules = MergeRules(stuff_area=1)
    result = rules(semantic, none, semantic_classes=names)
    assert result.classes.names == ("background", "sky", "car") and result.classes.things == (False, False, True)
    assert result.class_map().tolist() == [[VOID, 1, VOID, VOID]] * 2
    kept = replace(rules, keep_things=True)(semantic, none, semantic_classes=names)
    assert kept.class_map().tolist() == [[VOID, 1, 2, 2]] * 2


def test_a_background_with_a_name_of_its_own_is_stuff():
    ground = Classes(("ground", "car"), background=0)
    car = Segmentation(ground, torch.tensor([1]), masks=torch.from_numpy(boxes((2, 4), (0, 1, 2, 3))))
    result = MergeRules(stuff_area=1)(torch.zeros(2, 4, dtype=torch.uint8), car, classes=ground)
    assert result.class_map().tolist() == [[0, 0, 1, 1]] * 2


def test_classes_are_joined_by_name():
    red, blue, green = (255, 0, 0), (0, 0, 255), (0, 255, 0)
    semantic = Classes(("things", "sky", "car", "dog"), (red, blue, green, (1, 2, 3)), (False, False, False, True))
    instance = Classes(("background", "person", "car"), ((0, 0, 0), blue, red), background=0)
    joined = join_classes(semantic, instance)
    assert joined.names == ("sky", "car", "dog", "person")
    assert joined.things == (False, True, False, True)  # no model finds one dog apart from the next
    assert joined.background is None
    assert joined.colors[:3] == (blue, green, (1, 2, 3)) and len(set(joined.colors)) == 4
    cells = Classes(("background", "cell"), background=0)
    assert join_classes(cells, cells) == replace(cells, things=(False, True))


@pytest.mark.parametrize("masks", [np.zeros((0, 5, 7), bool), np.zeros((2, 5, 7), bool)])
def test_nothing_at_all(masks):
    labels = torch.ones(len(masks), dtype=torch.int64)
    instances = Segmentation(OBJECTS, labels, masks=torch.from_numpy(masks))
    result = MergeRules()(torch.full((5, 7), VOID, dtype=torch.uint8), instances, semantic_classes=STUFF)
    assert (len(result), result.ids.max().item(), result.size) == (0, 0, (5, 7))


def test_many_objects():
    masks = torch.eye(400, dtype=torch.bool).reshape(400, 20, 20)
    scores = torch.linspace(1, 0.5, 400)
    instances = Segmentation(OBJECTS, torch.ones(400, dtype=torch.int64), scores, masks=masks)
    result = MergeRules()(torch.zeros(20, 20, dtype=torch.uint8), instances, semantic_classes=STUFF)
    assert torch.equal(result.ids.flatten(), torch.arange(1, 401, dtype=torch.int32))
    assert torch.equal(result.scores, scores)


def test_rules_are_plain_values():
    rules = MergeRules(score=0.3, overlap=0.8, stuff_area=64, keep_things=True)
    assert MergeRules.from_dict(json.loads(json.dumps(rules.to_dict()))) == rules
    assert MergeRules.from_dict({}) == MergeRules()
    assert replace(MergeRules(), stuff_area=4096) == MergeRules.named("panopticapi")
    with pytest.raises(ValueError, match="overlap"):
        MergeRules.from_dict({"overlapp": 0.5})
    with pytest.raises(ValueError, match="detectron2"):
        MergeRules.named("detectron")


@pytest.mark.parametrize(
    "wrong",
    [{"score": 1.5}, {"overlap": -0.1}, {"overlap": True}, {"stuff_area": 2.5}, {"stuff_area": -1}, {"keep_things": 1}],
)
def test_rules_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MergeRules(**wrong)


def test_what_does_not_fit_is_refused():
    case = small_cases()["limits"]
    semantic, instances = torch.from_numpy(case.semantic), found_in(case)
    with pytest.raises(ValueError, match="7x6, but the instances are 8x6"):
        MergeRules()(semantic[:, 1:], instances, semantic_classes=STUFF)
    with pytest.raises(ValueError, match="semantic_classes"):
        MergeRules()(semantic, instances)
    with pytest.raises(ValueError, match=r"\(9, H, W\)"):
        MergeRules()(torch.rand(4, 6, 8), instances, semantic_classes=STUFF)
    with pytest.raises(ValueError, match="no class for thing 1, thing 2"):
        MergeRules()(semantic, instances, semantic_classes=STUFF, classes=STUFF)

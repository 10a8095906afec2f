from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
import torch

from pixelwise import Classes
from pixelwise.data.formats import mask_folder, voc
from pixelwise.data.instance_truth import as_objects, check_panoptic
from pixelwise.data.opening import open_dataset
from pixelwise.data.shapes import shapes


def test_objects_of_panoptic_data_are_those_of_instance_data():
    made = [as_objects(shapes(6, 48, 3, truth=truth)) for truth in ("instance", "panoptic")]
    plain = shapes(6, 48, 3)
    assert made[0].classes == made[1].classes == plain.classes
    for i in range(6):
        assert made[0].truth(i) == made[1].truth(i) == plain.truth(i)
        assert torch.equal(made[1].image(i), plain.image(i))
    assert len(plain.truth(0)) > 1


def test_nuclei(nuclei_sample):
    data = open_dataset(nuclei_sample, split="val")
    found = as_objects(data)
    assert found.classes.names == data.classes.names
    assert (found.classes.background, found.classes.things) == (0, (False, True))
    for i in range(3):
        whole, objects = data.truth(i), found.truth(i)
        assert len(objects) == len(whole) - 1
        assert objects.ids is None
        assert torch.equal(objects.masks.areas(), whole.areas()[whole.labels == 1])
        assert torch.equal(objects.class_map(), whole.class_map())
        assert set(objects.labels.tolist()) == {1}


def test_photos_stay_what_they_are(trial_data):
    data = open_dataset(trial_data("coco128"))
    found = as_objects(data)
    assert found.classes == data.classes
    assert all(found.truth(i) == data.truth(i) for i in range(10))


@pytest.mark.parametrize("carrier", ["ids", "masks"])
def test_stuff_is_left_out_and_crowds_are_kept(tmp_path, carrier):
    kinds = Classes(("tree", "ring", "car", "square", "sky"), things=(False, False, True, True, False))
    data = shapes(4, 64, 0, min_objects=6, truth="panoptic" if carrier == "ids" else "instance")
    order = torch.tensor([4, 0, 3, 2, 1])

    def renamed(record):
        truth = data.truths(record)
        return replace(truth, classes=kinds, labels=order[truth.labels], crowd=torch.arange(len(truth)) == 2)

    found = as_objects(replace(data, classes=kinds, truths=renamed))
    assert found.classes.names == ("background", "car", "square")
    assert found.classes.colors == ((0, 0, 0), kinds.colors[2], kinds.colors[3])
    assert "left out: tree, ring, sky" in found.notes[-1]
    for i in range(4):
        whole, objects = renamed(data.records[i]), found.truth(i)
        kept = torch.isin(whole.labels, torch.tensor([2, 3]))
        assert objects.labels.tolist() == (whole.labels[kept] - 1).tolist()
        assert objects.crowd.tolist() == whole.crowd[kept].tolist()
        assert all(torch.equal(objects.mask(n), whole.mask(int(k))) for n, k in enumerate(kept.nonzero().flatten()))


def test_a_background_that_is_not_the_first_class():
    data = shapes(3, 48, 5, truth="panoptic")
    kinds = Classes(("circle", "ground", "square", "triangle", "ring"), (), (True, False, True, True, True), 1)
    order = torch.tensor([1, 0, 2, 3, 4])

    def renamed(record):
        truth = data.truths(record)
        return replace(truth, classes=kinds, labels=order[truth.labels])

    found = as_objects(replace(data, classes=kinds, truths=renamed))
    assert found.classes.names == data.classes.names
    assert found.truth(1).labels.tolist() == as_objects(data).truth(1).labels.tolist()


def test_workers_can_be_given_it():
    data = as_objects(shapes(2, 32, 1, truth="panoptic"))
    assert pickle.loads(pickle.dumps(data)).truth(1) == data.truth(1)


@pytest.mark.parametrize("way", [mask_folder, voc])
def test_classes_of_pixels_are_no_objects(tmp_path, way):
    way.write(shapes(3, 32, 1, truth="semantic"), tmp_path)
    if way is voc:
        for path in (tmp_path / "SegmentationObject").iterdir():
            path.unlink()
        (tmp_path / "SegmentationObject").rmdir()
    data = way.read(tmp_path, None)
    assert any(data.classes.things)
    with pytest.raises(ValueError, match=r"classes of pixels apart \(ground, .*\), not one object from the next"):
        as_objects(data)


def test_data_without_things(trial_data):
    with pytest.raises(ValueError, match="for these data take a semantic method"):
        as_objects(open_dataset(trial_data("camvid"), split="val", classes=[f"c{k}" for k in range(11)], void=11))
    with pytest.raises(ValueError, match="not one object from the next"):
        as_objects(shapes(3, 32, truth="semantic"))


def test_panoptic_methods_take_data_that_tell_of_objects_and_of_stuff(nuclei_sample):
    check_panoptic(shapes(3, 48, truth="panoptic"))
    check_panoptic(open_dataset(nuclei_sample, split="val"))  # its background is a segment too
    stuff = replace(shapes(3, 48, truth="panoptic"), classes=Classes(("a", "b")))
    for data, message in (
        (shapes(3, 48, truth="instance"), "the data hold objects only: panoptic methods take COCO panoptic"),
        (shapes(3, 48, truth="semantic"), "tell classes of pixels apart .*pixelwise build-panoptic makes"),
        (stuff, r"say nothing of things, which can be counted \(a, b\)"),
    ):
        with pytest.raises(ValueError, match=message):
            check_panoptic(data)

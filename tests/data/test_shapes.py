from __future__ import annotations

import pickle

import cv2
import numpy as np
import pytest
import torch

from pixelwise import open_dataset
from pixelwise.data import shapes
from pixelwise.data.augmentation.transforms import augmentation
from pixelwise.data.batch_plan import Plan
from pixelwise.data.formats import coco, voc, yolo
from pixelwise.data.loader import training_batches
from pixelwise.data.shapes import NAMES
from pixelwise.training.run_state import fingerprint


def whole(mask: np.ndarray) -> bool:
    """Whether nothing of a shape is cut off by the border."""
    return not (mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


def test_a_image_depends_on_the_seed_and_its_number_alone():
    few, many = shapes.shapes(3, 64, 5), shapes.shapes(50, 64, 5)
    for i in (2, 0, 1):
        assert torch.equal(few.image(i), many.image(i))
        assert few.truth(i) == many.truth(i)
    images = {many.image(i).numpy().tobytes() for i in range(50)}
    assert len(images) == 50
    assert not torch.equal(shapes.shapes(3, 64, 6).image(0), few.image(0))


def test_a_image_can_be_changed_without_harm():
    data = shapes.shapes(1, 32)
    before = data.image(0).clone()
    data.image(0).zero_()
    data.truth(0).masks.runs.zero_()
    assert torch.equal(data.image(0), before)
    assert data.truth(0).areas().min() > 0


def test_the_masks_are_the_shapes_they_are_called():
    """Areas against those of figures that OpenCV fits around the corners of the pixels."""
    data = shapes.shapes(80, 256, 2, min_objects=1, max_objects=1)
    seen = dict.fromkeys(NAMES[1:], 0)
    for i in range(len(data)):
        truth = data.truth(i)
        mask, name = truth.mask(0).numpy(), NAMES[truth.labels[0]]
        if not whole(mask):
            continue
        y, x = np.nonzero(mask)
        corners = np.concatenate([np.stack([x + a, y + b], 1) for a in (0, 1) for b in (0, 1)]).astype(np.float32)
        area, edge = mask.sum(), 2 * (np.ptp(x) + np.ptp(y))
        box = np.ptp(corners[:, 0])
        fitted = {
            "circle": np.pi * box**2 / 4,
            "ring": np.pi * box**2 / 4 * 3 / 4,
            "square": np.prod(cv2.minAreaRect(corners)[1]),
            "triangle": cv2.minEnclosingTriangle(corners[:, None])[0],
        }[name]
        assert abs(area - fitted) < 0.75 * edge
        middle = mask[int(y.mean() + 0.5), int(x.mean() + 0.5)]
        assert middle == (name != "ring")
        seen[name] += 1
    assert min(seen.values()) >= 5


def test_the_image_shows_what_the_truth_says():
    """Inside each mask there is one colour, up to the noise of 24 grey levels; outside there is another."""
    data = shapes.shapes(20, 160, 3)
    kernel = np.ones((3, 3), np.uint8)
    for i in range(len(data)):
        sample = data[i]
        image = sample.image.numpy().astype(int)
        for n in range(len(sample.truth)):
            mask = sample.truth.mask(n).numpy().astype(np.uint8)
            inner = cv2.erode(mask, kernel, iterations=3, borderValue=1) > 0
            if inner.any():
                assert np.ptp(image[:, inner], axis=1).max() <= 25
        ground = image[:, (sample.truth.class_map() == 0).numpy()]
        assert ground.std() > 3


def test_the_three_truths_say_the_same():
    instance, panoptic, semantic = (shapes.shapes(12, 96, 4, truth=truth) for truth in shapes.TRUTHS)
    for i in range(12):
        one, two, three = instance.truth(i), panoptic.truth(i), semantic.truth(i)
        assert torch.equal(instance.image(i), panoptic.image(i))
        assert torch.equal(one.class_map(), two.class_map())
        assert torch.equal(one.class_map(), three.class_map())
        assert (one.ids, two.masks, three.masks) == (None, None, None)
        assert two.labels.tolist() == [0, *one.labels.tolist()]
        assert (two.ids > 0).all()
        for n in range(len(one)):
            assert torch.equal(one.mask(n), two.mask(n + 1))
        assert len(three) == len(set(two.labels.tolist()))


def test_objects_cover_each_other_and_stay_visible():
    data = shapes.shapes(100, 128, 1, min_objects=8, max_objects=8)
    touching, areas = 0, []
    for i in range(100):
        truth = data.truth(i)
        assert truth.masks.dense().sum(0).max() <= 1
        grown = [cv2.dilate(truth.mask(n).numpy().astype(np.uint8), np.ones((3, 3))) for n in range(len(truth))]
        touching += any((a & b).sum() > 20 for k, a in enumerate(grown) for b in grown[:k])
        areas += truth.areas().tolist()
        assert 6 <= len(truth) <= 8
    assert touching > 50
    assert min(areas) >= 20


@pytest.mark.parametrize(
    ("size", "least", "most"), [(1, 0, 8), (1, 8, 8), ((3, 90), 5, 5), (40, 0, 0), (300, 500, 500)]
)
def test_any_size_and_any_number_of_objects(size, least, most):
    data = shapes.shapes(2, size, min_objects=least, max_objects=most)
    for i in range(2):
        sample = data[i]
        assert sample.size == ((size, size) if isinstance(size, int) else size)
        assert len(sample.truth) <= most
        assert (sample.truth.areas() > 0).all()
    assert most < 500 or len(data.truth(0)) > 450


def test_as_text_with_splits():
    train, val, every = (
        open_dataset("shapes:number=40,size=48,seed=2,min_objects=0", split=s) for s in ("train", "val", None)
    )
    assert (len(train), len(val), len(every)) == (32, 8, 40)
    assert not {r.name for r in train.records} & {r.name for r in val.records}
    assert train[0].size == (48, 48)
    assert torch.equal(every.image(int(val.records[3].name)), val.image(3))
    assert repr(val) == "Dataset('shapes', split='val', 8 images, 5 classes)"
    assert "are made, not read" in train.notes[0]
    assert shapes.available("shapes:number=1") == ("train",)
    assert open_dataset("shapes:", split=None)[7].size == (128, 128)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("shapes:nubmer=4", "shapes have no 'nubmer'; did you mean 'number'"),
        ("shapes:20", "shapes:20: .* names and values, number, size, .*: write shapes:number=20$"),
        ("shapes:few,size=8", "write shapes:number=200$"),
        ("shapes:size=big", "size is 'big': it is a whole number"),
        ("shapes:size=-3", "size is '-3': it is a whole number"),
        ("shapes:size=0", "size of the shapes is 0: it is a whole number from 1 to"),
        ("shapes:min_objects=9", "min_objects of the shapes is 9: it is a whole number from 0 to 8"),
        ("shapes:truth=instances", "no ground truth 'instances'; did you mean 'instance'"),
        ("shapes:number=0", "has no images in the split 'train'"),
    ],
)
def test_wishes_that_cannot_be_met(text, what):
    with pytest.raises(ValueError, match=what):
        open_dataset(text)


def test_the_truth_is_not_for_stating():
    with pytest.raises(ValueError, match="is made with its truth: leave --classes"):
        open_dataset("shapes:number=4", classes="a,b")


def test_workers_and_other_processes_get_the_same():
    data = shapes.shapes(6, 48, 1)
    again = pickle.loads(pickle.dumps(data))
    assert torch.equal(again.image(4), data.image(4))
    assert again.truth(4) == data.truth(4)
    assert fingerprint(again) == fingerprint(data) != fingerprint(shapes.shapes(6, 48, 2))
    plans = (Plan(batch=3, steps=2, workers=workers) for workers in (0, 1))
    here, there = (list(training_batches(data, augmentation("paste", (40, 40)), plan=plan)) for plan in plans)
    for one, two in zip(here, there, strict=True):
        assert torch.equal(one.images, two.images)
        assert one.truths == two.truths


@pytest.mark.parametrize("module", [coco, yolo])
def test_written_and_read_back(module, tmp_path, same):
    data = open_dataset("shapes:number=8,size=64,seed=9,min_objects=0", split="train")
    module.write(data, tmp_path)
    same(module.read(tmp_path, "train"), data)


def test_written_as_voc(tmp_path):
    data = shapes.shapes(3, 64, 9)
    voc.write(data, tmp_path)
    again = voc.read(tmp_path, None)
    for i in range(3):
        assert torch.equal(again.image(i), data.image(i))
        assert torch.equal(again.truth(i).class_map(), data.truth(i).class_map())
        assert len(again.truth(i)) == len(data.truth(i)) + 1

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from pixelwise import Classes
from pixelwise.data.formats import cityscapes, coco_panoptic
from pixelwise.data.opening import open_dataset

PLACES = (("train", "aachen"), ("train", "bochum"), ("val", "lindau"))


@pytest.fixture
def root(tmp_path, photo):
    """Three images in three cities: road 7, sky 23, a car 26000, a second 26001, a group of persons 24, void 4."""
    for k, (split, city) in enumerate(PLACES):
        name = f"{city}_00000{k}_000019"
        ids = np.full((12, 16), 7, np.uint16)
        ids[:4], ids[5:7, :3], ids[5:7, 8 : 10 + k], ids[8, :5], ids[10:] = 23, 26000, 26001, 24, 4
        labels = np.where(ids < 1000, ids, ids // 1000).astype(np.uint8)
        files = {
            f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png": np.roll(photo, k, 1),
            f"gtFine/{split}/{city}/{name}_gtFine_instanceIds.png": ids,
            f"gtFine/{split}/{city}/{name}_gtFine_labelIds.png": labels,
            f"gtFine/{split}/{city}/{name}_gtFine_color.png": np.roll(photo, k, 0),
        }
        for file, pixels in files.items():
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(tmp_path / file), pixels)
    return tmp_path


def without(root, kind):
    for file in root.rglob(f"*_{kind}.png"):
        file.unlink()
    return root


def test_panoptic_truth(root):
    data = open_dataset(root, split="train")
    assert (data.format, len(data), data.has_instances) == ("cityscapes", 2, True)
    assert cityscapes.available(root) == ("train", "val")
    names = data.classes.names
    assert [name for name, thing in zip(names, data.classes.things, strict=True) if thing] == list(names[11:])
    truth = data[0].truth
    assert [names[k] for k in truth.labels] == ["road", "sky", "person", "car", "car"]
    assert truth.crowd.tolist() == [False, False, True, False, False]
    assert truth.areas().tolist() == [192 - 64 - 5 - 6 - 4 - 32, 64, 5, 6, 4]
    assert int((truth.ids == 0).sum()) == 32, "static is void"
    assert data.records[1].name == "leftImg8bit/train/bochum/bochum_000001_000019_leftImg8bit"


def test_semantic_truth_without_instance_ids(root):
    panoptic = open_dataset(root, split="val").truth(0).class_map()
    data = open_dataset(without(root, "instanceIds"), split="val")
    assert not data.has_instances
    assert not any(data.classes.things)
    assert (data.truth(0).class_map() == panoptic).all()
    for file in root.rglob("*_labelIds.png"):
        labels = cv2.imread(str(file), -1)
        train = np.full_like(labels, 255)
        for k, label in enumerate(cityscapes.LABELS):
            train[labels == label] = k
        cv2.imwrite(str(file).replace("labelIds", "labelTrainIds"), train)
        file.unlink()
    assert (open_dataset(root, split="val").truth(0).class_map() == panoptic).all()


def test_round_trip(root, tmp_path, same):
    for split in ("train", "val"):
        data = open_dataset(root, split=split)
        cityscapes.write(data, tmp_path / "out")
        same(open_dataset(tmp_path / "out", split=split), data)
    for file in (root / "leftImg8bit").rglob("*.png"):
        assert (tmp_path / "out" / file.relative_to(root)).is_file()
    for file in (root / "gtFine").rglob("*Ids.png"):
        ours, theirs = (cv2.imread(str(place), -1) for place in (tmp_path / "out" / file.relative_to(root), file))
        assert (ours == np.where(theirs == 4, 0, theirs)).all()


def test_round_trip_of_classes_alone(root, tmp_path, same):
    data = open_dataset(without(root, "instanceIds"), split="val")
    cityscapes.write(data, tmp_path / "out")
    same(open_dataset(tmp_path / "out", split="val"), data)
    assert not list((tmp_path / "out").rglob("*instanceIds.png"))


def test_through_coco_panoptic(root, tmp_path, same):
    data = open_dataset(root, split="train")
    coco_panoptic.write(data, tmp_path / "coco")
    again = open_dataset(tmp_path / "coco", split="train")
    same(again, data)
    cityscapes.write(again, tmp_path / "back")
    same(open_dataset(tmp_path / "back", split="train"), data)


def test_chosen_classes(root):
    data = open_dataset(root, split="train", classes="car,road")
    assert data.classes.things == (True, False)
    assert [data.classes.names[k] for k in data.truth(0).labels] == ["road", "car", "car"]
    assert open_dataset(root, split="train", classes=data.classes).truth(0) == data.truth(0)
    with pytest.raises(ValueError, match="no class 'cars'; did you mean 'car'"):
        cityscapes.read(root, "train", classes="cars")
    with pytest.raises(ValueError, match="leave --void and --colors out"):
        cityscapes.read(root, "train", void=0)


def test_what_is_missing(root, tmp_path, shapes):
    next(root.rglob("aachen*_instanceIds.png")).unlink()
    with pytest.raises(ValueError, match="1 image has no mask: .*aachen_000000_000019_leftImg8bit.png"):
        open_dataset(root, split="train")
    with pytest.raises(ValueError, match="no split 'test'; there are: train, val"):
        cityscapes.read(root, "test")
    for kind in ("instanceIds", "labelIds"):
        without(root, kind)
    with pytest.raises(ValueError, match=r"gtFine holds no map for aachen.*: wanted NAME_gtFine_instanceIds.png"):
        cityscapes.read(root, "train")
    with pytest.raises(ValueError, match="wanted the folders leftImg8bit and gtFine"):
        cityscapes.read(root / "gtFine", None)
    with pytest.raises(ValueError, match="no class 'nothing'.*write coco-panoptic"):
        cityscapes.write(shapes(tmp_path, "ids"), tmp_path / "out")


def test_numbers_that_are_none_of_theirs(root):
    data = cityscapes.read(root, "val")
    path = data.records[0].mask
    cv2.imwrite(str(path), np.array([[65535, 99, 34, 0, 33999, 40000]], np.uint16))
    truth = data.truth(0)
    assert truth.ids.tolist() == [[0, 0, 0, 0, 1, 0]]
    assert truth.labels.tolist() == [18]
    cv2.imwrite(str(path), np.zeros((1, 3), np.uint16))
    assert len(data.truth(0)) == 0
    cv2.imwrite(str(path), np.arange(9, dtype=np.uint8).reshape(1, 3, 3))
    with pytest.raises(ValueError, match="is in colours"):
        data.truth(0)


def test_more_objects_than_numbers(root, tmp_path):
    data = cityscapes.read(root, "val", classes="car")
    cv2.imwrite(str(data.records[0].mask), (26000 + np.arange(1000, dtype=np.uint16)).reshape(20, 50))
    assert len(data.truth(0)) == 1000
    cityscapes.write(data, tmp_path / "out")
    more = replace(data, classes=Classes(("car",), things=(True,)), truths=lambda record: _many(data))
    with pytest.raises(ValueError, match="more than 1000 objects of car"):
        cityscapes.write(more, tmp_path / "more")


def _many(data):
    import torch

    from pixelwise import Segmentation

    ids = torch.arange(1, 1002, dtype=torch.int32).reshape(7, 143)
    return Segmentation(data.classes, torch.zeros(1001, dtype=torch.int64), ids=ids)


def test_polygons_alone_are_told(save, tmp_path, photo):
    save("leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png", photo)
    file = tmp_path / "gtFine" / "train" / "aachen" / "aachen_000000_000019_gtFine_polygons.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    with pytest.raises(ValueError, match=r"polygons in JSON, but no maps.*labelIds\.png"):
        open_dataset(tmp_path)

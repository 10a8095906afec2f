"""What training data cannot teach is said before training, and the limit of detections follows from the data."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import pixelwise
from pixelwise.classes import Classes
from pixelwise.data.dataset import Dataset, Record
from pixelwise.models.base import SemanticModel, SemanticOutputs
from pixelwise.segmentation import Segmentation
from pixelwise.training.preparation import data_check
from pixelwise.training.preparation.data_check import (
    check_ground_truth,
    max_detections_for,
    read_ground_truth,
    set_max_detections,
    warnings_of,
)
from pixelwise.training.recipe import Machine, Recipe
from pixelwise.training.run import train

CLASSES = Classes(("background", "leaf", "stem"), things=(False, True, True), background=0)


def objects(labels: list[int], crowd: list[bool] | None = None) -> Segmentation:
    masks = torch.zeros(len(labels), 8, 8, dtype=torch.bool)
    for k in range(len(labels)):
        masks[k, k % 8] = True
    return Segmentation(
        CLASSES,
        torch.tensor(labels, dtype=torch.int64),
        masks=masks,
        crowd=torch.tensor(crowd, dtype=torch.bool) if crowd else None,
    )


def dataset(truths: list[Segmentation]) -> Dataset:
    records = tuple(Record(str(k), Path(f"{k}.png"), None, b"") for k in range(len(truths)))
    return Dataset(truths[0].classes, records, "train", "coco", (), lambda record: truths[int(record.name)])


def class_maps(*values: int) -> Dataset:
    maps = [torch.full((4, 4), value, dtype=torch.uint8) for value in values]
    return dataset([Segmentation.from_class_map(one, CLASSES) for one in maps])


def test_objects_and_crowds_are_counted():
    seen = read_ground_truth(dataset([objects([1, 1, 2], [False, True, False]), objects([1])]), "instance")
    assert (seen.objects, seen.crowds, seen.max_objects) == (3, 1, 2)
    assert seen.holds.tolist() == [False, True, True]


def test_only_crowds_are_refused_for_objects():
    crowds = read_ground_truth(dataset([objects([1, 2], [True, True])]), "instance")
    with pytest.raises(ValueError, match="all 2 annotations are crowds.*CVAT"):
        check_ground_truth("leaves", CLASSES.names, "instance", crowds)
    nothing = read_ground_truth(dataset([objects([])]), "instance")
    with pytest.raises(ValueError, match="no object in any of the 1 images"):
        check_ground_truth("leaves", CLASSES.names, "instance", nothing)
    check_ground_truth("leaves", CLASSES.names, "semantic", nothing)


def test_mostly_crowds_are_warned_of():
    seen = read_ground_truth(dataset([objects([1, 2, 2], [True, False, True])]), "instance")
    (warning,) = [text for text in warnings_of(CLASSES, "instance", seen, seen) if "crowds" in text]
    assert "2 of 3 training annotations are crowds" in warning


@pytest.mark.parametrize("task", ["semantic", "instance"])
def test_a_class_without_a_training_image_is_named(task):
    data = class_maps(0, 1) if task == "semantic" else dataset([objects([1])])
    seen = read_ground_truth(data, task)
    (warning,) = warnings_of(CLASSES, task, seen, seen)
    assert "holds stem: it cannot be learnt" in warning


def test_background_alone_is_warned_of():
    (warning,) = warnings_of(CLASSES, "semantic", read_ground_truth(class_maps(0, 0), "semantic"), None)
    assert "is background alone: nothing can be learnt" in warning


def test_nothing_is_said_of_good_data():
    assert warnings_of(CLASSES, "semantic", read_ground_truth(class_maps(0, 1, 2), "semantic"), None) == []


def test_a_part_of_many_images_is_read_and_said_so(monkeypatch):
    monkeypatch.setattr(data_check, "MAX_IMAGES", 3)
    seen = read_ground_truth(class_maps(*[0, 1] * 5), "semantic")
    assert (seen.images, seen.total) == (3, 10)
    assert "of the 3 that were looked at, out of 10," in warnings_of(CLASSES, "semantic", seen, None)[0]


def test_reading_ends_once_all_classes_are_seen(monkeypatch):
    monkeypatch.setattr(data_check, "AT_ONCE", 2)
    assert read_ground_truth(class_maps(0, 1, 2, 0, 0, 0, 0, 0), "semantic").images == 4


def test_validation_without_an_object_has_no_score():
    trained = read_ground_truth(dataset([objects([1, 2])]), "instance")
    validated = read_ground_truth(dataset([objects([1], [True])]), "instance")
    (warning,) = warnings_of(CLASSES, "instance", trained, validated)
    assert "no validation image has an object (1 crowd, which do not count)" in warning


@pytest.mark.parametrize(("most", "limit"), [(0, 100), (66, 100), (67, 150), (240, 400), (2281, 3450)])
def test_the_limit_is_half_as_many_again(most, limit):
    assert max_detections_for(most) == limit


def test_the_limit_of_the_model_follows_from_the_data(tmp_path):
    trained = read_ground_truth(dataset([objects([1] * 90)]), "instance")
    validated = read_ground_truth(dataset([objects([1] * 120)]), "instance")
    model = pixelwise.create("solov2", classes=CLASSES, backbone="resnet10t", pretrained=False)
    (note,) = set_max_detections(model, None, trained, validated)
    assert model.max_detections == 200
    assert note == "at most 200 detections in an image, as an image of the data has 120 (--max-detections)"
    pixelwise.save(model, tmp_path / "model.safetensors")
    assert pixelwise.load(tmp_path / "model.safetensors").max_detections == 200
    assert set_max_detections(model, 60, trained, validated)[0].startswith("warning: an image has 120 objects")
    assert model.max_detections == 60


def test_a_limit_is_refused_where_there_are_no_detections():
    seen = read_ground_truth(class_maps(0, 1, 2), "semantic")
    model = pixelwise.create("unet_padded", classes=CLASSES)
    assert set_max_detections(model, None, seen, None) == []
    with pytest.raises(ValueError, match="finds no objects"):
        set_max_detections(model, 5, seen, None)


class Deep(SemanticModel):
    """Batch normalisation on a map of a single pixel."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.conv = torch.nn.Conv2d(3, num_classes, 1)
        self.norm = torch.nn.BatchNorm2d(num_classes)

    def forward(self, images: torch.Tensor) -> SemanticOutputs:
        pooled = self.norm(self.conv(images.mean((2, 3), keepdim=True)))
        return SemanticOutputs(pooled.expand(-1, -1, *images.shape[2:]))


def masks_in(folder: Path) -> Path:
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
        for k in range(2):
            mask = np.zeros((32, 32), np.uint8)
            mask[8 : 12 + k] = 1
            cv2.imwrite(str(folder / "images" / split / f"{k}.png"), np.full((32, 32, 3), 90 + k, np.uint8))
            cv2.imwrite(str(folder / "masks" / split / f"{k}.png"), mask)
    return folder


def test_one_value_of_batch_normalisation_is_explained(tmp_path, monkeypatch):
    from pixelwise.models import MODELS

    monkeypatch.setitem(MODELS, "deep", Deep)
    recipe = Recipe(
        str(masks_in(tmp_path / "data")), classes=("background", "bar"), model="deep", batch=1, epochs=1, imgsz=32
    )
    machine = Machine(device="cpu", precision="fp32", workers=0, loggers=())
    with pytest.raises(ValueError, match=r"1 crop of 32x32 pixels is a single.*--imgsz or --batch.*--norm frozen"):
        train(recipe, machine=machine, out=tmp_path / "run", progress=False)


def coco(folder: Path) -> Path:
    """Objects to train on, crowds alone to validate on."""
    for split in ("train", "val"):
        (folder / split).mkdir(parents=True)
        cv2.imwrite(str(folder / split / "a.png"), np.zeros((64, 64, 3), np.uint8))
        crowd = int(split == "val")
        annotation = {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "iscrowd": crowd,
            "area": 900,
            "bbox": [10, 10, 30, 30],
            "segmentation": {"size": [64, 64], "counts": [650, 900, 2546]}
            if crowd
            else [[10, 10, 40, 10, 40, 40, 10, 40]],
        }
        record = {
            "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 64}],
            "annotations": [annotation],
            "categories": [{"id": 1, "name": "leaf"}],
        }
        (folder / split / "_annotations.coco.json").write_text(json.dumps(record))
    return folder


@pytest.mark.slow
def test_a_run_without_a_score_keeps_the_last_weights(tmp_path):
    recipe = Recipe(
        str(coco(tmp_path / "data")), model="mask_rcnn", batch=1, epochs=1, imgsz=64, arguments={"width": 16},
        max_detections=130,
    )  # fmt: skip
    done = train(recipe, machine=Machine(device="cpu", workers=0, loggers=()), out=tmp_path / "run", progress=False)
    assert not done.best.exists()
    assert pixelwise.load(tmp_path / "run").max_detections == 130
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "no validation image has an object" in log
    assert "at most 130 detections in an image, as stated" in log

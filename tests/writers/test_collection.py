from __future__ import annotations

import json

import torch
import yaml

from pixelwise.classes import Classes
from pixelwise.segmentation import Segmentation
from pixelwise.writers.collection import Collection

CELLS = Classes(("background", "cell"), background=0)


def test_each_format_has_one_file_for_all_images(tmp_path):
    result = Segmentation(CELLS, torch.tensor([1]), masks=torch.ones(1, 2, 3, dtype=torch.bool))
    collected = Collection(CELLS, ("overlay", "coco", "coco-panoptic", "table", "yolo"), tmp_path)
    for name in ("a.png", "b/c.jpg"):
        collected.add(name, result)
    collected.write()
    assert {path.name for path in tmp_path.iterdir()} == {
        "coco.json",
        "coco-panoptic",
        "coco-panoptic.json",
        "table.csv",
        "yolo",
    }
    images = json.loads((tmp_path / "coco.json").read_text("utf-8"))["images"]
    assert [image["file_name"] for image in images] == ["a.png", "b/c.jpg"]
    lines = (tmp_path / "table.csv").read_text("utf-8").splitlines()
    assert [line.split(",")[0] for line in lines] == ["image", "a.png", "b/c.jpg"]
    assert yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_text("utf-8"))["names"] == {0: "cell"}


def test_nothing_is_written_that_nobody_wants(tmp_path):
    Collection(CELLS, ("overlay", "class-map", "label-map"), tmp_path).write()
    assert list(tmp_path.iterdir()) == []

from __future__ import annotations

import json

import numpy as np
import pytest

from pixelwise.data.opening import open_dataset


def save_map(save, photo, name="ADE_train_1", split="training"):
    """Two objects of class 3 * 256 + 208 and one of class 7 * 256 + 39."""
    pixels = np.zeros((12, 16, 3), np.uint8)
    pixels[:3] = (30, 208, 85)
    pixels[3:5] = (30, 208, 170)
    pixels[5:6] = (70, 39, 255)
    save(f"{split}/{name}.jpg", photo)
    return save(f"{split}/{name}_seg.png", pixels)


def test_classes_and_objects(save, tmp_path, photo):
    save_map(save, photo)
    data = open_dataset(tmp_path, split="train")
    assert data.format == "ade-full"
    assert data.classes.names == ("unlabeled", "class 976", "class 1831")
    truth = data.truth(0)
    assert dict(zip(truth.areas().tolist(), truth.labels.tolist(), strict=True)) == {96: 0, 48: 1, 32: 1, 16: 2}


def test_names_beside_the_image_and_chosen_classes(save, tmp_path, photo):
    file = save_map(save, photo)
    objects = [{"name_ndx": 976, "name": "wall"}, {"name_ndx": 1831, "name": "sky, blue"}]
    beside = file.with_name("ADE_train_1.json")
    beside.write_text(json.dumps({"annotation": {"object": objects}}))
    assert open_dataset(tmp_path).classes.names == ("unlabeled", "wall", "sky, blue")
    data = open_dataset(tmp_path, classes=["sky, blue"])
    assert data.classes.names == ("unlabeled", "sky, blue")
    assert sorted(data.truth(0).areas().tolist()) == [16, 176]
    with pytest.raises(ValueError, match="no class 'wal'; did you mean 'wall'"):
        open_dataset(tmp_path, classes=["wal"])
    beside.write_text("{}")
    with pytest.raises(ValueError, match="should list the objects"):
        open_dataset(tmp_path)


def test_other_colours_are_no_full_encoding(save, tmp_path, photo):
    save("ADE_train_1.jpg", photo)
    save("ADE_train_1_seg.png", photo // 200 * 64 + 1)
    assert open_dataset(tmp_path).format == "mask-folder"

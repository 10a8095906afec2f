"""Roboflow's exports, which are read by the formats that they follow."""

from __future__ import annotations

import numpy as np
import pytest

from pixelwise.data.opening import open_dataset


def masks(save, tmp_path, photo, **rows):
    for split, names in rows.items():
        save(f"{split}/p_jpg.rf.0a.jpg", photo)
        mask = np.zeros((12, 16), np.uint8)
        mask[:2] = 3
        save(f"{split}/p_jpg.rf.0a_mask.png", mask)
        lines = [f"{value}, {name}" for value, name in enumerate(names)]
        (tmp_path / split / "_classes.csv").write_text("Pixel Value, Class\n" + "\n".join(lines) + "\n")


def test_classes_of_masks(save, tmp_path, photo):
    names = ("background", "crack", "rust", "weld")
    masks(save, tmp_path, photo, train=names, valid=names)
    data = open_dataset(tmp_path, split="val")
    assert data.classes.names == names
    assert data.truth(0).areas().tolist() == [160, 32]


def test_splits_that_name_different_classes(save, tmp_path, photo):
    masks(save, tmp_path, photo, train=("background", "a", "b", "c"), valid=("background", "b", "a", "c"))
    with pytest.raises(ValueError, match="name different classes"):
        open_dataset(tmp_path)


def test_yolo_with_a_test_split_that_is_not_there(save, tmp_path, photo):
    for split in ("train", "valid"):
        label = tmp_path / split / "labels" / "p.txt"
        save(f"{split}/images/p.jpg", photo)
        label.parent.mkdir()
        label.write_text("1 0 0 0.5 0 0.5 0.5\n")
    file = tmp_path / "data.yaml"
    file.write_text(
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnames: ['leaf', 'stem, dry']\n"
    )
    data = open_dataset(tmp_path, split="val")
    assert data.classes.names == ("background", "leaf", "stem, dry")
    assert len(data.truth(0)) == 1
    assert any("../test/images, which is not there" in note for note in data.notes)
    file.write_text("train: ../train/images\nval: ../none/images\nnames: ['leaf', 'stem, dry']\n")
    with pytest.raises(ValueError, match="val is '../none/images'"):
        open_dataset(tmp_path)

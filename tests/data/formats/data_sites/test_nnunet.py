from __future__ import annotations

import json

import numpy as np
import pytest

from pixelwise.data.opening import open_dataset


@pytest.fixture
def make(save, tmp_path, photo):
    def make(channels=1, names=("c_001", "c_002", "c_003"), **content):
        for name in names:
            for channel in range(channels):
                save(f"imagesTr/{name}_{channel:04d}.png", photo[..., channel % 3])
            save(f"labelsTr/{name}.png", (np.arange(12 * 16).reshape(12, 16) % 4).astype(np.uint8))
        labels = {"background": 0, "wall": 1, "core": 2, "ignore": 3}
        (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels, "file_ending": ".png"} | content))

    return make


@pytest.mark.parametrize("labels", [None, {"0": "background", "1": "wall", "2": "core", "3": "ignore"}])
def test_labels_are_named_and_ignore_is_void(make, tmp_path, labels):
    make(**{"labels": labels} if labels else {})
    data = open_dataset(tmp_path, split=None)
    assert data.format == "nnunet"
    assert data.classes.names == ("background", "wall", "core")
    assert [record.name for record in data.records] == ["c_001", "c_002", "c_003"]
    assert data.truth(0).areas().tolist() == [48, 48, 48]
    assert len(open_dataset(tmp_path, split="train")) + len(open_dataset(tmp_path, split="val")) == 3


def test_three_channel_files_are_red_green_and_blue(make, tmp_path, photo):
    make(channels=3)
    assert np.array_equal(open_dataset(tmp_path, split=None).image(1).permute(1, 2, 0).numpy(), photo)


def test_the_test_images_count_if_they_have_labels(make, save, tmp_path, photo):
    make()
    save("imagesTs/t_1_0000.png", photo)
    assert any("imagesTs has no labels" in note for note in open_dataset(tmp_path).notes)
    save("labelsTs/t_1.png", np.ones((12, 16), np.uint8))
    assert [record.name for record in open_dataset(tmp_path, split="test").records] == ["t_1"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"channels": 2}, "have 2 channel files"),
        ({"channels": 4}, "have 4 channel files"),
        ({"labels": {"background": 0, "whole": [1, 2]}}, "whole is a region"),
        ({"labels": {"background": 0, "x": "y"}}, "wanted a number"),
        ({"labels": []}, "has no labels"),
        ({"file_ending": ".nii.gz"}, "volumes perhaps"),
    ],
)
def test_what_is_refused(make, tmp_path, content, what):
    make(**content)
    with pytest.raises(ValueError, match=what):
        open_dataset(tmp_path)


def test_labels_that_are_missing(make, tmp_path):
    make()
    (tmp_path / "labelsTr" / "c_002.png").unlink()
    with pytest.raises(ValueError, match=r"lacks the labels of c_002\.png"):
        open_dataset(tmp_path)

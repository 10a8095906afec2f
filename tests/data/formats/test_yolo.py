from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from pixelwise import open_dataset
from pixelwise.data.formats import coco, label_map, yolo

SQUARE = "0 0.125 0.25 0.375 0.25 0.375 0.75 0.125 0.75"  # of 16x12: columns 2 to 5, rows 3 to 8


@pytest.fixture
def folder(save, photo, tmp_path):
    """Writes a data set of one image of 16x12 with the lines of its label, and `data.yaml`."""

    def folder(*lines, label="labels/a.txt", image="images/a.png", **said):
        save(image, photo)
        said = {"train": "images", "names": {0: "cat", 1: "dog"}, **said}
        (tmp_path / label).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / label).write_text("\n".join(lines))
        (tmp_path / "data.yaml").write_text(yaml.safe_dump({k: v for k, v in said.items() if v is not None}))
        return tmp_path

    return folder


def test_the_same_annotations_as_coco_and_as_yolo(trial_data):
    """704 objects: masks differ by rounding alone. Crowds and separate parts, which YOLO has not, there are none of."""
    root = trial_data("coco128")
    theirs = coco.read(root, None)
    ours = yolo.read(root, None, classes=theirs.classes.names[1:])
    assert ours.classes == theirs.classes
    assert [record.name for record in ours.records] == [record.name for record in theirs.records]
    overlaps = []
    for i in range(len(ours)):
        found, truth = ours.truth(i), theirs.truth(i)
        assert found.labels.tolist() == truth.labels.tolist()
        for n in range(len(found)):
            one, two = found.mask(n), truth.mask(n)
            overlaps.append(float((one & two).sum()) / max(1, int((one | two).sum())))
    assert len(overlaps) == 704
    assert min(overlaps) > 0.95
    assert np.mean(overlaps) > 0.998


def test_round_trip_of_real_photos(trial_data, tmp_path, same):
    for split in ("train", "val"):
        data = coco.read(trial_data("coco128"), split)
        data = replace(data, records=data.records[:6])
        yolo.write(data, tmp_path)
        same(yolo.read(tmp_path, split), data)
    assert yolo.available(tmp_path) == ("train", "val")
    assert len(open_dataset(tmp_path, split=None)) == 12


def test_round_trip_of_holes_and_of_parts(shapes, tmp_path, same):
    """Each disc has another disc's hole in it or not; crowds, which cannot be told, are left out."""
    data = shapes(tmp_path, "masks")
    with (
        pytest.warns(UserWarning, match=r"^1 object without a pixel, or a crowd, is left out .* first in \S+p\d\.txt$"),
        pytest.warns(
            UserWarning, match=r"^\d objects of several parts, or with holes, are one polygon in YOLO's texts"
        ),
    ):
        yolo.write(data, tmp_path / "out")
    again = yolo.read(tmp_path / "out", "train")
    assert again.classes == data.classes
    assert [len(again.truth(i)) for i in range(3)] == [1, 2, 2]
    for i in range(3):
        assert again.truth(i) == data.truth(i).select(~data.truth(i).crowd)


def test_label_maps_become_objects(nuclei_sample, tmp_path):
    data = label_map.read(nuclei_sample, "val")
    data = replace(data, records=data.records[:2], split=None)
    yolo.write(data, tmp_path)
    again = yolo.read(tmp_path, "train")
    assert again.classes == data.classes
    for i in range(2):
        assert torch.equal(again.truth(i).class_map(), data.truth(i).class_map())
        assert len(again.truth(i)) == len(data.truth(i)) - 1


def test_classes_without_a_background(save, photo, tmp_path):
    save("in/images/a.png", photo)
    save("in/masks/a.png", photo[..., 0] % 3)
    data = open_dataset(tmp_path / "in", split=None, classes="sky,road,tree")
    yolo.write(data, tmp_path / "out")
    again = yolo.read(tmp_path / "out", None)
    assert again.classes == data.classes
    assert torch.equal(again.truth(0).class_map(), data.truth(0).class_map())


def test_the_format_as_its_documentation_shows_it(folder):
    path = folder(SQUARE, "1 0 0 1 0 1 1", "", "0 0.5 0.5 0.5 0.5 0.5 0.5")
    data = open_dataset(path, split="train")
    assert data.format == "yolo"
    assert data.classes.names == ("background", "cat", "dog")
    assert data.classes.things == (False, True, True)
    assert data.notes[0] == "YOLO polygons of data.yaml, 2 classes"
    truth = data.truth(0)
    assert truth.labels.tolist() == [1, 2, 1]
    assert truth.areas().tolist()[::2] == [24, 0]
    assert truth.boxes()[0].tolist() == [2, 3, 6, 9]
    assert data[0].name == "images/a"


def test_chosen_classes(folder):
    path = folder(SQUARE, "1 0 0 1 0 1 1")
    data = yolo.read(path, None, classes="dog")
    assert data.classes.names == ("background", "dog")
    assert data.truth(0).labels.tolist() == [1]
    assert data.notes[-1] == "objects of cat are left out: they are not among the classes"
    assert yolo.read(path, None, classes="nothing,dog,cat").truth(0).labels.tolist() == [2, 1]
    with pytest.raises(ValueError, match=r"data\.yaml has no category 'dgo'; did you mean 'dog'"):
        yolo.read(path, None, classes="dgo")
    with pytest.raises(ValueError, match="leave --void and --colors out"):
        yolo.read(path, None, void=3)


def test_images_without_objects(folder, save, photo):
    path = folder("", "  ")
    save("images/b.png", photo)
    data = yolo.read(path, None)
    assert data.notes[-1] == "1 image has no label and so no objects: images/b"
    for i in range(2):
        truth = data[i].truth
        assert len(truth) == 0
        assert truth.class_map().sum() == 0


def test_many_objects_in_one_image(folder):
    truth = yolo.read(folder(*[SQUARE] * 500), None).truth(0)
    assert len(truth) == 500
    assert truth.areas().unique().tolist() == [24]


def test_a_photo_that_its_camera_turned(folder, photo, tmp_path):
    path = folder(SQUARE)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo).save(tmp_path / "images" / "a.png", exif=exif)
    sample = yolo.read(path, None)[0]
    assert sample.size == (16, 12)
    assert sample.truth.boxes()[0, 1::2].tolist() == [4, 12]
    assert sample.truth.areas().tolist() == [24]


LINES = {
    "an unknown class": ("2 0 0 1 0 1 1", "there is no class 2: they are numbered 0 to 1"),
    "a negative class": ("-1 0 0 1 0 1 1", "it begins with '-1': wanted the number of a class"),
    "a class in words": ("cat 0 0 1 0 1 1", "it begins with 'cat'"),
    "a class of fractions": ("0.5 0 0 1 0 1 1", r"it begins with '0\.5'"),
    "an endless number": ("9" * 5000 + " 0 0 1 0 1 1", "it begins with '99999999999999999999': wanted"),
    "an odd number": ("0 0 0 1 0 1 1 1", "it has 7 coordinates: a polygon has x and y of three corners"),
    "nothing": ("0", "it has 0 coordinates"),
    "a point": ("0 0.5 0.5", "it has 2 coordinates"),
    "a box": ("0 0.5 0.5 0.2 0.2", r"it is a box \(x y width height\) and no polygon"),
    "pixels": ("0 2 3 6 3 6 8", "a coordinate is 2: they are shares of width and height"),
    "below zero": ("0 -0.1 0 1 0 1 1", r"a coordinate is -0\.1: they are shares"),
    "no number": ("0 nan 0 1 0 1 1", "a coordinate is nan"),
    "endless": ("0 inf 0 1 0 1 1", "a coordinate is inf"),
    "words": ("0 a 0 1 0 1 1", "could not convert string to float: 'a': wanted coordinates"),
    "commas": ("0,0,0,1,0,1,1", "it begins with '0,0,0,1,0,1,1'"),
}


@pytest.mark.parametrize("case", LINES)
def test_what_a_line_has_wrong_is_named(folder, case):
    line, what = LINES[case]
    data = yolo.read(folder(SQUARE, line), None)
    with pytest.raises(ValueError, match=rf"labels/a\.txt, line 2: .*{what}"):
        data.truth(0)


def test_bytes_that_are_no_text(folder, tmp_path):
    path = folder(SQUARE)
    (tmp_path / "labels" / "a.txt").write_bytes(bytes(range(128, 256)))
    with pytest.raises(ValueError, match="line 1: it begins with"):
        yolo.read(path, None).truth(0)


def test_labels_of_mask_values_are_not_taken_for_yolo(save, photo, tmp_path):
    save("images/a.png", photo)
    save("labels/a.png", photo[..., 0] % 2)
    (tmp_path / "labels" / "about.txt").write_text("made by hand in 2021\n")
    assert yolo.detect(tmp_path) is None
    assert open_dataset(tmp_path, split=None).format == "mask-folder"
    (tmp_path / "instances.json").write_text(json.dumps({}))
    assert yolo.detect(tmp_path / "instances.json") is None

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from pixelwise import Classes
from pixelwise.data.formats import coco, label_map, mask_folder, voc
from pixelwise.data.instance_truth import as_objects

PALETTE = [value for color in voc.voc_palette() for value in color]


@pytest.fixture
def folder(save, photo, tmp_path):
    """Two images as in the challenge: a cat (8) and two people (15), with a border of void."""
    classes = np.zeros((12, 16), np.uint8)
    objects = np.zeros((12, 16), np.uint8)
    for number, (label, x) in enumerate([(8, 1), (15, 6), (15, 10)], start=1):
        classes[2:8, x : x + 4] = objects[2:8, x : x + 4] = 255
        classes[3:7, x + 1 : x + 3] = label
        objects[3:7, x + 1 : x + 3] = number
    for name in ("2007_000032", "2007_000039"):
        save(f"JPEGImages/{name}.jpg", photo)
        save(f"SegmentationClass/{name}.png", classes, palette=PALETTE)
        save(f"SegmentationObject/{name}.png", objects, palette=PALETTE)
    save("JPEGImages/2007_000001.jpg", photo)  # most of VOC's images have no masks
    sets = tmp_path / "ImageSets" / "Segmentation"
    sets.mkdir(parents=True)
    (sets / "train.txt").write_text("2007_000032\n")
    (sets / "val.txt").write_text("2007_000039\n")
    (sets / "trainval.txt").write_text("2007_000032\n2007_000039\n")
    return tmp_path


def test_the_colours_of_the_development_kit():
    published = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128)]
    assert voc.voc_palette()[:7] == published
    assert voc.voc_palette()[20] == (0, 64, 128)
    assert voc.voc_palette()[255] == (224, 224, 192)


def test_classes_and_objects(folder):
    data = voc.read(folder, "train")
    assert data.classes.names == voc.NAMES
    assert data.classes.colors[15] == (192, 128, 128)
    assert "no file names others" in " ".join(data.notes)
    sample = data[0]
    assert sample.name == "JPEGImages/2007_000032"
    assert [data.classes.names[k] for k in sample.truth.labels] == ["background", "cat", "person", "person"]
    assert sample.truth.areas().tolist() == [192 - 72, 8, 8, 8]
    assert int((sample.truth.class_map() == 255).sum()) == 48


def test_objects_of_the_challenge(folder):
    """The border, 255, belongs to no object; what is no object mask's, but a thing's, is a crowd."""
    truth = as_objects(voc.read(folder, "train")).truth(0)
    assert [voc.NAMES[k] for k in truth.labels] == ["cat", "person", "person"]
    assert truth.boxes().tolist() == [[2, 3, 4, 7], [7, 3, 9, 7], [11, 3, 13, 7]]
    assert not truth.crowd.any()
    assert int(truth.class_map().sum()) == 8 * (8 + 15 + 15)
    path = folder / "SegmentationObject" / "2007_000032.png"
    objects = Image.open(path)
    objects.paste(0, (7, 3, 13, 7))
    objects.save(path)
    truth = as_objects(voc.read(folder, "train")).truth(0)
    assert [voc.NAMES[k] for k in truth.labels] == ["person", "cat"]
    assert truth.crowd.tolist() == [True, False]
    assert truth.areas().tolist() == [16, 8]


def test_splits(folder):
    assert voc.available(folder) == ("train", "val", "trainval")
    assert len(voc.read(folder, "trainval")) == len(voc.read(folder, None)) == 2
    with pytest.raises(ValueError, match="no split 'test'; there are: train, val, trainval"):
        voc.read(folder, "test")
    (folder / "ImageSets" / "Segmentation" / "val.txt").write_text("../../etc/passwd\n2007_000001\n")
    with pytest.raises(
        ValueError, match=r"no image in JPEGImages or no mask in SegmentationClass: \.\./\.\./etc/passwd, 2007"
    ):
        voc.read(folder, "val")


def test_class_masks_alone(folder):
    for path in (folder / "SegmentationObject").iterdir():
        path.unlink()
    (folder / "SegmentationObject").rmdir()
    data = voc.read(folder, "train")
    assert data.truth(0).labels.tolist() == [0, 8, 15]
    assert not any(data.classes.things)


def test_names_beside_the_data(folder):
    (folder / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nnothing:0,0,0::\ncat:64,0,0::\nhuman:192,128,128::\nvoid:224,224,192::\n"
    )
    data = voc.read(folder, "train")
    assert data.classes.names == ("nothing", "cat", "human")
    assert data.truth(0).labels.tolist() == [0, 1, 2, 2]


def test_round_trip(folder, tmp_path, same):
    for split in ("train", "val"):
        voc.write(voc.read(folder, split), tmp_path / "again")
        same(voc.read(tmp_path / "again", split), voc.read(folder, split))
    assert voc.detect(tmp_path / "again") == "JPEGImages and SegmentationClass"


def test_round_trip_of_shapes(shapes, tmp_path, same):
    data = shapes(tmp_path, "ids")
    voc.write(data, tmp_path / "out")
    same(voc.read(tmp_path / "out", "train"), data)


def test_round_trip_of_real_nuclei_and_photos(nuclei_sample, trial_data, tmp_path, same):
    nuclei = label_map.read(nuclei_sample, "val")
    nuclei = replace(nuclei, records=nuclei.records[:2])
    voc.write(nuclei, tmp_path / "nuclei")
    same(voc.read(tmp_path / "nuclei", "val"), nuclei)
    streets = mask_folder.read(trial_data("camvid"), "val", classes=[f"c{k}" for k in range(11)], void=11)
    streets = replace(streets, records=streets.records[:2])
    voc.write(streets, tmp_path / "streets")
    same(voc.read(tmp_path / "streets", "val"), streets)
    photos = coco.read(trial_data("coco128"), "val")
    photos = replace(photos, records=photos.records[:3])
    voc.write(photos, tmp_path / "photos")
    again = voc.read(tmp_path / "photos", "val")
    for i in range(len(photos)):
        assert torch.equal(again.truth(i).class_map(), photos.truth(i).class_map())


def test_too_many_objects(tmp_path, photo, save):
    save("data/images/a.png", np.zeros((20, 20, 3), np.uint8))
    save("data/masks/a.png", np.arange(400, dtype=np.uint16).reshape(20, 20))
    with pytest.raises(ValueError, match="a has 399 objects: a palette PNG holds 254"):
        voc.write(label_map.read(tmp_path / "data", None), tmp_path / "out")


def test_an_object_mask_of_another_size(folder, save):
    save("SegmentationObject/2007_000032.png", np.zeros((3, 3), np.uint8), palette=PALETTE)
    with pytest.raises(ValueError, match="must have the same size"):
        voc.read(folder, "train").truth(0)


def test_nested_folders(folder, tmp_path):
    inner = tmp_path / "outer" / "VOCdevkit" / "VOC2012"
    inner.mkdir(parents=True)
    for name in ("JPEGImages", "SegmentationClass", "SegmentationObject", "ImageSets"):
        (inner / name).symlink_to(folder / name)
    assert len(voc.read(tmp_path / "outer", "train")) == 1
    assert voc.detect(tmp_path / "outer" / "VOCdevkit")


def test_stuff_without_objects_keeps_its_class(shapes, tmp_path, same):
    data = shapes(tmp_path, "ids")
    mixed = Classes(data.classes.names, data.classes.colors, (False, True, False), 0)
    truths = data.truths
    data = replace(data, classes=mixed, truths=lambda record: replace(truths(record), classes=mixed))
    voc.write(data, tmp_path / "out")
    for i in range(3):
        assert torch.equal(voc.read(tmp_path / "out", "train").truth(i).class_map(), data.truth(i).class_map())


LEAF, STEM = (51, 221, 255), (250, 50, 83)


@pytest.fixture
def cvat(save, photo, tmp_path):
    """Write an export of CVAT's Segmentation mask 1.1: two leaves and a stem, in colours of its own."""

    def cvat(name="a", below="", subset="default", listed=()):
        classes = np.zeros((12, 16, 3), np.uint8)
        objects = np.zeros((12, 16, 3), np.uint8)
        objects_drawn = ((LEAF, (128, 0, 0), 0), (LEAF, (0, 128, 0), 4), (STEM, (128, 128, 0), 9))
        for color, number, x in objects_drawn:
            classes[2:7, x : x + 3] = color
            objects[2:7, x : x + 3] = number
        root = tmp_path / below
        save(f"{below}JPEGImages/{name}.jpg", photo)
        save(f"{below}SegmentationClass/{name}.png", classes)
        save(f"{below}SegmentationObject/{name}.png", objects)
        sets = root / "ImageSets" / "Segmentation"
        sets.mkdir(parents=True, exist_ok=True)
        (sets / f"{subset}.txt").write_text("".join(f"{line}\n" for line in (*listed, name)))
        rows = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nleaf:51,221,255::\nstem:250,50,83::\n"
        (root / "labelmap.txt").write_text(rows)
        return root

    return cvat


@pytest.mark.parametrize("name", ["a", "folder/a", "my photo 1"])
def test_colours_of_cvat(cvat, name):
    root = cvat(name)
    data = voc.read(root, None)
    assert data.classes.names == ("background", "leaf", "stem")
    assert data.classes.things == (False, True, True)
    truth = data.truth(0)
    assert truth.areas().tolist() == [192 - 45, 15, 15, 15]
    assert sorted(data.classes.names[k] for k in truth.labels) == ["background", "leaf", "leaf", "stem"]
    assert not truth.crowd.any()
    # The subset of all images is no split.
    assert voc.available(root) == ("train", "val")
    assert len(voc.read(root, "train")) == 1


def test_subsets_of_cvat_in_a_folder_of_their_own(cvat, tmp_path):
    cvat("a", "export/", "Train", ["untouched"])
    cvat("b", "export/", "Validation")
    assert voc.available(tmp_path) == ("train", "val")
    data = voc.read(tmp_path, "train")
    assert [record.name for record in data.records] == ["JPEGImages/a"]
    assert data.notes[-1] == "1 image without a mask left out, as CVAT lists them: untouched"

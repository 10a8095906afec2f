from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
import torch

import pixelwise
from pixelwise.data.opening import FORMATS, available_splits, open_dataset


def test_every_format_has_the_same_functions():
    for module in FORMATS.values():
        assert all(callable(getattr(module, name)) for name in ("detect", "available", "read", "write"))


@pytest.mark.parametrize(
    ("name", "format", "number"),
    [
        ("nuclei", "label-map", (380, 90)),
        ("camvid", "mask-folder", (367, 101)),
        ("membrane", "mask-folder", (19, 5)),
        ("coco128", "coco", (77, 19)),
    ],
)
def test_real_data_are_recognised(trial_data, name, format, number):
    path = trial_data(name)
    assert available_splits(path) == ("train", "val")
    found = [open_dataset(path, split=split) for split in ("train", "val")]
    assert [data.format for data in found] == [format] * 2
    assert tuple(map(len, found)) == number
    assert found[0].classes == found[1].classes
    assert not {record.name for record in found[0].records} & {record.name for record in found[1].records}
    sample = found[1][0]
    assert sample.truth.size == sample.size
    assert len(open_dataset(path, split=None)) == sum(number)


def test_the_bundled_sample_through_the_front_door(nuclei_sample):
    data = pixelwise.open_dataset(nuclei_sample, split="val", classes="background,nucleus")
    assert len(data) == 12
    assert data.classes.names == ("background", "nucleus")
    assert data.classes.things == (False, True)


def test_when_two_formats_fit_the_notes_say_so(nuclei_sample):
    note = open_dataset(nuclei_sample).notes[0]
    assert "fit label-map" in note
    assert "they also fit mask-folder: say --format mask-folder" in note


def test_a_dataset_can_be_sent_to_another_process(nuclei_sample, trial_data):
    for data in (open_dataset(nuclei_sample), open_dataset(trial_data("coco128")), open_dataset(trial_data("camvid"))):
        again = pickle.loads(pickle.dumps(data))
        assert again.classes == data.classes
        assert again.truth(3) == data.truth(3)
        assert torch.equal(again.image(3), data.image(3))


def test_every_format_written_by_one_is_recognised(nuclei_sample, tmp_path):
    data = open_dataset(nuclei_sample, split="val")
    data = replace(data, records=data.records[:3])
    for name, module in FORMATS.items():
        if name == "cityscapes":
            continue  # it holds its own classes only, as its tests show
        module.write(data, tmp_path / name)
        again = open_dataset(tmp_path / name, split="val")
        assert again.format == name
        assert again.classes == data.classes
        assert torch.equal(again[2].truth.class_map(), data[2].truth.class_map())


def test_a_missing_folder_and_the_nearest(tmp_path):
    (tmp_path / "cells").mkdir()
    with pytest.raises(FileNotFoundError, match=r"there is no .*celsl; did you mean 'cells'"):
        open_dataset(tmp_path / "celsl")
    for k in reversed(range(8)):
        (tmp_path / f"d{k}").mkdir()
    with pytest.raises(
        FileNotFoundError, match=r"no .*xyz; there are: cells, d0, d1, d2, d3, d4, d5, d6, … \(9 in all\)"
    ):
        open_dataset(tmp_path / "xyz")


def test_an_empty_folder(tmp_path):
    with pytest.raises(ValueError, match="is empty: it should hold images and their masks"):
        open_dataset(tmp_path)


def test_images_without_any_masks(save, tmp_path, photo):
    save("a.png", photo)
    save("b.png", photo)
    with pytest.raises(
        ValueError, match="holds no images with masks in a known way; it holds 2 images: .* Wanted: images/ and masks/"
    ):
        open_dataset(tmp_path)


def test_an_unknown_format(nuclei_sample):
    with pytest.raises(ValueError, match="no data format 'label_map'; did you mean 'label-map'"):
        open_dataset(nuclei_sample, format="label_map")


@pytest.mark.parametrize("format", ["voc", "coco", "yolo"])
def test_a_format_that_does_not_fit(nuclei_sample, format):
    with pytest.raises(ValueError, match="wanted"):
        open_dataset(nuclei_sample, format=format)


def test_a_split_without_images(save, photo, tmp_path):
    save("images/a.png", photo)
    save("masks/a.png", photo[..., 0] % 2)
    assert len(open_dataset(tmp_path, split="train")) == 1
    text = r"has no images in the split 'val'; there are: train with 1 image; for everything say --split all"
    with pytest.raises(ValueError, match=text):
        open_dataset(tmp_path, split="val", classes="background,cell")


@pytest.mark.parametrize("format", [None, "mask-folder"])
def test_a_image_is_no_data(save, photo, tmp_path, format):
    with pytest.raises(ValueError, match=r"a\.png is an image: give the folder that holds the images and their masks"):
        open_dataset(save("images/a.png", photo), format=format)


def test_a_dataset_is_shown_on_one_line(nuclei_sample, trial_data, save, photo, tmp_path):
    data = open_dataset(nuclei_sample, split="val")
    assert repr(data) == f"Dataset({nuclei_sample.name!r}, split='val', 12 images, 2 classes)"
    assert repr(replace(data, records=())) == "Dataset('', split='val', 0 images, 2 classes)"
    assert repr(open_dataset(trial_data("camvid"))).startswith("Dataset('camvid', split='train', 367 images")
    assert repr(open_dataset(trial_data("coco128"))).startswith("Dataset('coco128', split='train', 77 images, 8")


def test_a_list_of_pairs_can_be_named_itself(save, photo, tmp_path):
    save("x/a.png", photo)
    save("y/a.png", photo[..., 0] % 2)
    (tmp_path / "mine.txt").write_text("x/a.png y/a.png\n")
    assert open_dataset(tmp_path / "mine.txt", split=None).records[0].name == "x/a"

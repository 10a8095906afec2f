from __future__ import annotations

import pytest
import yaml

from pixelwise import open_dataset
from pixelwise.data.formats import yolo
from pixelwise.data.formats.yolo_source import label_of

TRIANGLE = "0 0.1 0.1 0.9 0.1 0.9 0.9\n"


@pytest.fixture
def lay(save, photo, tmp_path):
    """Writes `data.yaml` (a mapping, or text) and images with a label where `labels` replaces their last `images`."""

    def lay(said, *images, below="."):
        for name in images:
            image = save(f"{below}/{name}", photo)
            label = label_of(tmp_path, image)
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(TRIANGLE)
        text = said if isinstance(said, str) else yaml.safe_dump({"names": ["cell"], **said})
        (tmp_path / below / "data.yaml").write_text(text)
        return tmp_path / below

    return lay


LAYOUTS = {
    "images above splits": ({"train": "images/train", "val": "images/val"}, "images/train/a.png", "images/val/b.png"),
    "images below splits": (
        {"train": "train/images", "val": "valid/images"},
        "train/images/a.png",
        "valid/images/b.png",
    ),
    "as Roboflow writes": (
        {"train": "../train/images", "val": "../valid/images"},
        "train/images/a.png",
        "valid/images/b.png",
    ),
    "a path of another disk": (
        {"path": "/datasets/cells", "train": "images/train", "val": "images/val"},
        "images/train/a.png",
        "images/val/b.png",
    ),
    "a path below": (
        {"path": "cells", "train": "images/train", "val": "images/val", "test": None},
        "cells/images/train/a.png",
        "cells/images/val/b.png",
    ),
    "several folders": (
        {"train": ["images/x", "images/y"], "val": "images/z"},
        "images/x/a.png",
        "images/z/b.png",
        "images/y/c.png",
    ),
    "folders in folders": (
        {"train": "images/train", "val": "images/val"},
        "images/train/deep/er/a.png",
        "images/val/b.png",
    ),
    "beside the images": ({"train": "train", "val": "val"}, "train/a.png", "val/b.png"),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_layouts(lay, case):
    said, *images = LAYOUTS[case]
    root = lay(said, *images, *(["images/y/c.png"] if case == "several folders" else []))
    assert yolo.available(root) == ("train", "val")
    assert [record.name for record in yolo.read(root, "val").records] == [images[1].removesuffix(".png")]
    train = open_dataset(root, split="train", format="yolo")
    assert train.records[0].name == images[0].removesuffix(".png")
    assert len(train) == 1 + (case == "several folders")
    assert len(train[0].truth) == 1
    assert len(yolo.read(root / "data.yaml", None)) == len(train) + 1


def test_lists_of_images(lay, tmp_path):
    root = lay({"train": "train.txt", "val": "lists/val.txt"}, "images/a.png", "images/b.png", "images/c.png")
    (root / "train.txt").write_text("./images/a.png\n# not this one\nimages/c.png\n")
    (root / "lists").mkdir()
    (root / "lists" / "val.txt").write_text("images/b.png\n")
    assert [record.name for record in yolo.read(root, "train").records] == ["images/a", "images/c"]
    assert [record.name for record in yolo.read(root, "val").records] == ["images/b"]
    for line in ("images/x.png", "/etc/passwd", "../../etc/passwd"):
        (root / "train.txt").write_text(f"images/a.png\n{line}\n")
        with pytest.raises(ValueError, match=rf"train\.txt lists images that are not there or lie outside.*: {line}"):
            yolo.read(root, "train")


def test_a_file_of_another_name(lay):
    root = lay({"train": "images"}, "images/a.png")
    (root / "data.yaml").rename(root / "cells.yml")
    assert yolo.available(root) == ("train",)
    assert open_dataset(root).notes[0] == "YOLO polygons of cells.yml, 1 class"
    with pytest.raises(ValueError, match="has no split 'val'; there are: train"):
        yolo.read(root, "val")


def test_train_and_val_that_are_the_same(lay):
    root = lay({"train": "images", "val": "images"}, "images/a.png", "images/b.png")
    data = open_dataset(root)
    assert "train and val are the same images, as the file says: scores will be too good" in data.notes
    assert len(open_dataset(root, split=None)) == 2


def test_no_file_that_names_the_classes(lay):
    root = lay({"train": "images"}, "images/a.png", "images/b.png", "images/c.png")
    (root / "data.yaml").unlink()
    with pytest.raises(ValueError, match=r"has labels, but no data\.yaml that names the classes: write one with lines"):
        open_dataset(root)
    data = open_dataset(root, split=None, classes="nothing,cell")
    assert data.classes.names == ("background", "nothing", "cell")
    data = open_dataset(root, split="train", classes=["background", "cell"])
    assert data.classes.names == ("background", "cell")
    assert data.truth(0).labels.tolist() == [1]
    assert len(data) + len(open_dataset(root, split="val", classes="cell")) == 3
    assert "the data have no splits" in data.notes[-1]


def test_splits_as_folders_without_a_file(lay):
    root = lay({"train": "images"}, "images/train/a.png", "images/valid/b.png")
    (root / "data.yaml").unlink()
    assert yolo.available(root) == ("train", "val")
    assert yolo.read(root, "val", classes="cell").records[0].name == "images/valid/b"


def test_a_label_without_a_image(lay):
    root = lay({"train": "images"}, "images/a.png", "images/b.png")
    (root / "images" / "b.png").unlink()
    with pytest.raises(ValueError, match=r"these labels have no image in .*images: labels/b\.txt"):
        open_dataset(root)


def test_labels_that_are_all_elsewhere(lay):
    root = lay({"train": "images"}, "images/a.png")
    (root / "labels").rename(root / "texts")
    with pytest.raises(ValueError, match=r"none of 1 image has a label; for .*images/a\.png wanted .*labels/a\.txt"):
        open_dataset(root)


WRONG = {
    "no yaml": ("names: [cell\ntrain: images", "is no YAML"),
    "a bomb of brackets": ("train: x\nnames: " + "[" * 5000, "is no YAML"),
    "an object of Python": ("train: images\nnames: !!python/object/apply:os.system ['true']", "is no YAML"),
    "no images": ({"train": None}, "names no images: wanted lines like train: images/train"),
    "a folder that is not there": ({"train": "imgs"}, "train is 'imgs', but there is no .*imgs"),
    "an escape": ({"train": "../../../../../../../../../etc"}, "train is .*lies outside the data"),
    "an absolute path": ({"train": "/etc"}, "train is '/etc', but .*lies outside the data"),
    "a number for a folder": ({"train": 7}, "train is a int: wanted a folder"),
    "a mapping for folders": ({"train": [{"a": 1}]}, "train is a dict: wanted a folder"),
    "names of nothing": ({"train": "images", "names": []}, "names must name each class"),
    "names of numbers that lack one": ({"train": "images", "names": {0: "a", 2: "b"}}, "names must name each class"),
    "names in names": ({"train": "images", "names": [["a"]]}, "names must name each class"),
    "a name twice": ({"train": "images", "names": ["a", "b", "a"]}, "names has the same name twice: a"),
    "another number of classes": ({"train": "images", "nc": 3}, "nc is not 1, the number of names"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_the_file_has_wrong_is_named(lay, case):
    said, what = WRONG[case]
    root = lay(said, "images/a.png")
    with pytest.raises(ValueError, match=rf"data\.yaml.*{what}"):
        open_dataset(root, split=None, format="yolo")


def test_neither_file_nor_folders(tmp_path):
    with pytest.raises(ValueError, match=r"is not laid out like YOLO: wanted data\.yaml"):
        yolo.read(tmp_path, None)


def test_two_images_of_one_label(lay, save, photo):
    root = lay({"train": "images"}, "images/a.png")
    save("images/a.bmp", photo)
    with pytest.raises(ValueError, match="two images have the same name up to the suffix"):
        open_dataset(root)


def test_names_as_numbers_and_a_background_among_them(lay):
    data = open_dataset(lay({"train": "images", "names": {"1": 7, "0": "background"}}, "images/a.png"))
    assert data.classes.names == ("nothing", "background", "7")
    assert data.truth(0).labels.tolist() == [1]

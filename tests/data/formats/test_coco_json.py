from __future__ import annotations

import json
from pathlib import Path

import pytest

from pixelwise import Classes
from pixelwise.data.formats.coco_files import root_of, split_of
from pixelwise.data.formats.coco_json import CocoJson, check_below


class Content(CocoJson):
    """A JSON file, of which only what all formats share is looked at."""

    def classes(self, wanted):
        raise AssertionError

    def records(self, classes):
        raise AssertionError


EMPTY = {"images": [], "annotations": [], "categories": []}


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "C:\\a.png", "..\\a.png", "a/../../b.png", "a\0.png"])
def test_names_that_leave_the_folder(name):
    with pytest.raises(ValueError, match="the image .* lies outside the data"):
        check_below(name, "the image")


def test_names_that_stay():
    for name in ("a.png", "train/a.png", "a..b.png"):
        check_below(name, "the image")


@pytest.mark.parametrize(
    ("file", "split"),
    [
        ("annotations/panoptic_val2017.json", "val"),
        ("annotations/instances_train.json", "train"),
        ("valid/_annotations.coco.json", "val"),
        ("panoptic.json", None),
    ],
)
def test_splits_and_roots(tmp_path, file, split):
    assert split_of(tmp_path / file) == split
    assert root_of(tmp_path) == tmp_path
    assert root_of(tmp_path / "annotations" / "a.json") == tmp_path
    assert root_of(tmp_path / "a.json") == tmp_path


def opened(tmp_path: Path, whole: object) -> CocoJson:
    (tmp_path / "a.json").write_text(json.dumps(whole))
    return Content(tmp_path / "a.json", tmp_path, "objects")


def test_what_a_file_says_of_itself(tmp_path):
    classes = Classes(("nothing", "car"), background=0)
    assert opened(tmp_path, {**EMPTY, "info": {"classes": classes.to_dict()}}).own_classes() == classes
    assert opened(tmp_path, {**EMPTY, "info": "mine"}).info == {}
    for broken in ({"classes": 3}, {"classes": {"names": 3}}, {}):
        assert opened(tmp_path, {**EMPTY, "info": broken}).own_classes() is None


def test_nested_too_deep(tmp_path):
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"a\.json is no JSON"):
        Content(tmp_path / "a.json", tmp_path, "objects")
    with pytest.raises(ValueError, match="this is not COCO's format of objects"):
        opened(tmp_path, {**EMPTY, "images": "a"})

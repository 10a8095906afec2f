from __future__ import annotations

import json

import numpy as np
import pytest

import pixelwise
from pixelwise.data.formats.labelling_tools import via

SQUARE = {"name": "polygon", "all_points_x": [2, 6, 6, 2], "all_points_y": [3, 3, 8, 8]}
"""4 x 5 pixels."""


def region(shape=SQUARE, **attributes):
    return {"shape_attributes": shape, "region_attributes": attributes}


def entry(*regions, filename="a.jpg", **other):
    return {"filename": filename, "size": 9, "regions": list(regions), "file_attributes": {}, **other}


@pytest.fixture
def export(save, photo, tmp_path):
    """Write a JSON file of entries, and an image for each."""

    def export(*entries, where="via_region_data.json", whole=None):
        below = where.rpartition("/")[0]
        for item in entries:
            save(f"{below}/{item['filename']}".lstrip("/"), photo)
        images = {f"{item['filename']}9": item for item in entries}
        (tmp_path / where).write_text(json.dumps(whole(images) if whole else images))
        return tmp_path

    return export


def areas(data, i=0):
    """Class and area of each object, in the order of the file."""
    truth = data.truth(i)
    found = zip(truth.labels.tolist(), truth.areas().tolist(), strict=True)
    return [(data.classes.names[k], area) for k, area in found][::-1]


def test_regions_are_objects_and_their_attribute_is_the_class(export):
    box = {"name": "rect", "x": 8, "y": 1, "width": 4, "height": 3}
    disc = {"name": "circle", "cx": 8, "cy": 6, "r": 4}
    oval = {"name": "ellipse", "cx": 8, "cy": 6, "rx": 4, "ry": 2, "theta": np.pi / 2}
    root = export(
        entry(region(type="pot"), region(box, type="shard"), region(disc, type="pot"), region(oval, type="pot"))
    )
    data = pixelwise.open_dataset(root, split=None)
    assert data.format == "via"
    assert data.classes.names == ("background", "pot", "shard")
    (_, square), shard, (_, circle), (_, ellipse) = areas(data)
    assert (square, shard) == (20, ("shard", 12))
    assert abs(circle - np.pi * 16) < 5
    assert abs(ellipse - np.pi * 8) < 4
    assert data.truth(0).boxes()[0].tolist() == pytest.approx([6, 2, 10, 10], abs=1)
    assert data.notes[1] == "the attribute 'type' of a region tells its class"


def test_projects_options_and_ticked_boxes(export):
    attributes = {"region": {"kind": {"type": "checkbox", "options": {"shard": "", "pot": "", "lid": ""}}}, "file": {}}

    def project(images):
        return {"_via_settings": {}, "_via_img_metadata": images, "_via_attributes": attributes}

    ticked = region(kind={"pot": True, "shard": False}, remark="broken")
    both = region(kind={"pot": True, "shard": True})
    data = via.read(export(entry(ticked, both), whole=project, where="mine.json"), None)
    assert data.classes.names == ("background", "shard", "pot", "lid")
    assert areas(data) == [("pot", 20)]
    assert data.notes[1] == "the attribute 'kind' of a region tells its class; not read: remark"
    assert data.notes[-1] == "left out, because they are no masks: 1 regions without kind"


def test_a_usual_name_wins(export):
    data = via.read(export(entry(region(remark="old", Class="pot"))), None)
    assert data.classes.names == ("background", "pot")


def test_regions_without_attributes_are_of_one_class(export):
    root = export(entry(region()))
    assert via.read(root, None).classes.names == ("background", "object")
    data = via.read(root, None, classes="nothing,balloon")
    assert data.classes.names == ("nothing", "balloon")
    assert areas(data) == [("balloon", 20)]
    assert via.read(root, None, classes=data.classes).classes == data.classes


def test_a_file_in_each_split_and_numbered_regions(export):
    export(entry(region(type="pot")), where="train/via_region_data.json")
    root = export(entry(regions={"0": region(type="pot")}), where="val/via_region_data.json")
    assert via.available(root) == ("train", "val")
    data = via.read(root, "val")
    assert [record.name for record in data.records] == ["val/a"]
    assert areas(data) == [("pot", 20)]


def test_left_out_and_empty(export):
    line = {"name": "polyline", "all_points_x": [1, 2], "all_points_y": [1, 2]}
    short = {"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1, 2]}
    regions = [region(shape, type="pot") for shape in (SQUARE, line, {"name": "point", "cx": 1, "cy": 1}, short)]
    data = via.read(export(entry(*regions), entry(filename="b.jpg")), None)
    assert areas(data) == [("pot", 20)]
    assert data.notes[-2:] == (
        "1 image has no objects: b.jpg",
        "left out, because they are no masks: 1 points, 1 polygons with too few points, 1 polylines",
    )


BROKEN = {
    "no filename": ({"filename": 3}, "it has no filename"),
    "regions": ({"regions": 3}, "regions are 3: wanted a list"),
    "a region": ({"regions": [3]}, "region 1: it has no shape_attributes"),
    "a kind": ({"regions": [region({"name": "cube"})]}, "is of the kind 'cube'"),
    "lengths": ({"regions": [region({**SQUARE, "all_points_x": [1]})]}, "two lists of the same length"),
    "words": ({"regions": [region({**SQUARE, "all_points_x": ["a", 1, 2, 3]})]}, "an x is 'a': wanted a number"),
    "numbers": ({"regions": [region({"name": "rect", "x": 1})]}, "y is 'None': wanted a number"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files(export, case):
    other, message = BROKEN[case]
    with pytest.raises(ValueError, match=rf"via_region_data\.json, image 'a\.jpg.*{message}"):
        via.read(export(entry(), whole=lambda images: {"a.jpg9": {**images["a.jpg9"], **other}}), None)


def test_a_list_is_no_such_file(export):
    root = export(entry(region()), whole=lambda images: list(images.values()))
    with pytest.raises(ValueError, match="has no entry for each image"):
        via.read(root, None)


def test_no_annotations(tmp_path):
    with pytest.raises(ValueError, match="holds no annotations of the VGG Image Annotator"):
        via.read(tmp_path, None)

from __future__ import annotations

import json

import numpy as np
import pytest

import pixelwise
from pixelwise.data.formats.labelling_tools import label_studio

SQUARE = [[12.5, 25], [37.5, 25], [37.5, 200 / 3], [12.5, 200 / 3]]
"""Columns 2 to 5 and rows 3 to 7 of an image of 16x12, in percent: 4 x 5 pixels."""


def region(value, kind, **other):
    return {
        "id": f"r{id(value)}",
        "type": kind,
        "value": value,
        "original_width": 16,
        "original_height": 12,
        "image_rotation": 0,
        **other,
    }


def polygon(label="leaf", points=SQUARE, **other):
    return region({"points": points, "closed": True, "polygonlabels": [label]}, "polygonlabels", **other)


def task(*regions, image="/data/upload/1/3f2a91c0-a.png", **other):
    return {"id": 1, "data": {"image": image}, "annotations": [{"id": 7, "result": list(regions)}], **other}


def pack(mask, opaque=255):
    """Label Studio's run lengths of a mask, by its own rule: RGBA of each pixel, in runs of at most 256."""
    values = np.repeat(mask.ravel().astype(int) * opaque, 4)
    bits = f"{len(values):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 8, 4, 8))
    place = 0
    while place < len(values):
        run = 1
        while run < 256 and place + run < len(values) and values[place + run] == values[place]:
            run += 1
        if run > 2:
            bits += f"1{1:02b}{run - 1:08b}{values[place]:08b}"
        else:  # a list of values
            bits += f"0{0:02b}{run - 1:03b}" + f"{values[place]:08b}" * run
        place += run
    bits += "0" * (-len(bits) % 8)
    return [int(bits[k : k + 8], 2) for k in range(0, len(bits), 8)]


@pytest.fixture
def export(save, photo, tmp_path):
    def export(*tasks, images=("images/3f2a91c0-a.png",), where="project-1.json"):
        for name in images:
            save(name, photo)
        (tmp_path / where).parent.mkdir(exist_ok=True)
        (tmp_path / where).write_text(json.dumps(list(tasks)))
        return tmp_path

    return export


def areas(data, i=0):
    """Class and area of each object, in the order of the file."""
    truth = data.truth(i)
    found = zip(truth.labels.tolist(), truth.areas().tolist(), strict=True)
    return [(data.classes.names[k], area) for k, area in found][::-1]


def test_polygons_brushes_and_ellipses(export):
    mask = np.zeros((12, 16), bool)
    mask[2:9, 7:15] = True
    mask[4, 9] = False
    brush = region({"format": "rle", "rle": pack(mask), "brushlabels": ["stem"]}, "brushlabels")
    oval = {"x": 50, "y": 50, "radiusX": 25, "radiusY": 100 / 6, "rotation": 90, "ellipselabels": ["leaf"]}
    root = export(task(polygon(), brush, region(oval, "ellipselabels")))
    data = pixelwise.open_dataset(root, split=None)
    assert data.format == "label-studio"
    assert data.classes.names == ("background", "leaf", "stem")
    square, stem, (_, area) = areas(data)
    assert (square, stem) == (("leaf", 20), ("stem", 55))
    assert abs(area - np.pi * 8) < 4
    assert (data.truth(0).masks.dense()[1].numpy() == mask).all()
    assert data.truth(0).boxes()[0].tolist() == pytest.approx([6, 2, 10, 10], abs=1)


def test_percent_are_of_the_image_as_it_is(export):
    stated = {"original_width": 12, "original_height": 16}
    data = label_studio.read(export(task(polygon(**stated))), None)
    assert data[0].truth.size == (12, 16)
    assert areas(data) == [("leaf", 20)]


def test_imported_masks_are_less_opaque(export):
    mask = np.zeros((12, 16), bool)
    mask[2:9, 7:15] = True
    for opaque in (1, 100):
        brush = region({"rle": pack(mask, opaque), "brushlabels": ["stem"]}, "brushlabels")
        assert areas(label_studio.read(export(task(brush)), None)) == [("stem", 56)]


@pytest.mark.parametrize(
    "name",
    [
        "/data/upload/1/3f2a91c0-leaf%201.png",
        "/data/local-files/?d=photos/leaf%201.png",
        "s3://bucket/photos/leaf 1.png",
        "https://server/photos/leaf%201.png?token=1",
        "leaf 1.png",
    ],
)
def test_images_of_servers(export, name):
    data = label_studio.read(export(task(polygon(), image=name), images=("photos/leaf 1.png",)), None)
    assert data.records[0].name == "photos/leaf 1"
    assert areas(data) == [("leaf", 20)]


def test_the_short_export_and_other_keys(export):
    short = {"photo": "a.png", "id": 3, "shape": [{**polygon()["value"], "original_width": 16, "original_height": 12}]}
    data = label_studio.read(export(short, images=("a.png",)), None)
    assert areas(data) == [("leaf", 20)]


def test_labels_in_entries_of_their_own(export):
    shape = region({"points": SQUARE, "closed": True}, "polygon", id="x")
    label = region({"points": SQUARE, "closed": True, "labels": ["leaf"]}, "labels", id="x")
    assert areas(label_studio.read(export(task(shape, label)), None)) == [("leaf", 20)]


def test_cancelled_and_several_annotations(export):
    annotations = [
        {"result": [polygon("wrong")], "was_cancelled": True},
        {"result": [polygon("first")]},
        {"result": [polygon("best")], "ground_truth": True},
    ]
    data = label_studio.read(export({**task(), "annotations": annotations}), None)
    assert areas(data) == [("best", 20)]
    assert "1 image has several annotations: the first not cancelled is read" in data.notes


def test_left_out(export):
    box = region({"x": 1, "y": 1, "width": 9, "height": 9, "rectanglelabels": ["leaf"]}, "rectanglelabels")
    short = polygon(points=[[1, 1], [2, 2]])
    bare = region({"points": SQUARE}, "polygon", id="y")
    choice = {"type": "choices", "value": {"choices": ["good"]}}
    data = label_studio.read(export(task(polygon(), box, short, bare, choice)), None)
    assert areas(data) == [("leaf", 20)]
    text = "1 boxes, 1 polygons with too few points, 1 regions without a label"
    assert data.notes[-1] == f"left out, because they are no masks: {text}"


BROKEN = {
    "a task": (3, "task 1 is 3: wanted a task"),
    "annotations": ({**task(polygon()), "annotations": 3}, "task 1: annotations are 3: wanted a list"),
    "no result": ({**task(polygon()), "annotations": [{}]}, "an annotation has no list called result"),
    "no image": ({**task(polygon()), "data": {"text": "a"}}, "names no image"),
    "turned": (task(polygon(image_rotation=90)), "the image was turned in Label Studio"),
    "words": (task(polygon(points=[["a", 1]])), "coordinate is 'a'"),
    "size": (task(polygon(original_width=10**9, original_height=10**9)), "larger than"),
    "runs": (task(region({"rle": "abc", "brushlabels": ["a"]}, "brushlabels")), "wanted a list of bytes"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files(export, case):
    broken, message = BROKEN[case]
    with pytest.raises(ValueError, match=rf"project-1\.json.*{message}"):
        label_studio.read(export(broken, task(polygon(), image="b.png"), images=("a.png", "b.png")), None)


RUNS = {
    "too short": ([0, 0], "end too early"),
    "no bytes": ([300], "not bytes from 0 to 255"),
    "another size": (pack(np.zeros((3, 3), bool)), "hold 36 values of 8 bits, but the image is 16x12"),
    "cut": (pack(np.zeros((12, 16), bool))[:9], "end too early"),
}


@pytest.mark.parametrize("case", RUNS)
def test_broken_runs_are_named_when_read(export, case):
    runs, message = RUNS[case]
    data = label_studio.read(export(task(region({"rle": runs, "brushlabels": ["a"]}, "brushlabels"))), None)
    with pytest.raises(ValueError, match=rf"project-1\.json, region 1 of .*a\.png: .*{message}"):
        data.truth(0)


def test_no_annotations(tmp_path):
    with pytest.raises(ValueError, match="holds no Label Studio annotations"):
        label_studio.read(tmp_path, None)

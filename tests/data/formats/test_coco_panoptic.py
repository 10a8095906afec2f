from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from pixelwise import Classes
from pixelwise.data.formats import coco_panoptic, label_map
from pixelwise.data.opening import open_dataset

CATEGORIES = [
    {"id": 9, "name": "sky", "isthing": 0, "color": [1, 2, 3]},
    {"id": 4, "name": "car", "isthing": 1, "color": [9, 8, 7]},
]
SEGMENTS = [
    {"id": 70_000, "category_id": 4, "iscrowd": 0, "area": 20, "bbox": [0, 0, 4, 5]},
    {"id": 258, "category_id": 4, "iscrowd": 1, "area": 12, "bbox": [4, 0, 3, 4]},
    {"id": 3, "category_id": 9, "iscrowd": 0, "area": 48, "bbox": [0, 8, 12, 4]},
]
IMAGE = {"id": 5, "file_name": "a.png", "width": 16, "height": 12}


def colors(numbers):
    return np.stack([numbers >> 8 * k & 255 for k in range(3)], -1).astype(np.uint8)


def numbers_of(path):
    rgb = np.asarray(Image.open(path)).astype(np.int64)
    return rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2]


@pytest.fixture
def plane():
    numbers = np.zeros((12, 16), np.int64)
    numbers[:5, :4], numbers[:4, 4:7], numbers[8:, :12] = 70_000, 258, 3
    return numbers


@pytest.fixture
def folder(save, photo, tmp_path, plane):
    """Writes a data set of one image of 16x12; what is given replaces parts of its JSON."""

    def folder(segments=SEGMENTS, numbers=plane, where="panoptic.json", **other):
        save("images/a.png", photo)
        annotation = {"image_id": 5, "file_name": "a.png", "segments_info": segments}
        whole = {"images": [IMAGE], "annotations": [annotation], "categories": CATEGORIES, **other}
        (tmp_path / where).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / where).write_text(json.dumps(whole))
        save(f"{where.removesuffix('.json')}/a.png", colors(numbers))
        return tmp_path

    return folder


def test_real_photos_by_an_independent_reading(trial_data):
    root = trial_data("coco-panoptic-sample")
    data = open_dataset(root, split=None)
    stated = json.loads((root / "panoptic.json").read_text())
    categories = {c["id"]: c for c in stated["categories"]}
    assert data.format == "coco-panoptic"
    assert len(data.classes) == 133
    assert sum(data.classes.things) == 80
    assert data.classes.colors[0] == (220, 20, 60)
    assert len(data) == 2
    for i, record in enumerate(data.records):
        annotation = next(a for a in stated["annotations"] if a["file_name"] == f"{record.image.stem}.png")
        numbers, truth = numbers_of(root / "panoptic" / annotation["file_name"]), data[i].truth
        for n, segment in enumerate(annotation["segments_info"]):
            assert (truth.mask(n).numpy() == (numbers == segment["id"])).all()
            assert data.classes.names[truth.labels[n]] == categories[segment["category_id"]]["name"]
            assert bool(truth.crowd[n]) == bool(segment["iscrowd"])
        assert truth.areas().tolist() == [s["area"] for s in annotation["segments_info"]]
        assert int((truth.ids == 0).sum()) == (numbers == 0).sum()
        assert data.faults(record) == ()


def test_round_trip_of_real_photos(trial_data, tmp_path, same):
    data = open_dataset(trial_data("coco-panoptic-sample"), split=None)
    assert sum(int(data.truth(i).crowd.sum()) for i in range(2)) == 3
    coco_panoptic.write(replace(data, split="val"), tmp_path)
    again = open_dataset(tmp_path, split="val")
    same(again, replace(data, split="val"))
    assert [again.faults(record) for record in again.records] == [(), ()]
    assert {path.name for path in tmp_path.iterdir()} == {"annotations", "val"}


def test_what_is_written_says_what_the_panoptic_api_wants(trial_data, tmp_path):
    """Same numbers of images and categories, and segment by segment the same pixels: the same PQ there."""
    root = trial_data("coco-panoptic-sample")
    coco_panoptic.write(open_dataset(root, split=None), tmp_path)
    theirs = json.loads((root / "panoptic.json").read_text())
    ours = json.loads((tmp_path / "annotations" / "panoptic.json").read_text())
    for key in ("id", "isthing", "name", "color"):
        assert [c[key] for c in ours["categories"]] == [c[key] for c in theirs["categories"]]
    assert {i["id"] for i in ours["images"]} == {i["id"] for i in theirs["images"]} == {142238, 439180}
    for mine in ours["annotations"]:
        other = next(a for a in theirs["annotations"] if a["image_id"] == mine["image_id"])
        own, given = (
            numbers_of(tmp_path / "annotations/panoptic" / mine["file_name"]),
            numbers_of(root / "panoptic" / other["file_name"]),
        )
        assert set(np.unique(own)) - {0} == {s["id"] for s in mine["segments_info"]}
        for a, b in zip(mine["segments_info"], other["segments_info"], strict=True):
            assert ((own == a["id"]) == (given == b["id"])).all()
            assert {**a, "id": 0} == {**b, "id": 0}


def test_the_official_layout(trial_data, tmp_path):
    root = trial_data("coco-panoptic-sample")
    shutil.copytree(root / "images", tmp_path / "val2017")
    shutil.copytree(root / "panoptic", tmp_path / "annotations" / "panoptic_val2017")
    shutil.copy(root / "panoptic.json", tmp_path / "annotations" / "panoptic_val2017.json")
    data = open_dataset(tmp_path, split="val")
    assert data.format == "coco-panoptic"
    assert coco_panoptic.available(tmp_path) == ("val",)
    assert [record.name for record in data.records] == ["val2017/000000142238", "val2017/000000439180"]
    assert len(open_dataset(tmp_path / "annotations" / "panoptic_val2017.json", split="val")) == 2


def test_masks_that_overlap_and_label_maps(shapes, nuclei_sample, tmp_path, same):
    data = shapes(tmp_path, "masks")
    coco_panoptic.write(data, tmp_path / "out")
    again = coco_panoptic.read(tmp_path / "out", "train")
    assert again.classes == data.classes
    assert any(again.truth(i).crowd.any() for i in range(3)), "crowds are kept"
    ids = shapes(tmp_path, "ids")
    coco_panoptic.write(ids, tmp_path / "ids")
    assert coco_panoptic.read(tmp_path / "ids", "train").classes == ids.classes
    cells = label_map.read(nuclei_sample, "val")
    cells = replace(cells, records=cells.records[:2])
    coco_panoptic.write(cells, tmp_path / "cells")
    same(coco_panoptic.read(tmp_path / "cells", "val"), cells)


def test_segments_in_the_order_of_the_json(folder):
    data = coco_panoptic.read(folder(), None)
    assert data.classes == Classes(("car", "sky"), ((9, 8, 7), (1, 2, 3)), (True, False))
    truth = data[0].truth
    assert truth.labels.tolist() == [0, 0, 1]
    assert truth.crowd.tolist() == [False, True, False]
    assert truth.areas().tolist() == [20, 12, 48]
    assert data.faults(data.records[0]) == ()


def test_chosen_classes(folder):
    path = folder()
    data = coco_panoptic.read(path, None, classes="sky")
    assert data.classes == Classes(("sky",), ((1, 2, 3),))
    assert data.truth(0).areas().tolist() == [48]
    assert data.notes[-1] == "segments of car are void: they are not among the classes"
    assert coco_panoptic.read(path, None, classes=data.classes).truth(0).labels.tolist() == [0]
    with pytest.raises(ValueError, match="no category 'skye'; did you mean 'sky'"):
        coco_panoptic.read(path, None, classes="skye")
    with pytest.raises(ValueError, match="leave --void and --colors out"):
        coco_panoptic.read(path, None, void=3)


def test_approximate_truth_says_so(folder):
    assert "approximate: parts" in coco_panoptic.read(folder(info={"approximate": "parts"}), None).notes


def test_images_without_a_map_are_refused(folder, save, photo, tmp_path):
    save("images/b.png", photo)
    root = folder(images=[IMAGE, {**IMAGE, "id": 6, "file_name": "b.png"}])
    with pytest.raises(ValueError, match=r"1 image has no mask: images/b\.png"):
        open_dataset(root, split=None)


def lacking(key, n=0):
    return [{k: v for k, v in s.items() if (j, k) != (n, key)} for j, s in enumerate(SEGMENTS)]


def changed(**values):
    return [{**SEGMENTS[0], **values}, *SEGMENTS[1:]]


NOTE = {"image_id": 5, "file_name": "a.png", "segments_info": SEGMENTS}
HOSTILE = {
    "an image outside": ({"images": [{**IMAGE, "file_name": "../../etc/passwd"}]}, "image .* lies outside the data"),
    "a map outside": ({"annotations": [{**NOTE, "file_name": "/etc/passwd"}]}, "map '/etc/passwd' lies outside"),
    "no map": ({"annotations": [{**NOTE, "file_name": "b.png"}]}, "names panoptic maps that are not in .*: b.png"),
    "a name of lists": ({"annotations": [{**NOTE, "file_name": []}]}, "no file_name or no list"),
    "no segments": ({"annotations": [{**NOTE, "segments_info": {"a": 1}}]}, "no list called segments_info"),
    "a size beyond all images": ({"images": [{**IMAGE, "width": 10**9}]}, "broken entry in images"),
    "an unknown image": ({"annotations": [{**NOTE, "image_id": 7}]}, "image that it does not have: 7"),
    "an image twice": ({"annotations": [NOTE, NOTE]}, "annotates the image 5 twice"),
    "no isthing": ({"categories": [{"id": 4, "name": "car"}]}, "does not say whether 'car' is a thing"),
    "two of a number": ({"categories": [*CATEGORIES, CATEGORIES[0]]}, "two categories with the number 9"),
    "two of a name": ({"categories": [*CATEGORIES, {**CATEGORIES[0], "id": 1}]}, "categories of the same name"),
    "no categories": ({"categories": []}, "categories of the same name, or none"),
    "an unknown category": ({"segments": changed(category_id=5)}, "segment 70000: there is no category 5"),
    "a category of lists": ({"segments": changed(category_id=[])}, r"there is no category \[\]"),
    "a number too large": ({"segments": changed(id=1 << 24)}, "segment with the number 16777216: it must be from 1"),
    "void as a segment": ({"segments": changed(id=0)}, "segment with the number 0: it must be from 1"),
    "no number": ({"segments": lacking("id")}, "segment with the number None"),
    "a segment of words": ({"segments": ["sky"]}, "segment with the number None"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_structure(folder, case):
    other, what = HOSTILE[case]
    with pytest.raises(ValueError, match=rf"panoptic\.json.*{what}"):
        coco_panoptic.read(folder(**other), None)


def test_two_images_with_one_map(folder, save, photo):
    save("images/b.png", photo)
    other = {**IMAGE, "id": 6, "file_name": "b.png"}
    with pytest.raises(ValueError, match=r"two images the same panoptic map: a\.png"):
        coco_panoptic.read(folder(images=[IMAGE, other], annotations=[NOTE, {**NOTE, "image_id": 6}]), None)


def test_maps_of_another_kind_or_size(folder, save, plane):
    root = folder()
    data = coco_panoptic.read(root, None)
    save("panoptic/a.png", plane.astype(np.uint8))
    with pytest.raises(ValueError, match=r"a\.png is of the kind L: a panoptic map is an RGB image"):
        data.truth(0)
    save("panoptic/a.png", colors(plane[:, :-1]))
    with pytest.raises(ValueError, match=r"a\.png is 15x12, but the JSON says 16x12"):
        data.truth(0)


FAULTS = {
    "twice": ([*SEGMENTS, SEGMENTS[0]], "error", "more than once: 70000"),
    "unlisted": (SEGMENTS[:2], "error", "does not list: 3, 48 pixels"),
    "pixelless": ([*SEGMENTS, {**SEGMENTS[0], "id": 44}], "error", "no pixel in .*: 44"),
    "area": (changed(area=21), "warning", "70000 says 21, has 20"),
    "box": (changed(bbox=[0, 0, 4, 4]), "note", r"70000 says \[0, 0, 4, 4\], has \[0, 0, 4, 5\]"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_contradictions_are_told(folder, kind):
    segments, level, what = FAULTS[kind]
    data = coco_panoptic.read(folder(segments), None)
    (fault,) = data.faults(data.records[0])
    assert (fault.kind, fault.level) == (kind, level)
    assert "panoptic/a.png" in fault.text
    if kind in ("twice", "unlisted"):
        with pytest.raises(ValueError, match=what):
            data.truth(0)
    else:
        assert len(data.truth(0)) == len(segments)
    with pytest.raises(AssertionError, match=what):
        raise AssertionError(fault.text)


def test_grey_colours_are_numbers_too(folder):
    numbers = np.full((12, 16), 5 * (1 + 256 + 65536), np.int64)
    data = coco_panoptic.read(folder([{"id": int(numbers[0, 0]), "category_id": 9}], numbers), None)
    assert data.truth(0).areas().tolist() == [192]
    assert torch.equal(data.truth(0).scores, torch.ones(1))


def test_a_image_without_segments(folder):
    data = coco_panoptic.read(folder([], np.zeros((12, 16), np.int64)), None)
    assert len(data.truth(0)) == 0
    assert data.truth(0).size == (12, 16)
    assert data.faults(data.records[0]) == ()

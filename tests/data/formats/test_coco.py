from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO

from pixelwise.data.formats import coco, label_map

SQUARE = [2.0, 3.0, 6.0, 3.0, 6.0, 8.0, 2.0, 8.0]
CATEGORIES = [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}]


def first(dataset, number):
    return replace(dataset, records=dataset.records[:number])


@pytest.fixture
def folder(save, photo, tmp_path):
    """Writes a data set of one image of 16x12; what is given replaces or adds to its JSON."""

    def folder(*annotations, where="instances.json", **other):
        save("images/a.png", photo)
        items = [{"id": k + 1, "image_id": 5, "category_id": 7, **item} for k, item in enumerate(annotations)]
        images = [{"id": 5, "file_name": "a.png", "width": 16, "height": 12}]
        whole = {"images": images, "annotations": items, "categories": CATEGORIES, **other}
        (tmp_path / where).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / where).write_text(json.dumps(whole))
        return tmp_path

    return folder


def test_real_photos_as_cocos_own_code_reads_them(trial_data, capsys):
    root = trial_data("coco128")
    data = coco.read(root, None)
    theirs = COCO(str(root / "instances.json"))
    assert len(data) == 96
    assert data.classes.names[:3] == ("background", "person", "bicycle")
    assert data.classes.things[:2] == (False, True)
    total = 0
    for i, record in enumerate(data.records):
        truth = data.truth(i)
        items = theirs.loadAnns(theirs.getAnnIds(imgIds=int(record.image.stem)))
        total += len(truth)
        assert [data.classes.names[k] for k in truth.labels] == [theirs.cats[a["category_id"]]["name"] for a in items]
        for n, item in enumerate(items[:3]):
            assert (truth.mask(n).numpy() == theirs.annToMask(item)).all()
    assert total == 704


def test_round_trip_of_real_photos(trial_data, tmp_path, same):
    for split in ("train", "val"):
        data = coco.read(trial_data("coco128"), split)
        data = first(data, 6)
        coco.write(data, tmp_path)
        same(coco.read(tmp_path, split), data)
    assert coco.available(tmp_path) == ("train", "val")
    theirs = COCO(str(tmp_path / "annotations" / "instances_train.json"))
    item = theirs.loadAnns([1])[0]
    assert theirs.annToMask(item).sum() == item["area"]


def test_round_trip_of_shapes_with_holes_and_crowds(shapes, tmp_path, same):
    data = shapes(tmp_path, "masks")
    coco.write(data, tmp_path / "out")
    same(coco.read(tmp_path / "out", "train"), data)
    same(coco.read(tmp_path / "out" / "annotations" / "instances_train.json", None), data)


def test_label_maps_become_objects(nuclei_sample, tmp_path):
    data = first(label_map.read(nuclei_sample, "val"), 1)
    coco.write(data, tmp_path)
    again = coco.read(tmp_path, "val")
    assert again.classes == data.classes
    for i in range(len(data)):
        assert torch.equal(again.truth(i).class_map(), data.truth(i).class_map())
        assert len(again.truth(i)) == len(data.truth(i)) - 1


def test_categories_in_the_order_of_their_numbers(folder):
    data = coco.read(folder({"segmentation": [SQUARE]}), None)
    assert data.classes.names == ("background", "dog", "cat")
    assert data.truth(0).labels.tolist() == [2]
    assert int(data.truth(0).areas()) == 20
    assert data[0].name == "images/a"


def test_chosen_classes(folder):
    path = folder({"segmentation": [SQUARE]}, {"segmentation": [SQUARE], "category_id": 3})
    data = coco.read(path, None, classes="cat")
    assert data.classes.names == ("background", "cat")
    assert data.truth(0).labels.tolist() == [1]
    assert data.notes[-1] == "annotations of dog are left out: they are not among the classes"
    assert coco.read(path, None, classes="nothing,dog,cat").classes.names == ("nothing", "dog", "cat")
    assert coco.read(path, None, classes=data.classes).classes == data.classes
    with pytest.raises(ValueError, match="no category 'cta'; did you mean 'cat'"):
        coco.read(path, None, classes="dog,cta")


def test_crowd_and_uncompressed_runs(folder):
    runs = {"size": [12, 16], "counts": [12, 24, 156]}
    truth = coco.read(folder({"segmentation": runs, "iscrowd": 1}), None).truth(0)
    assert truth.crowd.tolist() == [True]
    assert truth.boxes().tolist() == [[1, 0, 3, 12]]


def test_boxes_alone_are_left_out(folder):
    data = coco.read(folder({"segmentation": []}, {"segmentation": [SQUARE]}), None)
    assert len(data.truth(0)) == 1
    assert data.notes[-1] == "1 annotations have a box and no mask: left out"
    with pytest.raises(ValueError, match="all 1 annotations have a box and no mask"):
        coco.read(folder({}), None)


def test_a_image_without_objects(folder):
    truth = coco.read(folder(), None)[0].truth
    assert truth.masks.dense().shape == (0, 12, 16)
    assert truth.class_map().sum() == 0


PLACES = {
    "annotations/instances_train2017.json": ("train2017", "train"),
    "annotations/instances_val.json": ("images/val", "val"),
    "train/_annotations.coco.json": ("train", "train"),
    "valid/_annotations.coco.json": ("valid", "val"),
    "train.json": ("train", "train"),
    "labels.json": ("data", None),
}


@pytest.mark.parametrize("place", PLACES)
def test_layouts(folder, save, photo, tmp_path, place):
    below, split = PLACES[place]
    root = folder({"segmentation": [SQUARE]}, where=place)
    (root / "images" / "a.png").unlink()
    save(f"{below}/a.png", photo)
    assert coco.detect(root)
    assert coco.available(root) == (split or "train",)  # a single image is all train
    assert coco.read(root, split)[0].name == f"{below}/a"


def test_the_project_that_roboflow_lists_as_a_category(folder):
    categories = [
        {"id": 0, "name": "cells", "supercategory": "none"},
        {"id": 7, "name": "rbc", "supercategory": "cells"},
    ]
    data = coco.read(folder({"segmentation": [SQUARE]}, categories=categories), None)
    assert data.classes.names == ("background", "rbc")


def test_a_file_named_itself_keeps_its_split(folder):
    root = folder({"segmentation": [SQUARE]}, where="annotations/instances_train2017.json")
    file = root / "annotations" / "instances_train2017.json"
    assert coco.available(file) == ("train",)
    assert coco.read(file, "train")[0].name == "images/a"


def test_unknown_splits_and_absent_files(folder, tmp_path):
    with pytest.raises(ValueError, match="holds no COCO annotations"):
        coco.read(tmp_path, "train")
    root = folder({"segmentation": [SQUARE]}, where="annotations/instances_train.json")
    with pytest.raises(ValueError, match="no split 'val'; there are: train"):
        coco.read(root, "val")


def test_panoptic_json_is_not_taken_for_instances(trial_data):
    assert coco.detect(trial_data("coco-panoptic-sample")) is None


IMAGE = {"id": 5, "file_name": "a.png", "width": 16, "height": 12}
HOSTILE = {
    "an escape": ({"images": [{**IMAGE, "file_name": "../../etc/passwd"}]}, "lies outside the data"),
    "an absolute path": ({"images": [{**IMAGE, "file_name": "/etc/passwd"}]}, "lies outside the data"),
    "a drive": ({"images": [{**IMAGE, "file_name": "C:\\b.png"}]}, "lies outside the data"),
    "a missing image": ({"images": [{**IMAGE, "file_name": "b.png"}]}, "names images that are not in .*: b.png"),
    "half a size": ({"images": [{"id": 5, "file_name": "a.png", "width": 16}]}, "broken entry in images"),
    "a size beyond all images": ({"images": [{**IMAGE, "width": 10**9}]}, "broken entry in images"),
    "a category of lists": ({"categories": [{"id": 7, "name": [], "supercategory": []}]}, "without a number or name"),
    "a size of words": ({"images": [{**IMAGE, "width": "16"}]}, "broken entry in images"),
    "two of a number": ({"images": [IMAGE, IMAGE]}, "two images with the number 5"),
    "two of a name": ({"images": [IMAGE, {**IMAGE, "id": 6}]}, "names an image twice"),
    "no list": ({"images": {"a": 1}}, 'no list of objects called "images"'),
    "a list of numbers": ({"annotations": [1]}, 'no list of objects called "annotations"'),
    "an unknown image": ({"annotations": [{"image_id": 9, "category_id": 7}]}, "there is no image 9"),
    "an image that is a list": ({"annotations": [{"image_id": [], "category_id": 7}]}, r"there is no image \[\]"),
    "an unknown category": ({"annotations": [{"image_id": 5, "category_id": 1}]}, "there is no category 1"),
    "a category that is a list": ({"annotations": [{"image_id": 5, "category_id": []}]}, r"there is no category \[\]"),
    "a nameless category": ({"categories": [{"id": 7}]}, "category without a number or name"),
    "categories of one name": ({"categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]}, "of the same name"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_structure(folder, case):
    other, what = HOSTILE[case]
    with pytest.raises(ValueError, match=rf"instances\.json.*{what}"):
        coco.read(folder(**other), None)


SHAPES = {
    "two corners": ([[1, 1, 4, 4]], "4 numbers"),
    "words": ([["1", 1, 4, 4, 5, 5]], "list of numbers"),
    "a number": (7, "list of polygons or has counts"),
    "another size": ({"size": [16, 12], "counts": [192]}, "the run lengths are for"),
    "runs too long": ({"size": [12, 16], "counts": [100, 10**9]}, "cover"),
    "runs too short": ({"size": [12, 16], "counts": "1"}, "cover 1 pixels"),
    "negative runs": ({"size": [12, 16], "counts": [193, -1]}, "whole numbers"),
    "no counts": ({"size": [12, 16]}, "list of polygons or has counts"),
}


@pytest.mark.parametrize("case", SHAPES)
def test_hostile_shapes_are_named_when_read(folder, case):
    shape, what = SHAPES[case]
    data = coco.read(folder({"segmentation": shape, "id": 41}), None)
    with pytest.raises(ValueError, match=rf"annotation 41 of .*a\.png: .*{what}"):
        data.truth(0)


def test_no_json(folder, tmp_path):
    path = folder() / "instances.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(ValueError, match=r"instances\.json is no JSON.*is it whole"):
        coco.read(path, None)
    path.write_text("[1, 2]")
    with pytest.raises(ValueError, match="holds no object at its top"):
        coco.read(path, None)


def test_a_image_of_another_size_than_stated(folder):
    data = coco.read(folder(images=[{**IMAGE, "width": 15}]), None)
    with pytest.raises(ValueError, match="is 16x12, but its mask annotation is 15x12"):
        data[0]


def test_a_category_called_background(folder):
    data = coco.read(folder({"segmentation": [SQUARE]}, categories=[{"id": 7, "name": "background"}]), None)
    assert data.classes.names == ("nothing", "background")


def test_void_and_colours_mean_nothing_here(folder):
    with pytest.raises(ValueError, match="leave --void and --colors out"):
        coco.read(folder(), None, void=3)


def test_records_are_small(trial_data):
    data = coco.read(trial_data("coco128"), None)
    written = (trial_data("coco128") / "instances.json").stat().st_size
    assert sum(len(record.annotations) for record in data.records) < 1.2 * written
    assert np.mean([isinstance(record.annotations, bytes) for record in data.records]) == 1


def test_numbers_with_a_point_and_gaps(folder):
    """As pandas writes them."""
    images = [{"id": 5.0, "file_name": "a.png", "width": 16.0, "height": 12.0}]
    root = folder(
        {"segmentation": [SQUARE], "image_id": 5.0, "category_id": 3.0, "iscrowd": 0.0},
        images=images,
        categories=[{"id": 3.0, "name": "dog"}],
    )
    assert coco.read(root, None)[0].truth.areas().tolist() == [20]
    gaps = [{"id": 5, "file_name": "a.png", "width": float("nan"), "height": float("nan")}]
    assert coco.read(folder({"segmentation": [SQUARE]}, images=gaps), None)[0].truth.areas().tolist() == [20]


def test_without_a_size_that_of_the_file_is_taken(folder):
    root = folder({"segmentation": [SQUARE]}, images=[{"id": 5, "file_name": "a.png"}])
    assert coco.read(root, None)[0].truth.size == (12, 16)


def test_a_listed_background_without_annotations_is_no_category(folder):
    categories = [{"id": 0, "name": "_background_"}, *CATEGORIES]
    data = coco.read(folder({"segmentation": [SQUARE]}, categories=categories), None)
    assert data.classes.names == ("background", "dog", "cat")


@pytest.mark.parametrize("name", ["C:\\photos\\a.png", "/home/me/photos/a.png", "elsewhere/a.png", "../a.png"])
def test_paths_of_another_machine(folder, name):
    data = coco.read(folder({"segmentation": [SQUARE]}, images=[{**IMAGE, "file_name": name}]), None)
    assert data[0].name == "images/a"
    assert f"1 image is elsewhere than instances.json says: {name} was found as images/a.png" in data.notes


def test_names_in_decomposed_unicode(folder, save, photo):
    composed, decomposed = "b\u00e4r.png", "ba\u0308r.png"
    root = folder({"segmentation": [SQUARE]}, images=[{**IMAGE, "file_name": decomposed}])
    save(f"images/{composed}", photo)
    assert coco.read(root, None)[0].truth.areas().tolist() == [20]


@pytest.mark.parametrize("name", ["images/a.png", "images\\a.png"])
@pytest.mark.parametrize("where", ["result.json", "export/result.json"])
def test_as_label_studio_exports_it(folder, save, photo, name, where):
    categories = [{"id": 0, "name": "leaf"}, {"id": 1, "name": "stem"}]
    item = {"segmentation": [SQUARE], "id": 0, "image_id": 0, "category_id": 0}
    root = folder(item, images=[{**IMAGE, "id": 0, "file_name": name}], categories=categories, where=where)
    if where.startswith("export"):
        (root / "images" / "a.png").unlink()
        save("export/images/a.png", photo)
    data = coco.read(root, None)
    assert data.classes.names == ("background", "leaf", "stem")
    assert data[0].truth.labels.tolist() == [1]


def test_a_file_of_any_name_in_each_split(folder, save, photo):
    for split in ("train", "valid"):
        root = folder({"segmentation": [SQUARE]}, where=f"{split}/mine.json")
        save(f"{split}/images/a.png", photo)
    (root / "images" / "a.png").unlink()
    assert coco.available(root) == ("train", "val")
    assert coco.read(root, "val")[0].name == "valid/images/a"


TALL = [2, 3, 6, 3, 6, 15, 2, 15]
"""Reaches below an image of 12 rows, not below one of 16."""


@pytest.fixture
def turned(save, photo, folder):
    """An image of 16x12 in its file that is shown as 12x16, with polygons."""

    def turned(*polygons):
        root = folder(*({"segmentation": [polygon]} for polygon in polygons), images=[{**IMAGE, "file_name": "p.jpg"}])
        exif = Image.Exif()
        exif[0x0112] = 6
        save("images/p.jpg", photo, exif=exif)
        return root

    return turned


def test_width_and_height_of_the_stored_photo_with_polygons_of_the_upright_one(turned):
    data = coco.read(turned(TALL, SQUARE), None)
    assert data[0].truth.size == (16, 12)
    assert data[0].truth.areas().tolist() == [48, 20]
    (fault,) = data.faults(data.records[0])
    assert fault.kind == "orientation"
    assert (
        "state 16x12, the size of the photo as stored, but the polygons were drawn on the upright photo" in fault.text
    )


def test_when_polygons_fit_both_the_error_says_what_to_do(turned):
    with pytest.raises(ValueError, match=r"if the polygons were drawn on the upright photo, as seen, swap width and"):
        coco.read(turned(SQUARE), None)[0]


def test_polygons_beyond_the_image(folder):
    data = coco.read(folder({"segmentation": [TALL], "id": 8}, {"segmentation": [SQUARE]}), None)
    (fault,) = data.faults(data.records[0])
    assert "polygons of 1 annotation (8) reach beyond the image of 16x12 and are cut off" in fault.text
    assert data[0].truth.areas().tolist() == [36, 20]


def test_all_broken_annotations_of_an_image_are_named(folder):
    data = coco.read(folder({"segmentation": [[1, 1, 2, 2]]}, {"segmentation": [SQUARE]}, {"segmentation": 3}), None)
    with pytest.raises(ValueError, match=r"annotation 1 of .*a\.png: .*; annotation 3: "):
        data.truth(0)


def test_many_crowds_are_told(folder):
    crowd = {"segmentation": [SQUARE], "iscrowd": 1}
    data = coco.read(folder(crowd, crowd, {"segmentation": [SQUARE]}), None)
    assert data.notes[-1].startswith("2 of 3 annotations are crowds (iscrowd is 1)")
    assert "crowds" not in " ".join(coco.read(folder({"segmentation": [SQUARE]}), None).notes)

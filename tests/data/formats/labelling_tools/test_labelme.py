from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

import pixelwise
from pixelwise.data.formats.labelling_tools import labelme

SQUARE = [[2, 3], [6, 3], [6, 8], [2, 8]]
"""4 x 5 pixels."""


def shape(label="cell", points=SQUARE, **other):
    return {"label": label, "points": points, "group_id": None, "shape_type": "polygon", "flags": {}, **other}


@pytest.fixture
def annotate(save, photo, tmp_path):
    """Write an image of 16x12 and its annotations; `other` replaces or adds keys, None removes one."""

    def annotate(*shapes, image="a.png", json_file=None, **other):
        save(image, photo)
        name = image.rpartition("/")[2]
        whole = {
            "version": "5.5.0",
            "flags": {},
            "shapes": list(shapes),
            "imagePath": name,
            "imageData": None,
            "imageHeight": 12,
            "imageWidth": 16,
            **other,
        }
        file = tmp_path / (json_file or image.rpartition(".")[0] + ".json")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({key: value for key, value in whole.items() if value is not None}))
        return tmp_path

    return annotate


def areas(data, i=0):
    """Class and area of each object, in the order of the file, from the bottom to the top."""
    truth = data.truth(i)
    found = zip(truth.labels.tolist(), truth.areas().tolist(), strict=True)
    return [(data.classes.names[k], area) for k, area in found][::-1]


def test_polygons_are_objects_and_labels_are_classes(annotate):
    annotate(shape(), shape("ring", [[8, 0], [12, 0], [12, 4], [8, 4]]))
    data = pixelwise.open_dataset(annotate(image="b.png"), split=None)
    assert data.format == "labelme"
    assert data.classes.names == ("background", "cell", "ring")
    assert data.classes.things == (False, True, True)
    assert [record.name for record in data.records] == ["a", "b"]
    assert areas(data) == [("cell", 20), ("ring", 16)]
    assert data.notes[0] == "LabelMe annotations in 2 files: 2 shapes in 2 images"
    assert data.notes[1] == "1 image has no objects: b.png"


def test_shapes_of_one_group_and_one_label_are_one_object(annotate):
    right = [[8, 3], [12, 3], [12, 8], [8, 8]]
    root = annotate(shape(group_id=7), shape(points=right, group_id=7), shape("ring", right, group_id=7))
    assert areas(labelme.read(root, None)) == [("cell", 40), ("ring", 20)]


def test_rectangles_circles_and_masks(annotate):
    png = io.BytesIO()
    Image.fromarray(np.array([[255, 0], [0, 255], [255, 255]], np.uint8)).save(png, "PNG")
    root = annotate(
        shape(points=[[6, 8], [2, 3]], shape_type="rectangle"),
        shape(points=[[8, 6], [8, 11]], shape_type="circle"),
        shape(
            points=[[14, 9], [15, 11]],
            shape_type="mask",
            mask=base64.b64encode(png.getvalue()).decode(),
        ),
        shape(points=[[1, 1]], shape_type="point"),
        shape(points=[[1, 1], [2, 2]], shape_type="line"),
        shape(points=[[1, 1], [2, 2]]),
    )
    data = labelme.read(root, None)
    (_, box), (_, disc), (_, mask) = areas(data)
    assert (box, mask) == (20, 4)
    assert abs(disc - np.pi * 25) < 5
    assert data.truth(0).masks.dense()[0, 9:, 14:].tolist() == [[True, False], [False, True], [True, True]]
    assert "left out, because they are no masks: 1 lines, 1 points, 1 polygons with too few points" in data.notes


def test_optional_fields_may_be_missing(annotate):
    bare = {"label": "cell", "points": SQUARE}
    root = annotate(bare, imagePath=None, imageHeight=None, imageWidth=None, version=None, flags=None)
    assert areas(labelme.read(root, None)) == [("cell", 20)]


@pytest.mark.parametrize("path", ["..\\images\\a.png", "C:\\mine\\images\\a.png", "/home/me/a.png", "old name.png"])
def test_annotations_in_a_folder_of_their_own(annotate, path):
    root = annotate(shape(), image="images/a.png", json_file="labels/a.json", imagePath=path)
    data = pixelwise.open_dataset(root, split=None)
    assert data.records[0].name == "images/a"
    assert areas(data) == [("cell", 20)]


def test_folders_are_splits(annotate):
    for folder in ("train", "validation"):
        root = annotate(shape(), image=f"{folder}/images/a.png", json_file=f"{folder}/labels/a.json")
    assert labelme.available(root) == ("train", "val")
    assert [record.name for record in labelme.read(root, "val").records] == ["validation/images/a"]
    assert len(labelme.read(root, None)) == 2


def test_lists_of_names_are_splits(annotate, tmp_path):
    for name in "abc":
        root = annotate(shape(), image=f"{name}.png")
    (tmp_path / "train.txt").write_text("a\nb.png\n")
    (tmp_path / "val.txt").write_text("c\n")
    (tmp_path / "small.txt").write_text("a\n")
    (tmp_path / "labels.txt").write_text("cell\n")
    assert labelme.available(root) == ("train", "val", "small")
    assert [record.name for record in labelme.read(root, "train").records] == ["a", "b"]
    (tmp_path / "val.txt").write_text("d\n")
    with pytest.raises(ValueError, match=r"val\.txt lists images that are not there, or have no mask: d"):
        labelme.read(root, "train")


def test_one_file_and_a_mark_at_its_beginning(annotate, tmp_path):
    root = annotate(shape())
    file = tmp_path / "a.json"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    data = pixelwise.open_dataset(file, split=None)
    assert data.format == "labelme"
    assert areas(data) == areas(labelme.read(root, None)) == [("cell", 20)]


def test_pixels_before_the_shapes_in_a_large_file(annotate):
    root = annotate(imageData="A" * 3_000_000)
    whole = json.loads((root / "a.json").read_text())
    (root / "a.json").write_text(json.dumps(dict(sorted(whole.items())) | {"shapes": [shape()]}))
    assert labelme.detect(root) == "LabelMe annotations such as a.json"


def test_the_order_of_classes(annotate, tmp_path):
    root = annotate(shape(), shape("arc"), shape("_background_"), shape("__ignore__"))
    assert labelme.read(root, None).classes.names == ("background", "arc", "cell")
    (tmp_path / "labels.txt").write_text("__ignore__\n_background_\ncell\narc\nnever\n")
    data = labelme.read(root, None)
    assert data.classes.names == ("background", "cell", "arc", "never")
    assert "1 shapes called __ignore__, 1 shapes called background" in data.notes[-1]
    assert labelme.read(root, None, classes="nothing,arc").classes.names == ("nothing", "arc")
    with pytest.raises(ValueError, match="no category 'cel'; did you mean 'cell'"):
        labelme.read(root, None, classes="cel")


def test_round_trip_with_holes_parts_and_crowds(shapes, tmp_path, same):
    data = shapes(tmp_path, "masks")
    labelme.write(data, tmp_path / "out")
    same(labelme.read(tmp_path / "out", "train"), data)


def test_images_without_annotations_are_told(annotate, save, photo):
    root = annotate(shape())
    save("z.png", photo)
    assert labelme.read(root, None).notes[-1] == "1 image without annotations left out: z.png"


BROKEN = {
    "no shapes": ({"shapes": 3}, "a.json has no list of shapes"),
    "no objects": ({"shapes": [shape(shape_type="point")]}, r"no image has a polygon or mask \(only 1 points\)"),
    "a shape": ({"shapes": [3]}, "shape 1 is 3: wanted"),
    "a label": ({"shapes": [shape(label=None)]}, "shape 1 has the label 'None'"),
    "points": ({"shapes": [shape(points=[[1, 2, 3]])]}, r"has a point \[1, 2, 3\]"),
    "words": ({"shapes": [shape(points=[["a", 2]])]}, "coordinate is 'a': wanted a number"),
    "huge": ({"shapes": [shape(points=[[1e300, 2]])]}, "coordinate is '1e.300': wanted a number"),
    "kind": ({"shapes": [shape(shape_type="cube")]}, "is of the kind 'cube'"),
    "size": ({"imageHeight": 10**9, "imageWidth": 10**9}, "larger than"),
    "size of words": ({"imageHeight": "high"}, "wanted whole numbers from 1 on"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files(annotate, case):
    other, message = BROKEN[case]
    with pytest.raises(ValueError, match=message):
        labelme.read(annotate(**{"shapes": [shape()], **other}), None)


def test_deep_json(annotate, tmp_path):
    annotate(shape())
    (tmp_path / "a.json").write_text('{"shapes": [], "imagePath": ' + "[" * 100_000)
    with pytest.raises(ValueError, match=r"a\.json is no JSON"):
        labelme.read(tmp_path, None)


def test_missing_and_repeated_images(annotate, tmp_path):
    root = annotate(shape(), imagePath="b.png", json_file="c.json")
    with pytest.raises(ValueError, match=r"c\.json names images that are not below .*: b\.png"):
        labelme.read(root, None)
    annotate(shape(), json_file="c.json")
    annotate(shape())
    with pytest.raises(ValueError, match=r"a\.png is annotated 2 times"):
        labelme.read(root, None)


def test_a_mask_that_is_none_is_named_when_read(annotate):
    data = labelme.read(annotate(shape(shape_type="mask", mask="AAAA")), None)
    with pytest.raises(ValueError, match=r"a\.json, shape 1 of .*a\.png: its mask is no PNG"):
        data.truth(0)


def test_no_annotations(tmp_path):
    with pytest.raises(ValueError, match=r"wanted a\.json, with shapes and imagePath, beside a\.jpg"):
        labelme.read(tmp_path, None)

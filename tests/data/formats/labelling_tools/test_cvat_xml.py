from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import pixelwise
from pixelwise.data.formats.labelling_tools import cvat_xml

SQUARE = '<polygon label="leaf" points="2.0,3.0;6.0,3.0;6.0,8.0;2.0,8.0"/>'
"""4 x 5 pixels."""

LABELS = "<meta><task><labels>{}</labels></task></meta>"


def label(name, kind="any"):
    return f"<label><name>{name}</name><color>#ff0000</color><type>{kind}</type></label>"


def image(*shapes, name="a.png", size='width="16" height="12"', **other):
    more = " ".join(f'{key}="{value}"' for key, value in other.items())
    return f'<image id="0" name="{name}" {size} {more}>{"".join(shapes)}</image>'


@pytest.fixture
def export(save, photo, tmp_path):
    """Write an XML file, and the images that are named."""

    def export(*elements, where="annotations.xml", images=("images/a.png",), head='<?xml version="1.0"?>'):
        for name in images:
            save(name, photo)
        file = tmp_path / where
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{head}\n<annotations><version>1.1</version>{''.join(elements)}</annotations>")
        return tmp_path

    return export


def areas(data, i=0):
    """Class and area of each object, in the order of the file, from the bottom to the top."""
    truth = data.truth(i)
    found = zip(truth.labels.tolist(), truth.areas().tolist(), strict=True)
    return [(data.classes.names[k], area) for k, area in found][::-1]


def test_polygons_masks_and_ellipses(export):
    root = export(
        LABELS.format(label("stem") + label("leaf") + label("tip", "points")),
        image(
            SQUARE,
            '<mask label="stem" rle="1, 2, 1, 2" left="8" top="4" width="3" height="2" z_order="0"/>',
            '<ellipse label="leaf" cx="8" cy="6" rx="4" ry="2" rotation="90"/>',
            '<box label="leaf" xtl="1" ytl="1" xbr="3" ybr="3"/>',
            '<polyline label="leaf" points="1,1;2,2"/><tag label="leaf"/>',
        ),
    )
    data = pixelwise.open_dataset(root, split=None)
    assert data.format == "cvat"
    assert data.classes.names == ("background", "stem", "leaf")
    (_, square), (stem, mask), (_, oval) = areas(data)
    assert (square, stem, mask) == (20, "stem", 4)
    assert abs(oval - np.pi * 8) < 4
    assert data.truth(0).boxes()[0].tolist() == pytest.approx([6, 2, 10, 10], abs=1)
    assert data.truth(0).masks.dense()[1, 4:6, 8:11].tolist() == [[False, True, True], [False, True, True]]
    assert data.notes[-1] == "left out, because they are no masks: 1 boxes, 1 polylines, 1 tags"


def test_groups_are_one_object_and_the_highest_is_on_top(export):
    other = '<polygon label="leaf" group_id="4" z_order="0" points="8,3;12,3;12,8;8,8"/>'
    stem = '<polygon label="stem" z_order="-1" points="0,0;16,0;16,12;0,12"/>'
    root = export(image(SQUARE.replace("points", 'group_id="4" points'), other, stem))
    data = cvat_xml.read(root, None)
    assert areas(data) == [("stem", 192), ("leaf", 40)]
    assert (data.truth(0).class_map() == 1).sum() == 40


def test_subsets_are_splits(export):
    images = [image(SQUARE, name=f"{name}.png", subset=name) for name in ("Train", "Validation")]
    root = export(*images, images=("images/Train/Train.png", "images/Validation/Validation.png"))
    assert cvat_xml.available(root) == ("train", "val")
    assert [record.name for record in cvat_xml.read(root, "val").records] == ["images/Validation/Validation"]


def test_several_tasks_in_folders(export):
    export(image(SQUARE), where="task_1/annotations.xml", images=("task_1/images/a.png",))
    root = export(image(SQUARE), where="task_2/annotations.xml", images=("task_2/images/a.png",))
    data = cvat_xml.read(root, None)
    assert [record.name for record in data.records] == ["task_1/images/a", "task_2/images/a"]
    assert cvat_xml.available(root) == ("train", "val")


def test_images_without_shapes_and_sizes(export):
    root = export(image(SQUARE, size=""), image(name="b.png", subset="default"), images=("a.png", "b.png"))
    data = cvat_xml.read(root, None)
    assert areas(data) == [("leaf", 20)]
    assert len(data.truth(1)) == 0
    assert "1 image has no objects: b.png" in data.notes


def test_the_size_of_the_stored_photo_with_polygons_of_the_upright_one(export, save, photo):
    exif = Image.Exif()
    exif[0x0112] = 6
    tall = SQUARE.replace("8.0", "15.0")
    root = export(image(tall, name="p.jpg"), images=())
    save("images/p.jpg", photo, exif=exif)
    data = cvat_xml.read(root, None)
    assert data[0].truth.size == (16, 12)
    assert areas(data) == [("leaf", 48)]


def test_round_trip_with_holes_parts_and_crowds(shapes, tmp_path, same):
    data = shapes(tmp_path, "masks")
    cvat_xml.write(data, tmp_path / "out")
    same(cvat_xml.read(tmp_path / "out", "train"), data)


BROKEN = {
    "a word": (SQUARE.replace("2.0", "two"), "image 'a.png', polygon 1: a coordinate is 'two'"),
    "odd points": (SQUARE.replace("2.0,3.0", "2.0"), "wanted x,y;x,y"),
    "infinite": (SQUARE.replace("2.0", "inf"), "coordinate is 'inf'"),
    "no label": (SQUARE.replace("label", "name"), "has the label 'None'"),
    "no runs": ('<mask label="a" left="0" top="0" width="2" height="2"/>', "its rle holds ''"),
    "no box": ('<mask label="a" rle="4"/>', "mask 1: left is 'None'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_shapes(export, case):
    shape, message = BROKEN[case]
    with pytest.raises(ValueError, match=rf"annotations\.xml.*{message}"):
        cvat_xml.read(export(image(shape)), None)


@pytest.mark.parametrize(
    ("box", "message"),
    [('width="3" height="2"', "cover 4 pixels, but its box of 3x2 has 6"), ('width="99999" height="99999"', "box of")],
)
def test_masks_that_do_not_fit_are_named_when_read(export, box, message):
    data = cvat_xml.read(export(image(f'<mask label="a" rle="2, 2" left="0" top="0" {box}/>')), None)
    with pytest.raises(ValueError, match=rf"annotations\.xml, mask 1 of .*a\.png: .*{message}"):
        data.truth(0)


def test_masks_that_leave_the_image_are_cut(export):
    mask = '<mask label="a" rle="0, 36" left="{}" top="{}" width="6" height="6"/>'
    data = cvat_xml.read(export(image(mask.format(-2, -3), mask.format(14, 10), mask.format(40, 40))), None)
    assert [area for _, area in areas(data)] == [12, 4, 0]


ENTITIES = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "{}">]>'


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": ENTITIES.format("x" * 10)}, "declares a document type"),
        ({"head": '<!DOCTYPE a SYSTEM "file:///etc/passwd">'}, "declares a document type"),
        ({"head": "<annotations>"}, "is no XML"),
    ],
)
def test_hostile_xml(export, options, message):
    with pytest.raises(ValueError, match=rf"annotations\.xml {message}"):
        cvat_xml.read(export(image(SQUARE), **options), None)


def test_deep_xml(export):
    with pytest.raises(ValueError, match="elements in elements"):
        cvat_xml.read(export(image(SQUARE), "<a>" * 100 + "</a>" * 100), None)


def test_what_is_not_read(export):
    with pytest.raises(ValueError, match="holds tracks of a video: export the task as CVAT for images"):
        cvat_xml.read(export('<track id="0" label="a"></track>'), None)
    with pytest.raises(ValueError, match=r"no image has a polygon or mask \(only 1 boxes\)"):
        cvat_xml.read(export(image('<box label="a"/>')), None)
    with pytest.raises(ValueError, match=r"names images that are not below .*: \.\./\.\./etc/b\.png"):
        cvat_xml.read(export(image(SQUARE, name="../../etc/b.png")), None)


def test_no_annotations(tmp_path):
    with pytest.raises(ValueError, match=r"wanted annotations\.xml beside images/"):
        cvat_xml.read(tmp_path, None)

from __future__ import annotations

import base64
import io
import json
import zlib

import numpy as np
import pytest
from PIL import Image

import pixelwise
from pixelwise.data.formats.labelling_tools import supervisely

SQUARE = [[2, 3], [6, 3], [6, 8], [2, 8]]
"""4 x 5 pixels."""


def item(title="leaf", kind="polygon", exterior=SQUARE, interior=(), **other):
    points = {"exterior": exterior, "interior": list(interior)}
    return {"classTitle": title, "geometryType": kind, "points": points, "tags": [], **other}


def pack(mask):
    png = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(png, "PNG")
    return base64.b64encode(zlib.compress(png.getvalue())).decode()


@pytest.fixture
def project(save, photo, tmp_path):
    def project(*objects, folder="ds0", **other):
        save(f"{folder}/img/a.png", photo)
        whole = {"description": "", "tags": [], "size": {"height": 12, "width": 16}, "objects": list(objects), **other}
        file = tmp_path / folder / "ann" / "a.png.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(whole))
        classes = [{"title": "stem", "shape": "bitmap"}, {"title": "leaf"}, {"title": "tip", "shape": "point"}]
        (tmp_path / "meta.json").write_text(json.dumps({"classes": classes, "tags": []}))
        return tmp_path

    return project


def areas(data, i=0):
    """Class and area of each object, in the order of the file."""
    truth = data.truth(i)
    found = zip(truth.labels.tolist(), truth.areas().tolist(), strict=True)
    return [(data.classes.names[k], area) for k, area in found][::-1]


def test_polygons_with_holes_bitmaps_and_rectangles(project):
    mask = np.array([[True, False], [True, True]])
    bitmap = {"data": pack(mask), "origin": [14, 9]}
    root = project(
        item(interior=[[[3, 4], [5, 4], [5, 6], [3, 6]]]),
        {"classTitle": "stem", "geometryType": "bitmap", "bitmap": bitmap},
        item("leaf", "rectangle", [[8, 1], [12, 4]]),
        item("tip", "point", [[1, 1]]),
        item(exterior=[[1, 1]]),
    )
    data = pixelwise.open_dataset(root, split=None)
    assert data.format == "supervisely"
    assert data.classes.names == ("background", "stem", "leaf")
    assert areas(data) == [("leaf", 16), ("stem", 3), ("leaf", 12)]
    assert data.truth(0).masks.dense()[1, 9:11, 14:].tolist() == mask.tolist()
    assert "1 objects of the kind point, 1 polygons with too few points" in data.notes[-1]


def test_folders_are_splits(project):
    project(item(), folder="train")
    root = project(item(), folder="val")
    assert supervisely.available(root) == ("train", "val")
    assert [record.name for record in supervisely.read(root, "val").records] == ["val/img/a"]


BROKEN = {
    "objects": ({"objects": {"tags": 3, "classTitle": 1}}, "has no list of objects"),
    "an object": ({"objects": [3, item()]}, "object 1 is 3"),
    "no data": ({"objects": [item(kind="bitmap")]}, "object 1 is a bitmap without data"),
    "no origin": ({"objects": [item(kind="bitmap", bitmap={"data": "AAAA"})]}, "its origin is None"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files(project, case):
    other, message = BROKEN[case]
    with pytest.raises(ValueError, match=rf"a\.png\.json.*{message}"):
        supervisely.read(project(**other), None)


@pytest.mark.parametrize("data", ["AAAA", base64.b64encode(zlib.compress(b"0" * 10**7)).decode()])
def test_bitmaps_that_are_none_are_named_when_read(project, data):
    bitmap = {"data": data, "origin": [0, 0]}
    found = supervisely.read(project({"classTitle": "a", "geometryType": "bitmap", "bitmap": bitmap}), None)
    with pytest.raises(ValueError, match=r"a\.png\.json, object 1 of .*a\.png: its mask is no PNG"):
        found.truth(0)


def test_no_annotations(tmp_path):
    with pytest.raises(ValueError, match="holds no Supervisely annotations"):
        supervisely.read(tmp_path, None)

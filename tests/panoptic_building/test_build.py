from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from pixelwise.cli import WRONG_INPUT, main
from pixelwise.data.formats import coco_panoptic
from pixelwise.data.opening import open_dataset
from pixelwise.inspection.report import inspect
from pixelwise.panoptic_building.build import build_panoptic
from pixelwise.panoptic_building.ground_truth import APPROXIMATE

CAMVID = "sky,building,pole,road,pavement,tree,signsymbol,fence,car,pedestrian,bicyclist"
SQUARE = [2, 3, 6, 3, 6, 8, 2, 8]


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


@pytest.fixture
def masks(tmp_path):
    """Images a, b, c of 16x12 with class masks: background, road below row 8, a car of 5x4 pixels."""
    for k, name in enumerate("abc"):
        write(tmp_path / "masks" / "images" / f"{name}.png", np.full((12, 16, 3), 60 * k, np.uint8))
        mask = np.zeros((12, 16), np.uint8)
        mask[8:], mask[3:8, 2:6] = 1, 2
        write(tmp_path / "masks" / "masks" / f"{name}.png", mask)
    return tmp_path / "masks"


@pytest.fixture
def polygons(tmp_path, masks):
    """COCO objects of a, b and d: as the mask says in a, one column further right in b."""
    names = "abd"
    write(tmp_path / "coco" / "images" / "d.png", np.zeros((12, 16, 3), np.uint8))
    for name in "ab":
        write(tmp_path / "coco" / "images" / f"{name}.png", cv2.imread(str(masks / "images" / f"{name}.png")))
    shifted = [value + (k % 2 == 0) for k, value in enumerate(SQUARE)]
    whole = {
        "images": [{"id": k, "file_name": f"{name}.png", "width": 16, "height": 12} for k, name in enumerate(names)],
        "annotations": [
            {"id": k, "image_id": k, "category_id": 1, "segmentation": [shape]}
            for k, shape in enumerate((SQUARE, shifted, SQUARE))
        ],
        "categories": [{"id": 1, "name": "car"}],
    }
    (tmp_path / "coco" / "instances.json").write_text(json.dumps(whole))
    return tmp_path / "coco"


def test_masks_and_polygons(masks, polygons, tmp_path, capsys):
    flags = ["--semantic", str(masks), "--instances", str(polygons), "--classes", "background,road,car"]
    assert main(["build-panoptic", *flags, "--out", str(tmp_path / "out")]) == 1, "images were left out"
    text = capsys.readouterr().out
    assert "1 conflict: the mask says another class than the object: 5 pixels in 1 image" in text
    assert "1 conflict: the mask says a thing, and no object is there: 5 pixels in 1 image" in text
    assert "left out: c: it has a class mask, but no objects" in text
    assert "left out: images/d: it has objects, but no class mask" in text
    data = open_dataset(tmp_path / "out", split=None)
    assert data.format == "coco-panoptic"
    assert sorted(record.image.stem for record in data.records) == ["a", "b"]
    assert data.classes.things == (False, False, True)
    truths = {record.image.stem: data.truth(i) for i, record in enumerate(data.records)}
    assert truths["a"].areas().tolist() == [20, 108, 64]
    assert truths["b"].areas().tolist() == [20, 103, 64]
    assert int((truths["b"].ids == 0).sum()) == 5
    with (tmp_path / "out" / "conflicts" / "conflicts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted((row["kind"], row["image"], row["pixels"]) for row in rows) == [
        ("class", "b", "5"),
        ("left out", "c", "0"),
        ("left out", "images/d", "0"),
        ("uncovered", "b", "5"),
    ]
    (shown,) = (tmp_path / "out" / "conflicts").rglob("*.jpg")
    assert shown.stem == "b"
    drawn = cv2.imread(str(shown))
    assert drawn.shape[1] > 1200
    assert "b (" in (tmp_path / "out" / "conflicts" / "index.html").read_text()
    assert inspect(tmp_path / "out", tmp_path / "page", imgsz=8).errors == ()


def test_camvid_made_approximately_panoptic(trial_data, tmp_path):
    data = open_dataset(trial_data("camvid"), split="val", classes=CAMVID, void=11)
    some = replace(data, records=data.records[:4])
    things = ["car", "pedestrian", "bicyclist", "signsymbol", "pole"]
    done = build_panoptic(tmp_path, semantic=some, things=things, smallest=8)
    assert done.approximate
    assert (done.rows, done.page, dict(done.images)) == ((), None, {"val": 4})
    assert f"approximate: {APPROXIMATE}" in done.table()
    again = coco_panoptic.read(tmp_path, "val")
    assert f"approximate: {APPROXIMATE}" in again.notes
    assert json.loads((tmp_path / "annotations" / "panoptic_val.json").read_text())["info"]["approximate"]
    number = 0
    for i in range(4):
        truth, mask = again.truth(i), some.truth(i).class_map().numpy()
        held = truth.class_map().numpy()
        for k, name in enumerate(again.classes.names):
            if name not in things:
                assert ((mask == k) == (held == k)).all()
                continue
            _, _, stats, _ = cv2.connectedComponentsWithStats((mask == k).astype(np.uint8), connectivity=8)
            areas = sorted(area for area in stats[1:, cv2.CC_STAT_AREA].tolist() if area >= 8)
            assert sorted(truth.areas()[truth.labels == k].tolist()) == areas
            number += len(areas)
        assert again.faults(again.records[i]) == ()
    assert number == done.objects > 40


def test_objects_alone(nuclei_sample, tmp_path):
    cells = open_dataset(nuclei_sample, split="val", classes="nucleus")
    cells = replace(cells, records=cells.records[:2])
    done = build_panoptic(tmp_path / "stuff", instances=cells)
    assert (done.approximate, done.rows) == (False, ())
    again = open_dataset(tmp_path / "stuff", split="val")
    assert again.classes == cells.classes
    for i in range(2):
        assert (again.truth(i).class_map() == cells.truth(i).class_map()).all()
        assert len(again.truth(i)) == len(cells.truth(i))
    build_panoptic(tmp_path / "void", instances=cells, rest="void")
    void = open_dataset(tmp_path / "void", split="val")
    assert void.classes.names == ("nucleus",)
    assert ((void.truth(0).ids == 0) == (cells.truth(0).class_map() == 0)).all()


def test_label_maps_whose_objects_have_no_class(masks, tmp_path):
    for name in "abc":
        write(tmp_path / "objects" / "images" / f"{name}.png", cv2.imread(str(masks / "images" / f"{name}.png")))
        ids = np.zeros((12, 16), np.uint16)
        ids[3:8, 2:4], ids[3:8, 4:6] = 1, 2
        write(tmp_path / "objects" / "masks" / f"{name}.png", ids)
    reading = {"classes": "background,road,car"}
    done = build_panoptic(
        tmp_path / "out", semantic=masks, instances=tmp_path / "objects", things=["car"], reading=reading
    )
    assert done.rows == ()
    assert done.objects == 6
    data = open_dataset(tmp_path / "out", split=None)
    assert data.classes.names == ("background", "road", "car")
    assert data.truth(0).labels.tolist() == [2, 2, 0, 1]


def test_broken_files_and_other_sizes_are_left_out(masks, polygons, tmp_path):
    write(masks / "masks" / "a.png", np.zeros((12, 15), np.uint8))
    reading = {"classes": "background,road,car"}
    done = build_panoptic(tmp_path / "out", semantic=masks, instances=polygons, reading=reading)
    reasons = {row.image: row.text for row in done.left_out}
    assert set(reasons) == {"a", "c", "images/d"}
    assert "is 16x12, but its mask" in reasons["a"]
    assert sum(done.images.values()) == 1
    (masks / "images" / "b.png").write_bytes(b"\x89PNG no image")
    with pytest.raises(ValueError, match="no image is left: "):
        build_panoptic(tmp_path / "none", semantic=masks, instances=polygons, reading=reading)


def test_the_command_says_what_is_missing(masks, tmp_path, capsys):
    for flags, what in (
        (["--out", "x"], "nothing to build from: give --semantic MASKS"),
        (["--semantic", str(masks), "--out", "x"], "which classes are countable"),
        (["--semantic", str(masks / "no"), "--out", "x"], "there is no"),
    ):
        assert main(["build-panoptic", *flags]) == WRONG_INPUT
        assert what in capsys.readouterr().err


def test_a_folder_that_holds_anything_is_left_as_it_is(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="out holds files already.*give a new folder"):
        build_panoptic(tmp_path / "out", instances="shapes:number=2,size=32")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]

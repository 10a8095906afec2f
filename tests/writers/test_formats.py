"""The table of formats, and writers that take the results of many images."""

from __future__ import annotations

import json

import pytest
import torch
import yaml

from pixelwise.classes import Classes
from pixelwise.segmentation import Segmentation
from pixelwise.writers.formats import DEFAULT_FORMATS, WRITERS, format_of_suffix, writer_of

CELLS = Classes(("background", "cell"), background=0)
RESULT = Segmentation(CELLS, torch.tensor([1]), masks=torch.ones(1, 2, 3, dtype=torch.bool))
FILES = {
    "overlay": {"overlay/a.jpg", "overlay/b/c.jpg"},
    "class-map": {"class-map/a.png", "class-map/b/c.png"},
    "label-map": {"label-map/a.png", "label-map/a.json", "label-map/b/c.png", "label-map/b/c.json"},
    "coco": {"coco.json"},
    "coco-panoptic": {"coco-panoptic.json", "coco-panoptic/a.png", "coco-panoptic/b/c.png"},
    "yolo": {"yolo/data.yaml", "yolo/labels/a.txt", "yolo/labels/b/c.txt"},
    "table": {"table.csv", "class_totals.csv"},
}


def test_each_writer_has_the_name_it_goes_by():
    assert {name: writer.name for name, writer in WRITERS.items()} == {name: name for name in WRITERS}
    assert set(DEFAULT_FORMATS) == {"semantic", "instance", "panoptic"}
    assert {format for formats in DEFAULT_FORMATS.values() for format in formats} <= set(WRITERS)


def test_a_suffix_stands_for_one_format():
    suffixes = [suffix for writer in WRITERS.values() for suffix in writer.recognized]
    assert len(set(suffixes)) == len(suffixes)
    assert (format_of_suffix(".PNG"), format_of_suffix(".xyz")) == ("class-map", None)


def test_unknown_formats_are_refused():
    with pytest.raises(ValueError, match="'tabel'.*did you mean 'table'"):
        writer_of("tabel")


@pytest.mark.parametrize("format", WRITERS)
def test_the_files_of_each_format(format, tmp_path):
    writer = WRITERS[format].for_folder(tmp_path, CELLS)
    assert list(tmp_path.iterdir()) == [], "making a writer writes nothing"
    for name in ("a.png", "b/c.jpg"):
        writer.add(name, RESULT, torch.zeros(3, 2, 3, dtype=torch.uint8))
    writer.close()
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert written == FILES[format]
    assert writer.notes() == []


def test_shared_files_tell_the_images_apart(tmp_path):
    writers = [writer_of(format).for_folder(tmp_path, CELLS) for format in ("coco", "table", "yolo")]
    for writer in writers:
        for name in ("a.png", "b/c.jpg"):
            writer.add(name, RESULT)
        writer.close()
    images = json.loads((tmp_path / "coco.json").read_text("utf-8"))["images"]
    assert [image["file_name"] for image in images] == ["a.png", "b/c.jpg"]
    lines = (tmp_path / "table.csv").read_text("utf-8").splitlines()
    assert [line.split(",")[0] for line in lines] == ["image", "a.png", "b/c.jpg"]
    assert yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_text("utf-8"))["names"] == {0: "cell"}


def test_overlays_too_large_for_a_jpeg_are_png(tmp_path, monkeypatch):
    monkeypatch.setattr("pixelwise.writers.overlay_writer.MAX_JPEG_SIDE", 2)
    writer = writer_of("overlay").for_folder(tmp_path, CELLS)
    writer.add("a.tif", RESULT, torch.zeros(3, 2, 3, dtype=torch.uint8))
    assert (tmp_path / "overlay" / "a.png").is_file()

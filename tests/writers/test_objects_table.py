from __future__ import annotations

import csv

import pytest
import torch

from pixelwise.classes import Classes
from pixelwise.masks import Masks
from pixelwise.segmentation import Segmentation
from pixelwise.writers.objects_table import (
    HEADER,
    TOTALS_HEADER,
    TableWriter,
    centroids,
    object_numbers,
    rows,
    write,
)

CELLS = Classes(("background", "cell", "debris, other"), background=0)


def noise(seed: int = 0) -> Segmentation:
    """Twenty masks of noise, the fifth empty."""
    masks = torch.rand(20, 30, 40, generator=torch.Generator().manual_seed(seed)) > 0.7
    masks[4] = False
    return Segmentation(CELLS, torch.arange(20) % 2 + 1, torch.linspace(0.9, 0.3, 20), masks=masks)


def test_centroids_are_the_means_of_the_pixels():
    result = noise()
    assert result.masks is not None
    for mask, centre in zip(result.masks, centroids(result.masks), strict=True):
        expected = mask.nonzero().double().mean(0).flip(0) + 0.5 if mask.any() else torch.zeros(2)
        assert centre == pytest.approx(expected.tolist())
    box = Masks.from_dense(torch.ones(1, 3, 5, dtype=torch.bool))
    assert centroids(box).tolist() == [[2.5, 1.5]], "the middle of its box"
    assert centroids(box.select(torch.zeros(0, dtype=torch.int64))).shape == (0, 2)


def test_a_table_is_read_back(tmp_path):
    table = rows("a, b.png", noise())
    write(table, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        header, *back = csv.reader(file)
    assert tuple(header) == HEADER
    assert back == [[str(value) for value in row] for row in table]
    assert {row[2] for row in back} == {"cell", "debris, other"}
    write([], tmp_path / "empty.csv")
    assert (tmp_path / "empty.csv").read_text("utf-8").split() == [",".join(HEADER)]


def test_the_numbers_leave_the_background_out():
    ids = torch.tensor([[1, 2, 3, 0]], dtype=torch.int32)
    result = Segmentation(CELLS, torch.tensor([1, 0, 1]), ids=ids)
    assert object_numbers(result).tolist() == [1, 0, 2]
    assert [row[1] for row in rows("a", result)] == [1, 2]


def table_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return [tuple(row) for row in csv.reader(file)]


def semantic() -> Segmentation:
    """Three cells, two of which touch at a corner, and one piece of debris; 1 of 2 classes is the background."""
    class_map = torch.zeros(10, 10, dtype=torch.uint8)
    class_map[:2, :2] = class_map[2:4, 2:4] = class_map[8:, 8:] = 1
    class_map[9, 0] = 2
    return Segmentation.from_class_map(class_map, CELLS)


def test_each_object_of_a_semantic_result_has_a_row(tmp_path):
    writer = TableWriter.for_folder(tmp_path, CELLS)
    writer.add("a.png", semantic())
    writer.close()
    header, *table = table_of(tmp_path / "table.csv")
    assert header == HEADER
    assert [row[:3] + row[4:5] for row in table] == [
        ("a.png", "1", "cell", "8"),
        ("a.png", "2", "cell", "4"),
        ("a.png", "3", "debris, other", "1"),
    ]
    assert table_of(tmp_path / "class_totals.csv") == [
        TOTALS_HEADER,
        ("a.png", "cell", "2", "12", "0.12"),
        ("a.png", "debris, other", "1", "1", "0.01"),
    ]


def test_objects_of_other_models_stay_whole(tmp_path):
    writer = TableWriter.for_folder(tmp_path, CELLS)
    writer.add("a.png", noise())
    writer.close()
    assert [row[1] for row in table_of(tmp_path / "table.csv")[1:]] == [str(n) for n in range(1, 21)]
    things = Classes(("background", "cell"), things=(False, True), background=0)
    ids = torch.tensor([[1, 0, 1, 2]], dtype=torch.int32)
    hidden = Segmentation(things, torch.tensor([1, 1]), ids=ids)
    writer = TableWriter.for_file(tmp_path / "b.csv", things)
    writer.add("b.png", hidden)
    writer.close()
    assert len(table_of(tmp_path / "b.csv")) == 3, "an object in two parts is one"
    assert not (tmp_path / "b_totals.csv").exists()

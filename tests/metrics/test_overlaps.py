"""Run lengths against pycocotools' own, from masks and from maps of ids."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pycocotools import mask as coco

from pixelwise.classes import Classes
from pixelwise.metrics.overlaps import objects_of, ranks
from pixelwise.segmentation import Segmentation

CLASSES = Classes(("cell", "ground"), background=1)


def masks():
    """Noise, nothing, everything, whole columns, whole rows, corners."""
    rng = np.random.default_rng(0)
    planes = np.zeros((9, 7, 11), bool)
    planes[0] = rng.random((7, 11)) < 0.5
    planes[2] = True
    planes[3, :, 2:5] = True
    planes[4, 3:5] = True
    planes[5, 0, 0] = planes[5, -1, -1] = True
    planes[6, :, 1:] = rng.random((7, 10)) < 0.9
    planes[7, 6, 3] = planes[7, 0, 4] = True
    planes[8, 2:5, 3:6] = rng.random((3, 3)) < 0.5
    return planes


def test_runs_of_masks():
    planes = masks()
    zeros = torch.zeros(len(planes), dtype=torch.int64)
    objects = objects_of(Segmentation(CLASSES, zeros, masks=torch.from_numpy(planes)))
    wanted = coco.encode(np.asfortranarray(planes.transpose(1, 2, 0).astype(np.uint8)))
    assert objects.areas.tolist() == coco.area(wanted).tolist()
    assert objects.boxes.tolist() == coco.toBbox(wanted).tolist()
    assert [one["counts"] for one in objects.runs] == [one["counts"] for one in wanted]
    assert [one["size"] for one in objects.runs] == [[7, 11]] * len(planes)


@pytest.mark.parametrize("size", [(1, 1), (1, 8), (8, 1), (13, 17)])
def test_runs_of_maps(size):
    ids = np.random.default_rng(1).integers(0, 4, size).astype(np.int32)
    ids[ids == 3] = 4  # segment 3 is empty
    runs = objects_of(Segmentation(CLASSES, torch.zeros(4, dtype=torch.int64), ids=torch.from_numpy(ids))).runs
    for n, one in enumerate(runs, 1):
        wanted = coco.encode(np.asfortranarray((ids == n).astype(np.uint8)))
        assert one["counts"] == wanted["counts"]


def test_the_best_of_each_class_come_first():
    ids = torch.arange(6, dtype=torch.int32).reshape(2, 3)
    labels, scores = torch.tensor([0, 1, 0, 0, 0]), torch.tensor([0.5, 0.9, 0.7, 0.5, 0.1])
    objects = objects_of(Segmentation(CLASSES, labels, scores, ids=ids))
    assert objects.labels.tolist() == [0, 0, 0, 0]
    assert objects.scores.tolist() == pytest.approx([0.7, 0.5, 0.5, 0.1])
    assert objects.boxes.tolist() == [[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 1, 1], [2, 1, 1, 1]]
    assert objects.areas.tolist() == [1, 1, 1, 1]


def test_ranks():
    assert ranks(np.array([3, 3, 4, 9, 9, 9])).tolist() == [0, 1, 0, 0, 1, 2]
    assert ranks(np.zeros(0, np.int64)).tolist() == []


def test_more_objects_than_a_byte_counts():
    """The area of more than 255 run lengths overflows in pycocotools with numpy 2.4."""
    ids = torch.arange(1, 301, dtype=torch.int32).repeat_interleave(2).reshape(20, 30)
    found = objects_of(Segmentation(CLASSES, torch.zeros(300, dtype=torch.int64), ids=ids))
    assert found.areas.tolist() == [2.0] * 300
    assert found.boxes[-1].tolist() == [28, 19, 2, 1]

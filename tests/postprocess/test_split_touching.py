"""Objects of a class: connected components, and the watershed that parts touching ones."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from pixelwise.classes import Classes
from pixelwise.postprocess.split_touching import connected, objects_of_classes, watershed
from pixelwise.segmentation import Segmentation


def discs(*circles: tuple[int, int, int], size: tuple[int, int] = (80, 120)) -> np.ndarray:
    """Discs of (x, y, radius)."""
    mask = np.zeros(size, np.uint8)
    for x, y, radius in circles:
        cv2.circle(mask, (x, y), radius, 1, -1)
    return mask > 0


def test_corners_connect():
    mask = np.array([[1, 0, 0, 1], [0, 1, 0, 1]], bool)
    assert connected(mask).tolist() == [[1, 0, 0, 2], [0, 1, 0, 2]]


@pytest.mark.parametrize("distance", [26, 30, 34, 40])
def test_touching_discs_are_parted(distance):
    """Radius 20: connected up to a distance of 40."""
    mask = discs((30, 40, 20), (30 + distance, 40, 20))
    assert connected(mask).max() == 1
    labels = watershed(mask)
    expected = 1 if distance == 26 else 2
    assert labels.max() == expected
    assert ((labels > 0) == mask).all()
    if expected == 2:
        areas = np.bincount(labels.ravel())[1:]
        assert abs(areas[0] - areas[1]) <= 0.05 * areas.sum()
        assert labels[40, 30] != labels[40, 30 + distance]


@pytest.mark.parametrize("angle", [0, 30, 45, 77])
def test_one_object_stays_one(angle):
    """An ellipse, a rod and a banana have no neck."""
    for axes in ((40, 15), (40, 4), (20, 20)):
        mask = np.zeros((120, 120), np.uint8)
        cv2.ellipse(mask, (60, 60), axes, angle, 0, 360, 1, -1)
        assert watershed(mask > 0).max() == 1, axes
    banana = np.zeros((120, 120), np.uint8)
    cv2.ellipse(banana, (60, 60), (40, 40), angle, 0, 200, 1, 9)
    assert watershed(banana > 0).max() == 1


def test_many_touching_discs():
    rows = [(15 + 19 * i, 15 + 19 * j, 10) for i in range(10) for j in range(6)]
    mask = discs(*rows, size=(130, 210))
    assert connected(mask).max() == 1
    assert watershed(mask).max() == 60


def test_nothing_and_everything():
    assert watershed(np.zeros((5, 7), bool)).max() == 0
    assert watershed(np.ones((5, 7), bool)).max() == 1
    assert watershed(np.ones((1, 1), bool)).tolist() == [[1]]


def test_objects_apart_are_never_united():
    mask = discs((20, 20, 9), (60, 20, 3), (100, 60, 12))
    assert (watershed(mask) > 0).sum() == mask.sum()
    assert watershed(mask).max() == connected(mask).max() == 3


def test_classes_become_objects():
    classes = Classes(("ground", "cell"), background=0)
    mask = discs((30, 40, 20), (64, 40, 20), (100, 70, 5))
    result = Segmentation.from_class_map(torch.from_numpy(mask.astype(np.uint8)), classes)
    for split, number in (("components", 2), ("watershed", 3)):
        objects = objects_of_classes(result, split)
        assert objects.labels.tolist() == [0] + [1] * number
        assert torch.equal(objects.class_map(), result.class_map())
    with pytest.raises(ValueError, match="components or watershed, not by 'magic'"):
        objects_of_classes(result, "magic")
    with pytest.raises(ValueError, match="objects already"):
        objects_of_classes(Segmentation(classes, result.labels, masks=result.as_masks()), "components")

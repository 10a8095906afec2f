from __future__ import annotations

import dataclasses

import pytest
import torch

from pixelwise.classes import Classes
from pixelwise.segmentation import Segmentation

CLASSES = Classes(("background", "cell", "wall"), background=0)
MAP = torch.tensor([[0, 0, 1, 255], [2, 2, 1, 255]])


def masks(*rectangles: tuple[int, int, int, int], size: tuple[int, int] = (6, 8)) -> torch.Tensor:
    """Filled rectangles, given as x1 y1 x2 y2."""
    out = torch.zeros(len(rectangles), *size, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(out, rectangles, strict=True):
        mask[y1:y2, x1:x2] = True
    return out


def test_class_map_there_and_back():
    segmentation = Segmentation.from_class_map(MAP, CLASSES)
    assert segmentation.labels.tolist() == [0, 1, 2]
    assert torch.equal(segmentation.class_map(), MAP.to(torch.uint8))
    assert segmentation.areas().tolist() == [2, 2, 2]
    assert segmentation.boxes().tolist() == [[0, 0, 2, 1], [2, 0, 3, 2], [0, 1, 2, 2]]
    assert segmentation.size == (2, 4)
    assert segmentation == Segmentation.from_class_map(MAP.to(torch.uint8), CLASSES)


def test_masks_may_overlap_and_the_best_lies_on_top():
    segmentation = Segmentation(
        CLASSES, torch.tensor([1, 2]), torch.tensor([0.9, 0.4]), masks=masks((0, 0, 4, 3), (2, 1, 6, 5))
    )
    assert segmentation.areas().tolist() == [12, 16]
    assert segmentation.panoptic_map()[1, 3] == 1
    assert segmentation.class_map()[4, 5] == 2
    assert segmentation.class_map()[5, 7] == 0, "what no mask covers is background"
    assert segmentation.mask(1).sum() == 16


def test_uncovered_pixels_are_void_without_a_background():
    segmentation = Segmentation(Classes(("cell",)), torch.tensor([0]), masks=masks((0, 0, 1, 1)))
    assert segmentation.class_map()[5, 7] == 255


def test_select_renumbers():
    segmentation = Segmentation.from_class_map(MAP, CLASSES)
    kept = segmentation.select(torch.tensor([False, True, True]))
    assert kept.labels.tolist() == [1, 2]
    assert torch.equal(kept.class_map(), torch.tensor([[255, 255, 1, 255], [2, 2, 1, 255]], dtype=torch.uint8))
    assert segmentation.select(torch.tensor([2, 0])).labels.tolist() == [2, 0]


def test_no_segment_at_all():
    empty = Segmentation.from_class_map(torch.full((3, 2), 255), CLASSES)
    assert len(empty) == 0
    assert empty.boxes().shape == (0, 4)
    assert (empty.class_map() == 255).all()


@pytest.mark.parametrize(
    "segmentation",
    [
        Segmentation.from_class_map(MAP, CLASSES),
        Segmentation(CLASSES, torch.tensor([1, 2]), masks=masks((0, 0, 4, 3), (2, 1, 6, 5))),
    ],
    ids=["ids", "masks"],
)
def test_both_carriers_come_apart_as_masks(segmentation):
    separate = segmentation.as_masks()
    assert torch.equal(separate.dense(), torch.stack([segmentation.mask(n) for n in range(len(segmentation))]))
    assert torch.equal(separate.areas(), segmentation.areas())
    assert segmentation.to("cpu") == segmentation
    assert segmentation != Segmentation(CLASSES, segmentation.labels, masks=separate.dense().flip(0))


def test_masks_are_told_from_ids():
    segmentation = Segmentation.from_class_map(MAP, CLASSES)
    assert segmentation != Segmentation(CLASSES, segmentation.labels, masks=segmentation.as_masks())
    assert dataclasses.replace(segmentation, scores=segmentation.scores / 2).ids is segmentation.ids


def test_immutable():
    segmentation = Segmentation.from_class_map(MAP, CLASSES)
    with pytest.raises(dataclasses.FrozenInstanceError):
        segmentation.labels = torch.zeros(3)  # type: ignore[misc]


ONE = torch.tensor([1])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"labels": ONE}, ValueError, "either ids .* or masks"),
        ({"labels": ONE, "ids": torch.zeros(2, 2).int(), "masks": masks((0, 0, 1, 1))}, ValueError, "not both"),
        ({"labels": ONE.int(), "masks": masks((0, 0, 1, 1))}, TypeError, "labels must be a tensor of torch.int64"),
        ({"labels": ONE + 2, "masks": masks((0, 0, 1, 1))}, ValueError, "numbered 0 to 2"),
        ({"labels": ONE, "ids": torch.full((2, 2), 2).int()}, ValueError, "ids run from 2 to 2, but 1 segments"),
        ({"labels": ONE, "ids": torch.zeros(2, 2)}, TypeError, "ids must be a tensor of torch.int32"),
        ({"labels": ONE, "masks": masks()}, ValueError, "0 masks for 1 labels"),
        ({"labels": ONE, "masks": masks((0, 0, 1, 1)), "scores": torch.ones(2)}, ValueError, "2 scores for 1"),
        ({"labels": [1], "masks": masks((0, 0, 1, 1))}, TypeError, "not list"),
    ],
)
def test_errors_teach(arguments, error, message):
    with pytest.raises(error, match=message):
        Segmentation(CLASSES, **arguments)


def test_class_map_out_of_range():
    with pytest.raises(ValueError, match=r"holds class 3, but the 3 classes are numbered 0 to 2"):
        Segmentation.from_class_map(torch.full((2, 2), 3), CLASSES)
    with pytest.raises(ValueError, match="0 to 255, not -1"):
        Segmentation.from_class_map(torch.full((2, 2), -1), CLASSES)

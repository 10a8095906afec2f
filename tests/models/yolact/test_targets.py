"""Targets of anchors: crowds, background, empty objects, and the neutral band between the overlaps."""

from __future__ import annotations

import torch

from pixelwise.classes import Classes
from pixelwise.models.yolact.anchor_grid import anchor_grid
from pixelwise.models.yolact.targets import assign_targets
from pixelwise.models.yolact.yolact import RATIOS
from pixelwise.segmentation import Segmentation

THREE = Classes(("ground", "cat", "dog"), things=(False, True, True), background=0)


def truth(masks: torch.Tensor, labels: list[int], crowd: list[bool] | None = None) -> Segmentation:
    crowds = None if crowd is None else torch.tensor(crowd)
    return Segmentation(THREE, torch.tensor(labels, dtype=torch.int64), masks=masks, crowd=crowds)


def square(side: int, *places: tuple[int, int, int]) -> torch.Tensor:
    """(N, side, side) bool: squares by row, column and length."""
    masks = torch.zeros(len(places), side, side, dtype=torch.bool)
    for mask, (row, column, length) in zip(masks, places, strict=True):
        mask[row : row + length, column : column + length] = True
    return masks


def test_crowds_the_background_and_empty_objects_are_no_objects():
    anchors = torch.from_numpy(anchor_grid((96, 96), ((12, 12), (6, 6)), (12, 24), RATIOS))
    masks = square(96, (30, 30, 24), (0, 0, 96), (50, 50, 0), (60, 0, 36))
    targets = assign_targets(anchors, truth(masks, [2, 0, 1, 1], [False, False, False, True]))
    assert targets.classes.tolist() == [2]
    assert targets.boxes.tolist() == [[30, 30, 54, 54]]
    assert set(targets.labels.tolist()) == {2, 0, -1}
    deep = (anchors[:, 0] >= 0) & (anchors[:, 1] >= 60) & (anchors[:, 2] <= 36) & (anchors[:, 3] <= 96)
    assert deep.any()
    assert bool((targets.labels[deep] == -1).all())
    alone = assign_targets(anchors, truth(masks[3:], [1], [True]))
    assert set(alone.labels.tolist()) == {0, -1}


def test_anchors_by_their_overlap():
    masks = square(40, (0, 0, 20))
    anchors = torch.tensor(
        [[0.0, 0, 20, 20], [0, 0, 20, 10], [0, 0, 20, 9], [0, 0, 20, 8], [0, 0, 20, 7], [20, 20, 40, 40]]
    )
    targets = assign_targets(anchors, truth(masks, [2]))
    assert targets.labels.tolist() == [2, 2, -1, -1, 0, 0]  # 0.5 is positive, below 0.4 is negative
    assert targets.positive().tolist() == [0, 1]
    assert targets.owner[:2].tolist() == [0, 0]

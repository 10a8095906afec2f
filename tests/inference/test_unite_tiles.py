from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from pixelwise.classes import Classes
from pixelwise.data.shapes import NAMES, shapes
from pixelwise.inference.predictor import Predictor
from pixelwise.inference.tiles import Tiling
from pixelwise.inference.unite_tiles import Window, unite_tiles
from pixelwise.masks import Masks
from pixelwise.models.base import InstanceModel
from pixelwise.segmentation import Segmentation

CLASSES = Classes(NAMES, background=0)


class Oracle(InstanceModel):
    """Finds exactly the objects of the window that it sees, by colour: red and green number them, blue is the class."""

    def __init__(self) -> None:
        super().__init__(len(NAMES))
        self.classes = CLASSES
        self.seen: list[tuple[int, int]] = []

    def forward(self, images: Tensor) -> Tensor:
        return (images * 255).round().long()

    def decode(self, outputs: Tensor, sizes: Sequence[tuple[int, int]]) -> list[Segmentation]:
        (height, width), (red, green, blue) = sizes[0], outputs[0]
        self.seen.append((height, width))
        numbers = (256 * red + green)[:height, :width]
        found = torch.unique(numbers[numbers > 0])
        masks = numbers == found[:, None, None]
        labels = torch.stack([blue[:height, :width][mask][0] for mask in masks]) if len(found) else found
        return [Segmentation(CLASSES, labels, 0.5 + masks.flatten(1).sum(1) / 10**6, masks=masks)]

    def loss(self, outputs, truths):
        raise NotImplementedError("it is only used for prediction")


def painted(truth: Segmentation) -> Tensor:
    """(3, H, W) uint8: the image in which the oracle sees these objects."""
    numbers = truth.panoptic_map()
    blue = torch.cat([torch.zeros(1, dtype=torch.int64), truth.labels])[numbers]
    return torch.stack([numbers // 256, numbers % 256, blue]).to(torch.uint8)


def pixels(found: Segmentation) -> list[tuple[int, bytes]]:
    """Label and pixels of each object, in an order that does not depend on scores."""
    assert found.masks is not None
    return sorted((int(label), mask.numpy().tobytes()) for label, mask in zip(found.labels, found.masks, strict=True))


@pytest.mark.parametrize(("tile", "overlap"), [(32, 0.25), (32, 0.5), (64, 0.25), (64, 0.0), (96, 0.9)])
@pytest.mark.parametrize(("size", "most"), [((203, 150), 60), ((97, 260), 6)], ids=["many", "larger than tiles"])
def test_tiles_give_what_the_whole_gives(tile, overlap, size, most):
    for sample in shapes(3, size, seed=5, min_objects=most // 2, max_objects=most):
        image, oracle = painted(sample.truth), Oracle()
        whole = Predictor(oracle)(image)
        tiled = Predictor(oracle, tile=tile, overlap=overlap)(image)
        assert len(oracle.seen) > 4
        assert pixels(whole) == pixels(sample.truth)
        assert pixels(tiled) == pixels(whole)
        assert (tiled.scores.diff() <= 0).all()


class Unsteady(Oracle):
    """An oracle with a trembling hand: masks are a pixel larger, smaller or moved, and end before the tile does."""

    def __init__(self) -> None:
        super().__init__()
        self.rng = np.random.default_rng(0)

    def decode(self, outputs: Tensor, sizes: Sequence[tuple[int, int]]) -> list[Segmentation]:
        (found,) = super().decode(outputs, sizes)
        assert found.masks is not None
        masks = np.zeros((len(found), *sizes[0]), np.uint8)
        for mask, seen in zip(masks, found.masks.dense().numpy().view(np.uint8), strict=True):
            changes = (
                lambda one: cv2.dilate(one, np.ones((3, 3), np.uint8)),
                lambda one: cv2.erode(one, np.ones((3, 3), np.uint8)),
                lambda one: np.roll(one, self.rng.integers(-1, 2, 2), (0, 1)),
            )
            mask[1:-1, 1:-1] = changes[self.rng.integers(3)](seen)[1:-1, 1:-1]
        kept = torch.from_numpy(masks.sum((1, 2)) > 12)
        return [replace(found, masks=Masks.from_dense(torch.from_numpy(masks).bool())).select(kept)]


def test_views_that_differ_a_little_are_one_object():
    for sample in shapes(3, 400, seed=5, min_objects=30, max_objects=60):
        found = Predictor(Unsteady(), tile=128)(painted(sample.truth))
        true, seen = (one.masks.dense().flatten(1).float() for one in (sample.truth, found))
        both = seen @ true.T
        iou = both / (seen.sum(1)[:, None] + true.sum(1) - both)
        assert len(found) == len(sample.truth)
        assert (iou.max(1).values > 0.5).float().mean() > 0.95


def squares(
    window: Window, *boxes: tuple[int, int, int, int], score: float = 0.8, labels: Sequence[int] = ()
) -> tuple[Window, Segmentation]:
    """What a tile found: boxes x1 y1 x2 y2 of the image, as far as they lie in its window; the first is surest."""
    left, top, right, bottom = window
    masks = torch.zeros(len(boxes), bottom - top, right - left, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[max(0, y1 - top) : max(0, y2 - top), max(0, x1 - left) : max(0, x2 - left)] = True
    scores = score - 0.1 * torch.arange(len(boxes))
    return window, Segmentation(
        CLASSES, torch.tensor(labels or [1] * len(boxes), dtype=torch.int64), scores, masks=masks
    )


LEFT, RIGHT = (0, 0, 60, 50), (40, 0, 100, 50)
"""Two tiles of an image of 100×50 that overlap by 20 columns."""


def merged(*tiles: tuple[Window, Segmentation]) -> list[tuple[list[int], float]]:
    """Boxes, each of which the object fills, with their scores."""
    found = unite_tiles(tiles, (50, 100))
    boxes = found.boxes().long()
    assert ((boxes[:, 2:] - boxes[:, :2]).prod(1) == found.areas()).all()
    return [(box, round(score, 3)) for box, score in zip(boxes.tolist(), found.scores.tolist(), strict=True)]


def test_an_object_that_is_cut_on_both_sides_is_united_with_the_better_score():
    tiles = squares(LEFT, (30, 10, 80, 20)), squares(RIGHT, (30, 10, 80, 20), score=0.9)
    assert merged(*tiles) == [([30, 10, 80, 20], 0.9)]


def test_where_a_tile_sees_the_object_whole_it_looks_as_there():
    """The left tile sees a part of it, and that part too large."""
    tiles = squares(LEFT, (45, 8, 60, 22), score=0.9), squares(RIGHT, (45, 10, 70, 20), score=0.7)
    assert merged(*tiles) == [([45, 10, 70, 20], 0.9)]


def test_an_object_in_both_tiles_is_there_once():
    assert merged(squares(LEFT, (45, 10, 55, 20)), squares(RIGHT, (45, 10, 55, 20))) == [([45, 10, 55, 20], 0.8)]


def test_neighbours_and_other_classes_stay_apart():
    both = ((30, 10, 80, 20), (30, 20, 80, 30), (30, 30, 80, 40))
    assert len(merged(squares(LEFT, *both), squares(RIGHT, *both))) == 3
    assert len(merged(squares(LEFT, both[0]), squares(RIGHT, both[0], labels=[2]))) == 2


def test_an_object_on_top_of_another_of_its_class_stays_apart():
    both = (30, 10, 80, 40), (35, 20, 75, 25)
    assert sorted(box for box, _ in merged(squares(LEFT, *both), squares(RIGHT, *both))) == [list(box) for box in both]


def test_a_rest_at_the_border_is_left_to_the_neighbour():
    """The left tile sees two pieces of an object that the right one sees whole; and something that is not there."""
    tiles = squares(LEFT, (50, 10, 60, 20), (54, 21, 60, 30)), squares(RIGHT, (50, 10, 70, 30), score=0.7)
    assert merged(*tiles) == [([50, 10, 70, 30], 0.7)]
    assert merged(squares(LEFT, (54, 21, 60, 30)), squares(RIGHT)) == []
    further, clear = (48, 21, 60, 30), (54, 21, 58, 30)
    assert [box for box, _ in merged(squares(LEFT, further, clear), squares(RIGHT))] == [list(further), list(clear)]


def test_tiles_that_only_touch():
    left, right = (0, 0, 50, 50), (50, 0, 100, 50)
    one, other = (30, 10, 80, 20), (30, 20, 80, 30)
    assert [box for box, _ in merged(squares(left, one, other), squares(right, one, other))] == [[*one], [*other]]
    assert len(merged(squares(left, (30, 10, 50, 20)), squares(right, (50, 17, 80, 27)))) == 2


class Blind(Oracle):
    """Finds an object more, of which no pixel is left."""

    def decode(self, outputs: Tensor, sizes: Sequence[tuple[int, int]]) -> list[Segmentation]:
        (found,) = super().decode(outputs, sizes)
        masks = Masks.joined([Masks.from_dense(torch.zeros(1, *found.size, dtype=torch.bool)), found.as_masks()])
        return [Segmentation(CLASSES, torch.cat([torch.ones(1).long(), found.labels]), masks=masks)]


def test_objects_without_a_pixel_are_left_out():
    (truth,) = (shapes(1, 64, seed=3).truth(0),)
    found = Predictor(Blind(), device="cpu")(painted(truth))
    assert len(found) == len(truth) > 0
    assert found.areas().min() > 0


def test_nothing_found():
    empty = unite_tiles([squares(LEFT), squares(RIGHT)], (50, 100))
    assert len(empty) == 0
    assert empty.size == (50, 100)
    zero = squares(LEFT, (70, 10, 80, 20))  # it lies outside: an object without pixels
    assert len(unite_tiles([zero, squares(RIGHT)], (50, 100))) == 0


def test_many_objects_in_many_tiles():
    rng = np.random.default_rng(0)
    corners = np.stack(np.meshgrid(np.arange(0, 580, 14), np.arange(0, 580, 14)), -1).reshape(-1, 2)
    corners += rng.integers(0, 3, corners.shape)
    every = np.concatenate([corners, corners + rng.integers(8, 12, corners.shape)], 1)
    tiles = []
    for window in Tiling(256, 0.25, 32).windows(600, 600):
        inside = (every[:, 2:] > window[:2]).all(1) & (every[:, :2] < window[2:]).all(1)
        tiles.append(squares(window, *every[inside].tolist(), score=1000.0))
    tiles = [
        (window, Segmentation(one.classes, one.labels, one.scores / 1000, masks=one.masks)) for window, one in tiles
    ]
    found = unite_tiles(tiles, (600, 600))
    assert len(found) == len(every)
    assert sorted(found.boxes().long().tolist()) == sorted(every.tolist())

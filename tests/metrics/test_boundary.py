"""The boundary score against a count pixel by pixel, and what it must say of simple cases."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import pixelwise
from pixelwise.classes import VOID, Classes
from pixelwise.metrics.boundary import BoundaryScore
from pixelwise.segmentation import Segmentation

CLASSES = Classes(("ground", "tree", "car"))


def by_pixel(found: NDArray[np.uint8], truth: NDArray[np.uint8], c: int, tolerance: float) -> list[int]:
    """The four counts of a class, written down from the definition."""

    def boundary(class_map: NDArray[np.uint8], known: NDArray[np.bool_]) -> list[tuple[int, int]]:
        points = []
        for y, x in np.argwhere((class_map == c) & known).tolist():
            beside = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
            inside = [p for p in beside if 0 <= p[0] < class_map.shape[0] and 0 <= p[1] < class_map.shape[1]]
            if any(class_map[p] != c and known[p] for p in inside):
                points.append((y, x))
        return points

    def near(point: tuple[int, int], points: list[tuple[int, int]]) -> bool:
        return any(np.hypot(point[0] - y, point[1] - x) <= tolerance for y, x in points)

    every = boundary(found, np.ones_like(truth, bool))
    true = boundary(truth, truth != VOID)
    judged = [point for point in every if truth[point] != VOID]
    return [sum(near(p, true) for p in judged), len(judged), sum(near(p, every) for p in true), len(true)]


@pytest.mark.parametrize("tolerance", [0, 1, 2, 4])
def test_random_maps_are_counted_as_by_the_pixel(tolerance):
    rng = np.random.default_rng(tolerance)
    coarse = rng.integers(0, 3, (2, 4, 5)).astype(np.uint8)
    found, truth = coarse.repeat(5, 1).repeat(5, 2)
    truth[rng.random(truth.shape) < 0.05] = VOID
    found = np.roll(found, (1, 2), (0, 1))
    found[rng.random(found.shape) < 0.02] = VOID
    counts = BoundaryScore(CLASSES, tolerance).count(found, truth)
    assert counts.T.tolist() == [by_pixel(found, truth, c, tolerance) for c in range(3)]


def square(shift: int) -> Segmentation:
    class_map = torch.zeros(40, 40, dtype=torch.uint8)
    class_map[10:25, 10 + shift : 25 + shift] = 1
    return Segmentation.from_class_map(class_map, CLASSES)


def test_the_tolerance_decides():
    shifted, strict, truth = BoundaryScore(CLASSES, 2), BoundaryScore(CLASSES, 1), square(0)
    for metric in (shifted, strict):
        metric.update(square(2), truth)
    assert shifted.scores()["boundary F1"] == 1
    # Of the 56 boundary pixels of a square of 15, its front is too far, and its back but for two pixels at each end.
    assert strict.per_class()[1]["boundary F1"] == pytest.approx((56 - 15 - 11) / 56)


def test_truth_against_itself_is_perfect_and_absent_classes_do_not_count():
    metric = BoundaryScore(CLASSES)
    metric.update(square(0), square(0))
    assert metric.scores() == {"boundary F1": 1, "image-wise boundary F1": 1}
    assert np.isnan(metric.per_class()[2]["boundary F1"])


def test_a_class_that_is_not_found_or_not_true_scores_nothing():
    empty = Segmentation.from_class_map(torch.zeros(40, 40, dtype=torch.uint8), CLASSES)
    for found, truth in ((empty, square(0)), (square(0), empty)):
        metric = BoundaryScore(CLASSES)
        metric.update(found, truth)
        assert metric.scores()["boundary F1"] == 0


def test_without_any_boundary_there_is_no_score():
    metric = BoundaryScore(CLASSES)
    assert np.isnan(metric.scores()["boundary F1"])
    empty = Segmentation.from_class_map(torch.zeros(4, 4, dtype=torch.uint8), CLASSES)
    metric.update(empty, empty)
    assert all(np.isnan(value) for value in metric.scores().values())


def test_parts_add_up_to_the_whole():
    whole, parts = BoundaryScore(CLASSES), [BoundaryScore(CLASSES), BoundaryScore(CLASSES)]
    for n, shift in enumerate((1, 3, 5, 9)):
        whole.update(square(shift), square(0), f"{n}")
        parts[n // 2].update(square(shift), square(0), f"{n}")
    parts[0].merge(parts[1])
    assert parts[0].scores() == whole.scores()
    assert parts[0].per_image() == whole.per_image()
    low, high = whole.intervals(np.random.default_rng(0))["boundary F1"]
    assert low < whole.scores()["boundary F1"] < high
    with pytest.raises(ValueError, match="the same tolerance"):
        whole.merge(BoundaryScore(CLASSES, 1))


def test_wrong_values_are_refused():
    with pytest.raises(ValueError, match="0 or more whole pixels"):
        BoundaryScore(CLASSES, -1)
    small = Segmentation.from_class_map(torch.zeros(3, 5, dtype=torch.uint8), CLASSES)
    with pytest.raises(ValueError, match="the prediction is 5x3, the ground truth 40x40"):
        BoundaryScore(CLASSES).update(small, square(0))


def test_a_share_of_the_diagonal():
    pixels, share = BoundaryScore(CLASSES, 2), BoundaryScore(CLASSES, 2.2 / np.hypot(40, 40))
    for metric in (pixels, share):
        metric.update(square(3), square(0))
    assert pixels.scores() == share.scores()
    for wrong in (-1, 2.5):
        with pytest.raises(ValueError, match="0 or more whole pixels, or below 1 a share"):
            BoundaryScore(CLASSES, wrong)


def test_evaluation_shows_it_where_asked(nuclei_sample):
    data = pixelwise.open_dataset(nuclei_sample, split="val")
    model = pixelwise.create("unet", classes=data.classes, width=4)
    plain = pixelwise.evaluate(model, data, progress=False)
    scored = pixelwise.evaluate(model, data, boundary=2, progress=False)
    assert "boundary F1" not in plain.scores
    assert plain.scores.items() <= scored.scores.items()
    for rows in (scored.per_class, scored.per_image):
        assert all("boundary F1" in row for row in rows)
    assert "boundary F1" in scored.table()
    assert scored.definitions.keys() >= {"mIoU", "boundary F1"}
    low, high = scored.intervals["boundary F1"]
    assert low <= scored.scores["boundary F1"] <= high

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixelwise import Classes, Sample, Segmentation
from pixelwise.data.augmentation.copy_paste import paste
from pixelwise.data.formats.label_map import without_overlap
from pixelwise.data.shapes import shapes

CLASSES = Classes(("ground", "cell", "sky"), things=(False, True, False), background=0)


def sample(grey, *boxes, labels=None, crowd=None, carrier="masks"):
    """An image of one grey value with boxes x1 y1 x2 y2 as objects."""
    masks = torch.zeros(len(boxes), 20, 30, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    found = Segmentation(
        CLASSES,
        torch.tensor(labels or [1] * len(boxes), dtype=torch.int64),
        masks=masks,
        crowd=torch.tensor(crowd or [False] * len(boxes), dtype=torch.bool),
    )
    truth = without_overlap(found) if carrier == "ids" else found
    return Sample(torch.full((3, 20, 30), grey, dtype=torch.uint8), truth, f"grey {grey}")


class All:
    """Draws that choose every object."""

    def random(self, number):
        return np.zeros(number)


@pytest.mark.parametrize("carrier", ["masks", "ids"])
def test_what_is_covered_is_lost_and_what_vanishes_is_dropped(carrier):
    below = sample(10, (0, 0, 10, 10), (12, 2, 14, 4), carrier=carrier)
    above = sample(200, (5, 5, 20, 15), (10, 0, 16, 5), carrier=carrier)
    found = paste(below, above, All())
    truth = found.truth
    objects = truth.labels == 1
    assert int(objects.sum()) == 3
    assert truth.areas()[objects].tolist() == [75, 150, 30]
    first = int(objects.nonzero()[0])
    assert truth.boxes()[first:].tolist() == [[0, 0, 10, 10], [5, 5, 20, 15], [10, 0, 16, 5]]
    pasted = truth.mask(first + 1) | truth.mask(first + 2)
    assert (found.image[:, pasted] == 200).all()
    assert (found.image[:, ~pasted] == 10).all()
    assert found.name == "grey 10"
    if carrier == "ids":
        assert truth.labels.tolist() == [0, 1, 1, 1]
        assert truth.areas().sum() == 600
    assert (below.image == 10).all()
    assert below.truth.areas().sum() == (600 if carrier == "ids" else 104)


@pytest.mark.parametrize("carrier", ["masks", "ids"])
def test_areas_and_crowds_stay_where_they_are(carrier):
    below = sample(10, (0, 0, 5, 5), carrier=carrier)
    above = sample(200, (5, 5, 9, 9), (10, 10, 12, 12), (0, 0, 3, 3), labels=[2, 1, 1], crowd=[False, True, False])
    found = paste(below, above, All())
    assert (found.image == 200).sum() == 3 * 9
    assert found.truth.areas().tolist()[-2:] == [16, 9]
    alone = sample(200, (10, 10, 12, 12), crowd=[True])
    assert paste(below, alone, All()) is below


@pytest.mark.parametrize("carrier", ["masks", "ids"])
def test_nothing_upon_something_and_something_upon_nothing(carrier):
    empty, full = sample(10, carrier=carrier), sample(200, (0, 0, 30, 20), carrier=carrier)
    assert paste(full, empty, All()) is full
    found = paste(empty, full, All())
    assert found.truth.areas().tolist() == [600]
    assert (found.image == 200).all()


def test_objects_of_no_area_and_masks_that_overlap():
    below = sample(10, (3, 3, 3, 3), (0, 0, 9, 9), (4, 4, 12, 12))
    above = sample(200, (1, 1, 1, 5), (8, 8, 10, 10), (9, 9, 11, 11))
    found = paste(below, above, All())
    assert found.truth.areas().tolist() == [80, 64 - 7, 4, 4]


def test_five_hundred_objects():
    boxes = [(n % 30, n % 20, n % 30 + 1, n % 20 + 1) for n in range(500)]
    found = paste(sample(10, *boxes), sample(200, *boxes), np.random.default_rng(0))
    assert 200 < len(found.truth) < 550
    assert (found.truth.areas() == 1).all()


def test_half_of_the_objects_are_chosen():
    data = shapes(41, 96, 1, min_objects=8, max_objects=8)
    empty = Sample(torch.zeros(3, 96, 96, dtype=torch.uint8), data.truth(0).select(torch.zeros(0, dtype=torch.int64)))
    rng = np.random.default_rng(0)
    shares = [len(paste(empty, data[i], rng).truth) / len(data.truth(i)) for i in range(1, 41)]
    assert abs(np.mean(shares) - 0.5) < 0.1
    assert np.std(shares) > 0.1


def test_samples_that_do_not_fit_together():
    one = sample(10, (0, 0, 5, 5))
    other = Sample(torch.zeros(3, 8, 8, dtype=torch.uint8), name="small")
    with pytest.raises(ValueError, match="objects of small cannot be pasted into grey 10: both must have a truth"):
        paste(one, other, All())

"""Scores of label maps against answers by hand, and against pixels counted one by one and all ways to match tried."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from pixelwise.classes import Classes
from pixelwise.metrics.label_maps import LabelMapScore
from pixelwise.segmentation import Segmentation

CELLS = Classes(("ground", "cell", "dust"), background=0)


def label_map(rows, labels):
    return Segmentation(CELLS, torch.tensor(labels, dtype=torch.int64), ids=torch.tensor(rows, dtype=torch.int32))


def counted(*images):
    metric = LabelMapScore(CELLS)
    for k, (found, truth) in enumerate(images):
        metric.update(found, truth, f"image {k}")
    return metric


def by_hand():
    """One cell of 8 pixels found with 6 of them (IoU 0.75), one of 4 missed, one false alarm of 2."""
    truth = label_map([[1, 1, 1, 1, 0, 2, 2], [1, 1, 1, 1, 0, 2, 2], [0, 0, 0, 0, 0, 0, 0]], [1, 1])
    found = label_map([[1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 2, 2, 0]], [1, 1])
    return found, truth


def test_by_hand():
    scores = counted(by_hand()).scores()
    assert scores["label AP50"] == scores["label AP75"] == pytest.approx(1 / 3)
    assert scores["label AP"] == pytest.approx(6 / 10 / 3)  # right at 0.50 … 0.75
    assert scores["AJI"] == pytest.approx(6 / (8 + 4 + 2))


def test_a_half_has_one_partner():
    """Two halves of one cell, each with an IoU of exactly 0.5: one of them is right."""
    truth, found = label_map([[1, 1, 1, 1]], [1]), label_map([[1, 1, 2, 2]], [1, 1])
    scores = counted((found, truth)).scores()
    assert scores["label AP50"] == pytest.approx(1 / 2) and scores["label AP75"] == 0
    assert scores["AJI"] == pytest.approx(2 / (4 + 2))


def test_classes_apart():
    truth, found = label_map([[1, 1, 2, 2]], [1, 2]), label_map([[1, 1, 2, 2]], [1, 1])
    ground, cell, dust = counted((found, truth)).per_class()
    assert math.isnan(ground["label AP"]) and cell["label AP"] == 1 / 2 and dust["label AP"] == 0
    assert counted((found, truth)).scores()["label AP"] == pytest.approx(1 / 4)


def test_crowds_are_neither_right_nor_wrong():
    truth = label_map([[1, 1, 2, 2, 2, 2]], [1, 1])
    truth = Segmentation(CELLS, truth.labels, ids=truth.ids, crowd=torch.tensor([False, True]))
    found = label_map([[1, 1, 2, 2, 3, 0]], [1, 1, 1])
    assert counted((found, truth)).scores()["label AP"] == counted((found, truth)).scores()["AJI"] == 1
    aside = label_map([[1, 1, 0, 0, 0, 0]], [1])
    assert counted((aside, truth)).scores()["label AP"] == 1


def brute_force(found, truth):
    """Of the cells of one image: matches at each threshold, and the two sums of the AJI."""
    sets = []
    for ids, labels in ((found.ids, found.labels), (truth.ids, truth.labels)):
        every = [{tuple(p) for p in (ids == n + 1).nonzero().tolist()} for n in range(len(labels)) if labels[n] == 1]
        sets.append([pixels for pixels in every if pixels])
    results, true = sets
    iou = [[len(a & b) / len(a | b) for b in true] for a in results]
    matched = []
    for threshold in np.linspace(0.5, 0.95, 10):
        short, long = sorted((range(len(results)), range(len(true))), key=len)
        turned = len(results) > len(true)
        ways = (zip(short, way, strict=True) for way in itertools.permutations(long, len(short)))
        matched.append(max(sum((iou[b][a] if turned else iou[a][b]) >= threshold for a, b in way) for way in ways))
    both, union, used = 0, 0, set()
    for m, pixels in enumerate(true):
        best = max(range(len(results)), key=lambda n, m=m: iou[n][m], default=None)
        if best is None or not iou[best][m]:
            union += len(pixels)
            continue
        used.add(best)
        both += len(pixels & results[best])
        union += len(pixels | results[best])
    union += sum(len(pixels) for n, pixels in enumerate(results) if n not in used)
    return [*matched, len(true), len(results), both, union]


@pytest.mark.parametrize("seed", range(12))
def test_random_maps(seed):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 6, (3, 4)).repeat(2, 0).repeat(2, 1)
    other = np.where(rng.random(coarse.shape) < 0.25, rng.integers(0, 6, coarse.shape), coarse)
    truth = label_map(coarse.tolist(), rng.integers(0, 3, 5).tolist())
    found = label_map(other.tolist(), rng.integers(1, 3, 5).tolist() if seed % 2 else [1, 1, 1, 1, 1])
    assert counted((found, truth)).images[0][:, 1].tolist() == brute_force(found, truth)


def test_real_nuclei(nuclei_sample):
    import pixelwise

    dataset = pixelwise.open_dataset(nuclei_sample)
    truths = [dataset.truth(i) for i in range(3)]
    cells = LabelMapScore(dataset.classes)
    for truth in truths:
        cells.update(truth, truth)
    scores = cells.scores()
    assert set(scores.values()) == {1.0}


def test_parts_add_up():
    images = [by_hand(), (by_hand()[1], by_hand()[1])]
    whole, first = counted(*images), counted(images[0])
    first.merge(counted(images[1]))
    assert first.scores() == whole.scores() and len(first.per_image()) == 2
    assert whole.scores()["label AP50"] == pytest.approx(3 / 5)
    assert whole.scores()["image-wise label AP50"] == pytest.approx((1 / 3 + 1) / 2)
    low, high = whole.intervals(np.random.default_rng(0), draws=50)["AJI"]
    assert low < whole.scores()["AJI"] < high
    with pytest.raises(ValueError, match="same classes"):
        first.merge(LabelMapScore(Classes.numbered(3)))


def test_nothing_to_count():
    empty = label_map([[0, 0]], [])
    assert all(math.isnan(value) for value in counted((empty, empty)).scores().values())
    assert counted((empty, label_map([[1, 0]], [1]))).scores()["AJI"] == 0
    assert counted((label_map([[1, 0]], [1]), empty)).scores()["label AP"] == 0
    assert set(counted().scores()) <= set(LabelMapScore.DEFINITIONS)
    with pytest.raises(ValueError, match="size of the original image"):
        counted((empty, label_map([[0]], [])))
    with pytest.raises(ValueError, match="2 are counted"):
        LabelMapScore(Classes.numbered(2)).update(empty, empty)

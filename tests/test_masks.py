from __future__ import annotations

import numpy as np
import pytest
import torch
from pycocotools import mask as coco

from pixelwise.masks import Masks

SIZE = (37, 53)
RNG = np.random.default_rng(0)
ONES = np.ones(SIZE, bool)
DENSE = torch.from_numpy(
    np.stack(
        [
            RNG.random(SIZE) < 0.5,
            RNG.random(SIZE) < 0.02,
            ~ONES,
            ONES,
            np.pad(ONES[:9, :7], ((0, 28), (46, 0))),
            np.pad(ONES[:9, :7], ((28, 0), (0, 46))),
            np.pad(ONES[:30, :1], ((7, 0), (3, 49))) | np.pad(ONES[:30, :1], ((0, 7), (4, 48))),
            ONES & ~np.pad(ONES[:9, :7], ((3, 25), (20, 26))),
        ]
    )
)
MASKS = Masks.from_dense(DENSE)
EVERY = range(len(DENSE))


def test_dense_there_and_back():
    assert torch.equal(MASKS.dense(), DENSE)
    assert all(torch.equal(MASKS[n], DENSE[n]) for n in EVERY)
    assert [torch.equal(mask, one) for mask, one in zip(MASKS, DENSE, strict=True)] == [True] * len(DENSE)
    assert Masks.from_dense(DENSE.clone()) == MASKS
    assert Masks.from_dense(DENSE.flip(0)) != MASKS
    with pytest.raises(IndexError, match="there are 8"):
        MASKS[8]


def test_areas_and_boxes_are_those_of_coco():
    theirs = [coco.encode(np.asfortranarray(mask.numpy().astype(np.uint8))) for mask in DENSE]
    assert MASKS.areas().tolist() == [coco.area(one) for one in theirs]
    x, y, width, height = np.array([coco.toBbox(one) for one in theirs]).T
    assert MASKS.boxes().tolist() == np.stack([x, y, x + width, y + height], 1).tolist()


@pytest.mark.parametrize("margin", [0, 2, 100])
@pytest.mark.parametrize("n", EVERY)
def test_a_crop_is_where_the_mask_lies(n, margin):
    crop, (x, y) = MASKS.crop(n, margin)
    whole = torch.zeros(SIZE, dtype=torch.bool)
    whole[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    assert torch.equal(whole, DENSE[n])
    x1, y1, x2, y2 = MASKS.boxes()[n].tolist()
    if DENSE[n].any():
        assert (x, y) == (max(x1 - margin, 0), max(y1 - margin, 0))
        assert crop.shape == (min(y2 + margin, SIZE[0]) - y, min(x2 + margin, SIZE[1]) - x)


def test_run_lengths_there_and_back():
    lengths = [MASKS.lengths(n) for n in EVERY]
    assert lengths[2] == [37 * 53]
    assert lengths[3] == [0, 37 * 53]
    assert lengths[6] == [37 * 3 + 7, 60, 37 * 48 + 7], "a run goes on from the foot of a column to the next head"
    assert Masks.from_lengths(lengths, SIZE) == MASKS


def test_run_lengths_of_the_documentation_of_coco():
    masks = Masks.from_dense(torch.tensor([[[0, 1, 1], [0, 1, 0]], [[1, 0, 0], [0, 0, 0]]]).bool())
    assert [masks.lengths(0), masks.lengths(1)] == [[2, 3, 1], [0, 1, 5]]


@pytest.mark.parametrize("runs", [[2, 0, 0, 3, 1], [2, 1, 0, 1, 0, 1, 1], [2, 3, 1, 0, 0, 0], [0, 0, 2, 3, 1]])
def test_runs_of_no_pixels_are_none(runs):
    assert Masks.from_lengths([runs], (2, 3)).lengths(0) == [2, 3, 1]


@pytest.mark.parametrize(
    ("runs", "what"),
    [([3, 2], "cover 5 pixels"), ([10, -4], "whole numbers"), ([3, 3.0], "whole numbers"), ([10**12], "cover")],
)
def test_runs_that_fit_no_mask(runs, what):
    with pytest.raises(ValueError, match=what):
        Masks.from_lengths([runs], (2, 3))


def test_planes_hold_every_mask_once():
    planes = list(MASKS.planes())
    assert len(planes) < len(DENSE)
    assert Masks.from_ids(planes, len(DENSE), SIZE) == MASKS


def test_ids_are_taken_apart():
    ids = torch.tensor([[1, 1, 3], [2, 1, 3], [2, 0, 1]], dtype=torch.int32)
    masks = Masks.from_ids([ids], 4, (3, 3))
    assert torch.equal(masks.dense(), torch.stack([ids == n for n in (1, 2, 3, 4)]))
    assert len(Masks.from_ids([], 0, (3, 3))) == 0


def test_what_is_painted_later_lies_on_top():
    painted = MASKS.painted([3, 0, 5])
    expected = torch.full(SIZE, 4, dtype=torch.int32)
    expected[DENSE[0]] = 1
    expected[DENSE[5]] = 6
    assert torch.equal(painted, expected)


@pytest.mark.parametrize("index", [[], [0], [2], [7, 2, 0], [1, 1]])
def test_select(index):
    assert torch.equal(MASKS.select(torch.tensor(index, dtype=torch.int64)).dense(), DENSE[index])


def test_joined_padded_and_united():
    assert torch.equal(Masks.joined([MASKS, MASKS]).dense(), torch.cat([DENSE, DENSE]))
    assert torch.equal(MASKS.padded(40, 60).dense(), torch.nn.functional.pad(DENSE, (0, 7, 0, 3)))
    groups = [[0, 1], [2], [6, 4, 5, 2], []]
    assert torch.equal(MASKS.united(groups).dense(), torch.stack([DENSE[group].any(0) for group in groups]))


def places(length, first, end, step, before, after, back=False):
    """Where an axis of the result reads: from `first` on to `end`, with nothing around it."""
    taken = np.arange(first, end, step).astype(int).clip(0, length - 1)
    return np.concatenate([np.full(before, -1), taken[::-1] if back else taken, np.full(after, -1)])


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ((0, 37, 1, 0, 0), (0, 53, 1, 0, 0)),
        ((5, 30, 1, 0, 0, True), (50, 53, 1, 4, 2)),
        ((0, 37, 0.4, 3, 0), (10, 40, 0.3, 0, 7, True)),
        ((0, 37, 2.3, 0, 1, True), (0, 53, 3.7, 5, 0, True)),
        ((36, 37, 0.1, 0, 0), (0, 1, 1, 0, 0)),
        ((0, 0, 1, 4, 0), (0, 53, 1, 0, 0)),
        ((0, 37, 9, 0, 0), (0, 0, 1, 0, 0)),
    ],
)
def test_sampled_as_every_mask_would_be(rows, columns):
    rows, columns = places(37, *rows), places(53, *columns)
    expected = DENSE.numpy()[:, rows][:, :, columns] & (rows >= 0)[:, None] & (columns >= 0)
    masks = MASKS.sampled(rows, columns)
    assert masks.size == (len(rows), len(columns))
    assert masks == Masks.from_dense(torch.from_numpy(expected))


@pytest.mark.parametrize("size", [(37, 53), (20, 30), (1, 1), (5, 53)])
def test_cropped_to_the_upper_left(size):
    height, width = size
    cropped = MASKS.cropped(height, width)
    assert (cropped.size, len(cropped)) == (size, len(MASKS))
    assert torch.equal(cropped.dense(), DENSE[:, :height, :width])


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0), (1, 1)])
@pytest.mark.parametrize("number", [0, 2])
def test_images_of_no_size(size, number):
    masks = Masks.from_dense(torch.ones(number, *size, dtype=torch.bool))
    assert torch.equal(masks.dense(), torch.ones(number, *size, dtype=torch.bool))
    assert masks.areas().tolist() == [size[0] * size[1]] * number
    assert masks.boxes().shape == (number, 4)
    assert masks.united([[0, 1]] if number else []).size == size


@pytest.mark.parametrize(
    "runs",
    [
        [[0, 3, 1, 2]],  # right of the image
        [[0, 0, 1, 3]],  # below it
        [[1, 0, 0, 1]],  # of no mask
        [[0, 0, 1, 1]],  # no pixel
        [[0, 0, 0, 1], [0, 0, 1, 2]],  # touch
        [[0, 1, 0, 1], [0, 0, 0, 1]],  # not sorted
        [[0, -1, 0, 1]],
        [[0, 0, -1, 1]],
    ],
)
def test_runs_that_are_none(runs):
    with pytest.raises(ValueError, match="must lie inside, be sorted"):
        Masks((2, 3), 1, torch.tensor(runs, dtype=torch.int32))


def test_runs_of_another_type():
    with pytest.raises(TypeError, match=r"\(R, 4\) int32, not \(1, 3\)"):
        Masks((2, 3), 1, torch.zeros(1, 3, dtype=torch.int32))


def test_a_hundred_objects_of_a_large_image_take_less_than_50_megabytes():
    height, width, number = 3000, 4000, 100
    rng = np.random.default_rng(1)
    y, x = np.ogrid[:1500, :2000]
    ellipse = ((x - 1000) / 990) ** 2 + ((y - 750) / 740) ** 2
    ragged = [torch.from_numpy(ellipse + 0.1 * np.sin(x / a) * np.sin(y / a) < 0.9) for a in (1, 3, 9, 27, 81)]
    places = zip(rng.integers(width - 2000, size=number), rng.integers(height - 1500, size=number), strict=True)
    masks = Masks.from_crops(((ragged[k % 5], (int(x), int(y))) for k, (x, y) in enumerate(places)), (height, width))
    assert int(masks.areas().min()) > 1_500_000
    assert masks.runs.nbytes < 50e6

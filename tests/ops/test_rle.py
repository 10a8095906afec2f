"""COCO's own code is the independent answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pycocotools import mask as coco

from pixelwise.masks import Masks
from pixelwise.ops.rle import masks_to_texts, runs_from_text, runs_to_text

MASKS = {
    "noise": np.random.default_rng(0).random((37, 23)) < 0.5,
    "sparse": np.random.default_rng(1).random((50, 81)) < 0.01,
    "nothing": np.zeros((5, 7), bool),
    "everything": np.ones((7, 5), bool),
    "one pixel": np.ones((1, 1), bool),
    "a column": np.eye(1, 5000, 17, dtype=bool).T,
    "a hole": np.pad(np.pad(np.zeros((9, 9), bool), 3, constant_values=True), 400),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_text_is_that_of_coco(mask):
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    runs = Masks.from_dense(torch.from_numpy(mask[None])).lengths(0)
    assert runs_to_text(runs) == theirs
    assert runs_from_text(theirs) == runs


@pytest.mark.parametrize("text", ["é", "o", "P" * 40, "\n", "1oo"])
def test_text_that_is_no_run_lengths(text):
    with pytest.raises(ValueError, match="run-length"):
        runs_from_text(text)


def test_all_masks_at_once_as_one_after_the_other():
    generator = torch.Generator().manual_seed(0)
    for height, width in ((1, 1), (1, 9), (9, 1), (13, 17), (60, 50), (0, 4), (4, 0)):
        for share in (0.0, 0.02, 0.5, 1.0):
            dense = torch.rand(6, height, width, generator=generator) < share
            dense[1::2, :, : width // 2] = False
            masks = Masks.from_dense(dense)
            expected = [runs_to_text(masks.lengths(n)).encode() for n in range(6)]
            assert masks_to_texts(masks) == expected
    large = Masks.from_crops([(torch.ones(2, 3, dtype=torch.bool), (29_990, 19_000))], (20_000, 30_000))
    assert masks_to_texts(large) == [runs_to_text(large.lengths(0)).encode()]
    assert masks_to_texts(Masks.from_lengths([], (5, 5))) == []

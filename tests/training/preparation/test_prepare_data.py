"""The images of a recipe, the batches of each process and the length of the run."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest
import torch

from pixelwise.data.opening import open_dataset
from pixelwise.training.preparation.prepare_data import ProcessBatches, image_weights, open_splits, run_length
from pixelwise.training.recipe import Machine, Recipe


def test_the_length_follows_from_the_images(cells):
    train, val = open_dataset(cells, split="train"), open_dataset(cells, split="val")
    length = run_length(Recipe("d", batch=3, epochs=40, imgsz=(32,)), Machine(accumulate=3), train, val)
    assert (length.epoch_steps, length.steps, length.accumulate) == (3, 120, 3)
    # 4 images of 64² are predicted and 8 of 32² trained on: 2 · ⅓ of the time of an epoch, a tenth of it is allowed.
    assert length.validate_every == 4, "limited to ten times a run"
    assert run_length(Recipe("d", batch=3, epochs=400, imgsz=(32,)), Machine(), train, val).validate_every == 7


def test_splits_of_the_data_are_used_as_they_are(cells):
    images, validation_images, notes = open_splits(Recipe(str(cells)))
    assert (len(images), len(validation_images)) == (8, 4)
    assert not any("held out" in note for note in notes)


def test_a_fifth_is_held_out_where_no_split_is(cells, tmp_path):
    for kind in ("images", "masks"):
        shutil.copytree(cells / kind / "train", tmp_path / kind / "train")
    names = []
    for seed in (0, 0, 1):
        images, validation_images, notes = open_splits(Recipe(str(tmp_path), seed=seed))
        assert "1 of 8 are held out" in notes[-1]
        assert len({r.name for r in (*images.records, *validation_images.records)}) == 8
        names.append(validation_images.records[0].name)
    assert names[0] == names[1] != names[2], "the seed decides which"


def test_both_splits_have_the_range_of_the_images_to_train_on(tmp_path):
    for split, high in (("train", 1000), ("val", 4000)):
        values = np.linspace(0, high, 64 * 64).reshape(64, 64).astype(np.uint16)
        for kind, pixels in (("images", values), ("masks", (values > high / 2).astype(np.uint8))):
            (tmp_path / kind / split).mkdir(parents=True)
            cv2.imwrite(str(tmp_path / kind / split / f"{split}.png"), pixels)
    images, validation_images, notes = open_splits(Recipe(str(tmp_path)))
    assert images.intensity == validation_images.intensity
    assert images.intensity.limits[0][1] == pytest.approx(1000, rel=0.01)
    assert any("--range" in note for note in notes)
    images, validation_images, _ = open_splits(Recipe(str(tmp_path), range="0,4000"))
    assert images.intensity.limits == validation_images.intensity.limits == ((0, 4000),)


def test_rare_images_are_drawn_more_often():
    counts = torch.tensor([[100, 0], [100, 0], [50, 50]])
    assert image_weights(Recipe("d"), None) is None
    assert image_weights(Recipe("d", balance="median"), counts) is None
    weights = image_weights(Recipe("d", balance="rare"), counts)
    assert weights is not None
    assert weights[2] > weights[0]


@pytest.mark.parametrize("start", [0, 2])
def test_two_processes_share_each_batch(cells, start):
    """Together they get what one process gets, from any step on."""
    recipe, machine = Recipe(str(cells), batch=4, epochs=2, imgsz=(32,)), Machine(workers=0, device="cpu")
    images, validation_images, _ = open_splits(recipe)
    length = run_length(recipe, machine, images, validation_images)
    batches = ProcessBatches(images, recipe, machine, length, multiple=1, weights=None)
    halves = [list(batches(rank, 2, start)) for rank in (0, 1)]
    for whole, first, second in zip(batches(0, 1, start), *halves, strict=True):
        assert whole.names == first.names + second.names
        assert torch.equal(whole.images, torch.cat([first.images, second.images]))

"""Masks of prototypes: the authors' crop, PyTorch's interpolation, images in padded batches."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from pixelwise.masks import Masks
from pixelwise.models.yolact.prototypes import (
    assemble_masks,
    crop_windows,
    downsample_masks,
    inside_windows,
    soft_masks,
)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def dense(parts, size) -> torch.Tensor:
    actual = []
    for part, (x, y) in parts:
        actual.append(torch.zeros(size))
        actual[-1][y : y + part.shape[0], x : x + part.shape[1]] = part
    return torch.stack(actual)


def test_the_crop_of_the_authors():
    window = crop_windows(torch.tensor([[20.0, 30.0, 50.0, 60.0]]), (100, 100), (10, 10))
    assert window.tolist() == [[1, 2, 6, 7]]  # columns 1 to 5, rows 2 to 6
    inside = inside_windows(window, (10, 10))[0]
    assert inside.any(0).nonzero().flatten().tolist() == [1, 2, 3, 4, 5]
    assert inside.any(1).nonzero().flatten().tolist() == [2, 3, 4, 5, 6]
    assert int(inside.sum()) == 25


def test_boxes_that_cross_the_border_are_reversed_or_lie_outside():
    boxes = torch.tensor([[-50.0, -50, 500, 500], [60, 60, 20, 20], [300, 0, 400, 50]])
    actual = crop_windows(boxes, (100, 100), (10, 10))
    assert actual[:2].tolist() == [[0, 0, 10, 10], [1, 1, 7, 7]]
    assert not inside_windows(actual, (10, 10))[2].any()


def test_masks_are_assembled_as_in_the_authors_code():
    """Crop the map, resize it to the image, and threshold it at a half."""
    prototypes, coefficients, size = draw(8, 34, 34).relu(), draw(5, 8, seed=1), (120, 201)
    boxes = torch.tensor([[0.0, 0, 137, 137], [10, 20, 30, 60], [-20, 100, 50, 170], [70, 3, 90, 9], [136, 0, 137, 9]])
    soft = (coefficients @ prototypes.flatten(1)).sigmoid().view(5, 34, 34)
    soft = soft * inside_windows(crop_windows(boxes, (137, 137), (34, 34)), (34, 34))
    expected = F.interpolate(soft[None].double(), size, mode="bilinear", align_corners=False)[0].float()
    actual = dense(soft_masks(prototypes, coefficients, boxes, size, (137, 137), (137, 137)), size)
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=0)
    masks = assemble_masks(prototypes, coefficients, boxes, size, (137, 137), (137, 137))
    assert masks == Masks.from_dense(actual > 0.5)
    assert int((masks.dense() != (expected > 0.5)).sum()) <= 2


def test_a_half_is_not_more_than_a_half():
    """Where all prototypes are 0 a mask is a half, also between the cells."""
    for side in (7, 64, 129, 550):
        padded, box = (99, 99), torch.tensor([[0.0, 0, 99, 99]])
        masks = assemble_masks(torch.zeros(4, 30, 33), torch.ones(1, 4), box, (side, side), padded, padded)
        assert int(masks.areas().sum()) == 0


def test_padding_changes_nothing():
    """The same cells over an image without padding, and over one that is padded to half as much again."""
    prototypes, coefficients, boxes = draw(4, 20, 20), draw(3, 4, seed=1), torch.tensor([[8.0, 8, 60, 70]] * 3)
    wide = F.pad(prototypes, (0, 10, 0, 10))
    size, inner = (97, 63), (80, 80)
    alone = dense(soft_masks(prototypes, coefficients, boxes, size, inner, (80, 80)), size)
    padded = dense(soft_masks(wide, coefficients, boxes, size, inner, (120, 120)), size)
    torch.testing.assert_close(padded, alone, atol=1e-5, rtol=0)


def test_masks_are_downsampled_as_by_interpolation():
    masks = F.interpolate(draw(6, 1, 12, 12), (110, 95), mode="bilinear")[:, 0] > 0
    masks[5] = False
    expected = F.interpolate(masks[None].float(), (28, 24), mode="bilinear", align_corners=False)[0] > 0.5
    assert torch.equal(downsample_masks(Masks.from_dense(masks), (110, 95), (28, 24)), expected)
    padded = F.pad(masks, (0, 33, 0, 18))
    expected = F.interpolate(padded[None].float(), (32, 32), mode="bilinear", align_corners=False)[0] > 0.5
    assert torch.equal(downsample_masks(Masks.from_dense(masks), (128, 128), (32, 32)), expected)


def test_a_disk_comes_back():
    """A disk that is downsampled by `downsample_masks` and assembled by `assemble_masks` lies where it was."""
    y, x = torch.meshgrid(torch.arange(160) + 0.5, torch.arange(160) + 0.5, indexing="ij")
    disk = ((y - 90) ** 2 + (x - 61) ** 2 < 40**2)[None]
    cells = downsample_masks(Masks.from_dense(disk), (160, 160), (40, 40)).float()
    size, box = (160, 160), torch.tensor([[21.0, 50, 101, 130]])
    masks = assemble_masks(cells * 40 - 20, torch.ones(1, 1), box, size, size, size)
    place = masks[0].nonzero().float().mean(0) + 0.5
    assert (place - torch.tensor([90.0, 61.0])).abs().max() < 0.5
    assert int((masks.dense() & disk).sum()) / int((masks.dense() | disk).sum()) > 0.95


def test_no_masks():
    empty = assemble_masks(draw(4, 8, 8), torch.zeros(0, 4), torch.zeros(0, 4), (30, 40), (32, 32), (32, 32))
    assert (len(empty), empty.size) == (0, (30, 40))
    assert downsample_masks(empty, (30, 40), (8, 8)).shape == (0, 8, 8)

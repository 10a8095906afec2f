"""Anchors: equal to those of torchvision and detectron2, and cached."""

from __future__ import annotations

import torch

from pixelwise.models.mask_rcnn.anchors import cell_anchors, grid_anchors, level_anchors

CPU = torch.device("cpu")


def test_the_anchors_of_a_place():
    expected = [[-22.6274, -11.3137, 22.6274, 11.3137], [-16, -16, 16, 16], [-11.3137, -22.6274, 11.3137, 22.6274]]
    torch.testing.assert_close(cell_anchors((32,), (0.5, 1, 2)), torch.tensor(expected))  # as detectron2 has them
    rounded = cell_anchors((32,), (0.5, 1, 2), rounded=True)
    assert rounded.tolist() == [[-23, -11, 23, 11], [-16, -16, 16, 16], [-11, -23, 11, 23]]  # as torchvision has them


def test_a_grid_equals_that_of_torchvision():
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.image_list import ImageList

    theirs = AnchorGenerator(((32,), (64,)), ((0.5, 1.0, 2.0),) * 2)
    images = ImageList(torch.zeros(1, 3, 64, 96), [(64, 96)])
    expected = theirs(images, [torch.zeros(1, 1, 16, 24), torch.zeros(1, 1, 5, 7)])[0]
    ours = level_anchors((32.0, 64.0), (0.5, 1.0, 2.0), ((16, 24), (5, 7)), ((4, 4), (12, 13)), True, CPU)
    assert torch.equal(torch.cat(ours), expected)


def test_places_run_row_by_row_and_anchors_fastest():
    cells = torch.tensor([[-1.0, -1, 1, 1], [-2, -1, 2, 1]])
    actual = grid_anchors(cells, (2, 2), (8, 4))
    assert actual[:4].tolist() == [[-1, -1, 1, 1], [-2, -1, 2, 1], [3, -1, 5, 1], [2, -1, 6, 1]]
    assert actual[4].tolist() == [-1, 7, 1, 9]


def test_they_are_cached_and_serve_training_after_predicting():
    arguments = ((32.0,), (1.0,), ((2, 3),), ((4, 4),), False, CPU)
    with torch.inference_mode():
        first = level_anchors(*arguments)
    assert level_anchors(*arguments) is first
    assert not first[0].is_inference()

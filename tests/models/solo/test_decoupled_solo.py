"""Decoupled SOLO: the mask of a cell is the product of its column's map and its row's."""

from __future__ import annotations

import torch

import pixelwise


def test_a_mask_is_the_product_of_its_column_and_its_row():
    torch.manual_seed(0)
    for shared in (False, True):
        model = pixelwise.create("decoupled_solo", num_classes=2, backbone="resnet18", convs=1, width=16, shared=shared)
        outputs = model.eval()(torch.rand(1, 3, 64, 96))
        both = outputs.sides[2].sigmoid()[0]  # of 24 columns, then of 24 rows
        (actual,) = model.soft_masks(outputs, 0, 2, torch.tensor([3 * 24 + 5]), (8, 12))
        assert torch.allclose(actual, both[5] * both[24 + 3])


def test_columns_see_x_and_rows_see_y():
    """An image of one colour: without the padding of convolutions, nothing else tells a column from another."""
    torch.manual_seed(0)
    model = pixelwise.create("decoupled_solo", num_classes=2, backbone="resnet18", convs=1, width=16)
    level = torch.ones(1, 16, 12, 12)
    columns, rows = model.side_logits(level, 4)[0, :, 5:-5, 5:-5].split(12)
    assert columns.std(1).max() < 1e-5 < columns.std(2).max()
    assert rows.std(2).max() < 1e-5 < rows.std(1).max()

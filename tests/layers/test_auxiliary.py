"""Auxiliary head."""

from __future__ import annotations

import torch
from torch import nn

from pixelwise.layers.auxiliary import AuxiliaryHead


def test_it_is_the_head_that_torchvision_has():
    from torchvision.models.segmentation.fcn import FCNHead

    ours, theirs = AuxiliaryHead(40, 21), FCNHead(40, 21)
    assert [v.shape for v in ours.state_dict().values()] == [v.shape for v in theirs.state_dict().values()]
    assert next(layer.p for layer in theirs if isinstance(layer, nn.Dropout)) == ours.dropout.p
    assert ours(torch.rand(2, 40, 7, 5)).shape == (2, 21, 7, 5)

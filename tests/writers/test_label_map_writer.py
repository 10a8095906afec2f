"""Label maps of results."""

from __future__ import annotations

import numpy as np
import torch

from pixelwise.classes import Classes
from pixelwise.segmentation import Segmentation
from pixelwise.writers.label_map_writer import number_map

CELLS = Classes(("background", "cell", "debris, other"), background=0)


def test_the_background_is_zero_and_void_65535():
    ids = torch.tensor([[1, 2, 3, 0]], dtype=torch.int32)
    numbers, names = number_map(Segmentation(CELLS, torch.tensor([1, 0, 1]), ids=ids))
    assert numbers.tolist() == [[1, 0, 2, 65535]]
    assert names == {1: "cell", 2: "cell"}


def test_crowds_are_void_in_a_label_map():
    masks = torch.tensor([[[True, False, False]], [[False, True, False]]])
    result = Segmentation(CELLS, torch.tensor([1, 1]), masks=masks, crowd=torch.tensor([False, True]))
    numbers, names = number_map(result)
    assert numbers.tolist() == [[1, 65535, 0]]
    assert numbers.dtype == np.uint16
    assert names == {1: "cell"}

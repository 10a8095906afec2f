from __future__ import annotations

import pytest
import torch

from pixelwise.ops.devices import available


def test_devices_that_are_there():
    assert available("cpu") == torch.device("cpu")
    assert available("auto").type in ("cpu", "cuda")


def test_devices_that_are_not_there():
    with pytest.raises(ValueError, match=r"'cuda:99' was asked for, but PyTorch .* sees \d+ GPUs here"):
        available("cuda:99")
    with pytest.raises(ValueError, match="'gpu'"):
        available("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_when_one_is_asked_for():
    with pytest.raises(ValueError, match="sees 0 GPUs"):
        available("cuda")

from __future__ import annotations

import pytest
import torch

from pixelwise.ops.devices import devices_here, find_device


def test_devices_that_are_there():
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("auto").type in ("cpu", "cuda")
    assert all(find_device(name) == torch.device(name) for name in devices_here())
    assert "cpu" in devices_here()


def test_devices_that_are_not_there():
    with pytest.raises(ValueError, match=r"'cuda:99', but PyTorch .*; there is: cpu"):
        find_device("cuda:99")
    with pytest.raises(ValueError, match="'gpu': it must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps'"):
        find_device("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_when_one_is_asked_for():
    with pytest.raises(ValueError, match="without CUDA|sees 0 GPUs"):
        find_device("cuda")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this is a Mac with a GPU")
def test_no_mps_when_it_is_asked_for():
    with pytest.raises(ValueError, match="finds no GPU of a Mac here; there is: cpu"):
        find_device("mps")

"""A batch of one pooled pixel trains; everything else is PyTorch's batch normalisation."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pixelwise.layers.batch_norm import PooledBatchNorm2d


def norms() -> tuple[nn.BatchNorm2d, PooledBatchNorm2d]:
    theirs = nn.BatchNorm2d(3)
    with torch.no_grad():
        theirs.running_mean.copy_(torch.tensor([1.0, -2.0, 0.5]))
        theirs.running_var.copy_(torch.tensor([4.0, 0.25, 1.0]))
        theirs.weight.copy_(torch.tensor([2.0, 1.0, -1.0]))
    ours = PooledBatchNorm2d(3)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def test_one_value_is_normalised_by_the_running_statistics():
    theirs, ours = norms()
    x = torch.randn(1, 3, 1, 1, requires_grad=True)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        theirs.train()(x)
    actual = ours.train()(x)
    torch.testing.assert_close(actual, theirs.eval()(x))
    actual.sum().backward()
    assert x.grad.abs().min() > 0 and ours.weight.grad is not None
    assert torch.equal(ours.running_mean, theirs.running_mean) and ours.num_batches_tracked == 0


@pytest.mark.parametrize("shape", [(2, 3, 1, 1), (1, 3, 2, 1)])
@pytest.mark.parametrize("mode", [True, False])
def test_otherwise_it_is_that_of_pytorch(shape, mode):
    theirs, ours = norms()
    x = torch.randn(shape)
    assert torch.equal(ours.train(mode)(x), theirs.train(mode)(x))
    assert torch.equal(ours.running_var, theirs.running_var) and ours.num_batches_tracked == theirs.num_batches_tracked

from __future__ import annotations

import pytest
import torch

from pixelwise.postprocess import permutohedral
from pixelwise.postprocess.permutohedral import NORMALIZATIONS, Lattice


def scattered(number: int, d: int, *, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """(N, d) features that lie near each other, so that most vertices have neighbours."""
    return 3 * torch.rand(number, d, dtype=dtype, generator=torch.Generator().manual_seed(d))


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("d", [1, 2, 5])
def test_the_gradient_is_the_adjoint(d, normalization):
    lattice = Lattice(scattered(70, d), normalization)
    matrix = lattice.filter(torch.eye(70, dtype=torch.float64))
    values = random(70, 3).requires_grad_()
    towards = random(70, 3, seed=1)
    (lattice.filter(values) * towards).sum().backward()
    torch.testing.assert_close(values.grad, matrix.T @ towards)
    assert d < 5 or not torch.allclose(matrix, matrix.T)  # the axes are blurred in turn, so that the order matters


def test_gradients_by_finite_differences():
    for normalization in NORMALIZATIONS:
        lattice = Lattice(scattered(12, 3), normalization)
        values = random(12, 2).requires_grad_()
        assert torch.autograd.gradcheck(lattice.filter, values)
        assert torch.autograd.gradgradcheck(lattice.filter, values)


@pytest.mark.parametrize(("d", "most"), [(1, 0.02), (2, 0.03), (5, 0.06)])
def test_near_the_sum_over_all_pairs(d, most):
    features = scattered(2000, d)
    values = torch.sin(features.sum(1, keepdim=True) * 2)
    gauss = torch.exp(-(torch.cdist(features, features) ** 2) / 2)
    exact = (gauss @ values) / gauss.sum(1, keepdim=True)
    found = Lattice(features, "after").filter(values)
    assert (found - exact).abs().mean() < most < values.abs().mean() / 5


def test_normalizations():
    features, ones = scattered(300, 3), torch.ones(300, 1, dtype=torch.float64)
    raw = Lattice(features, "none").filter(ones)
    values = random(300, 2)
    plain = Lattice(features, "none").filter
    torch.testing.assert_close(Lattice(features, "after").filter(ones), ones)
    torch.testing.assert_close(Lattice(features, "after").filter(values), plain(values) / raw)
    torch.testing.assert_close(Lattice(features, "before").filter(values), plain(values / raw))
    torch.testing.assert_close(Lattice(features, "symmetric").filter(values), plain(values / raw.sqrt()) / raw.sqrt())


def test_a_feature_is_a_mixture_of_the_corners_of_its_simplex():
    features = scattered(500, 4)
    cell, rank, weight = permutohedral._simplices(features.T.contiguous())
    assert weight.min() > -1e-12
    torch.testing.assert_close(weight.sum(0), torch.ones(500, dtype=torch.float64))
    assert rank.sort(0).values.eq(torch.arange(5)[:, None]).all()
    canonical = torch.tensor([[k] * (5 - k) + [k - 5] * k for k in range(5)])  # Adams et al., section 3.1
    corners = 5 * cell + canonical[:, rank[:4]]  # (corner, coordinate, feature)
    scale = (2 / 3) ** 0.5 * 5 / torch.tensor([2.0, 6, 12, 20], dtype=torch.float64).sqrt()
    scaled = features.T * scale[:, None]
    above = scaled.flip(0).cumsum(0).flip(0)
    elevated = torch.cat([above[:1], above[1:] - scaled[:3] * torch.arange(1, 4)[:, None]])
    torch.testing.assert_close((weight[:, None] * corners).sum(0), elevated)


def test_parts_are_as_the_whole(monkeypatch):
    lattice, values = Lattice(scattered(400, 5)), random(400, 7)
    whole, total = lattice.filter(values), random(400, 7, seed=2)
    monkeypatch.setitem(permutohedral._TABLE, "cpu", 5 * 8 * len(lattice._start))
    assert [part.shape[1] for part in lattice._parts(values)] == [4, 3]
    torch.testing.assert_close(lattice.filter(values), whole)
    added = total.clone()
    lattice.add_filtered(added, values, 0.5)
    torch.testing.assert_close(added, total + 0.5 * whole)


def test_one_feature_and_equal_features():
    one = Lattice(torch.zeros(1, 2), "symmetric")
    torch.testing.assert_close(one.filter(torch.tensor([[2.0, -1.0]])), torch.tensor([[2.0, -1.0]]))
    values = random(6, 2).float()
    same = Lattice(torch.full((6, 3), 0.7), "after").filter(values)
    torch.testing.assert_close(same, values.mean(0).expand(6, -1))


def test_what_is_refused():
    with pytest.raises(ValueError, match="no normalization 'mean'"):
        Lattice(torch.zeros(4, 2), "mean")
    with pytest.raises(ValueError, match="larger deviations"):
        Lattice(torch.rand(4, 5) * 1e6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_finds_the_same():
    features, values = scattered(5000, 5, dtype=torch.float32) * 4, random(5000, 21).float()
    found = Lattice(features.cuda()).filter(values.cuda()).cpu()
    torch.testing.assert_close(found, Lattice(features).filter(values), atol=1e-5, rtol=1e-4)

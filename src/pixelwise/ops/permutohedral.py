"""Gaussian filters in any number of dimensions, on the permutohedral lattice.

Adams, Baek, Davis: "Fast High-Dimensional Filtering Using the Permutohedral Lattice", Eurographics 2010. Values are
splatted to the corners of the simplex that holds their feature (section 3.2), the corners are blurred along each
axis of the lattice, and the values are sliced back. All three are sparse matrices; here each is one weighted
`embedding_bag`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

NORMALIZATIONS = ("symmetric", "before", "after", "none")
_TINY = 1e-20


class Lattice:
    """The Gaussian filter exp(−|f_i − f_j|² / 2) between N features, itself included.

    Args:
        features: (N, d) float, each axis in units of its standard deviation.
        normalization: "symmetric" divides by the root of the filtered ones before and after filtering, "before" and
            "after" divide by the filtered ones, "none" leaves the sums as they are.

    Raises:
        ValueError: for another normalization, or features that reach too far to be numbered.
    """

    def __init__(self, features: Tensor, normalization: str = "symmetric") -> None:
        if normalization not in NORMALIZATIONS:
            raise ValueError(f"there is no normalization {normalization!r}; there are: {', '.join(NORMALIZATIONS)}")
        with torch.no_grad():
            self._build(features)
            self._normalize(normalization)

    def filter(self, values: Tensor) -> Tensor:
        """(N, C) → (N, C); the gradient passes to the values, not to the features."""
        filtered: Tensor = _Filter.apply(values, self, False)
        return filtered

    def _build(self, features: Tensor) -> None:
        number, d = features.shape
        cell, rank, weights = _simplices(features.t().contiguous())
        low = cell.amin(1) - 2
        span = (cell.amax(1) + 3 - low).tolist()
        steps = [math.prod(span[:k]) for k in range(d)]
        every = math.prod(span)
        bits = (number - 1).bit_length()
        if every * (d + 1) >= 1 << (62 - bits):
            raise ValueError(f"{number} features over {span} cells of the lattice are too many: use larger deviations")
        code = sum(
            ((cell[k] - low[k]).long() * steps[k] for k in range(d)), torch.zeros_like(cell[0], dtype=torch.long)
        )
        step = features.new_tensor([*steps, 0], dtype=torch.long)
        by_rank = torch.empty_like(rank, dtype=torch.long).scatter_(0, rank, step[:, None].expand(-1, number))
        corners = torch.empty_like(by_rank)
        corners[0] = code
        for r in range(1, d + 1):  # the axes of rank above d − r step down
            torch.sub(corners[r - 1], by_rank[d + 1 - r], out=corners[r])
        corners += torch.arange(d + 1, device=code.device)[:, None] * every
        words = _sort((corners << bits | torch.arange(number, device=code.device)).view(-1))
        code, pixel = words >> bits, words & ((1 << bits) - 1)
        first = torch.ones_like(code, dtype=torch.bool)
        first[1:] = code[1:] != code[:-1]
        start = first.nonzero().view(-1)
        vertex = first.cumsum(0, dtype=torch.int32) - 1
        place = pixel * (d + 1) + code // every
        self._corner = torch.empty_like(vertex).scatter_(0, place, vertex).view(number, d + 1)
        self._slice_weight = weights.t().contiguous()
        self._pixel, self._start = pixel.int(), start.int()
        self._splat_weight = self._slice_weight.view(-1)[place]
        self._blurs = _neighbours(code[start], steps, every, features.dtype)
        self._alpha = 1 / (1 + 2.0**-d)

    def _normalize(self, normalization: str) -> None:
        ones = self._slice_weight.new_ones(len(self._corner), 1)
        self._slice_weight *= self._alpha
        norm = self._apply(ones, self._blurs) + _TINY
        self._ratio: Tensor | None = None  # of what is multiplied after to what is multiplied before
        if normalization == "none":
            return
        factor = norm.rsqrt() if normalization == "symmetric" else norm.reciprocal()
        if normalization != "after":
            self._splat_weight *= factor.view(-1)[self._pixel]
        if normalization != "before":
            self._slice_weight *= factor
        if normalization != "symmetric":
            self._ratio = factor if normalization == "after" else norm

    def _apply(self, values: Tensor, blurs: list[tuple[Tensor, Tensor]]) -> Tensor:
        values = F.embedding_bag(
            self._pixel, values, self._start, mode="sum", per_sample_weights=self._splat_weight
        )  # (M, C)
        for index, weight in blurs:
            values = F.embedding_bag(index, values, mode="sum", per_sample_weights=weight)  # (M, C)
        return F.embedding_bag(self._corner, values, mode="sum", per_sample_weights=self._slice_weight)  # (N, C)

    def _apply_adjoint(self, values: Tensor) -> Tensor:
        if self._ratio is None:
            return self._apply(values, self._blurs[::-1])
        return self._apply(values * self._ratio, self._blurs[::-1]) / self._ratio


class _Filter(torch.autograd.Function):
    """The filter is linear: its gradient is the adjoint, which blurs the axes in reverse."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, lattice: Lattice, adjoint: bool) -> Tensor:
        ctx.lattice, ctx.adjoint = lattice, adjoint
        return lattice._apply_adjoint(values) if adjoint else lattice._apply(values, lattice._blurs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        gradient: Tensor = _Filter.apply(gradients[0], ctx.lattice, not ctx.adjoint)
        return gradient, None, None


def _simplices(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(d, N) → cells (d, N) int32, ranks (d + 1, N) int64, barycentric weights (d + 1, N)."""
    d, number = features.shape
    elevated = features.new_empty(d + 1, number)
    total = features.new_zeros(number)
    for j in range(d, 0, -1):
        scaled = features[j - 1] * (math.sqrt(2 / 3) * (d + 1) / math.sqrt(j * (j + 1)))
        torch.sub(total, scaled, alpha=j, out=elevated[j])
        total += scaled
    elevated[0] = total
    cell = torch.round(elevated / (d + 1))
    rest = elevated - cell * (d + 1)
    rank = cell.sum(0).long().expand(d + 1, -1).clone()
    for i in range(d):
        for j in range(i + 1, d + 1):
            less = rest[i] < rest[j]
            rank[i] += less
            rank[j] += ~less
    wrap = (rank < 0).long() - (rank > d).long()
    rank += wrap * (d + 1)
    cell += wrap
    rest = (elevated - cell * (d + 1)) / (d + 1)
    by_rank = torch.empty_like(rest).scatter_(0, rank, rest)
    weights = torch.empty_like(rest)
    weights[0] = 1 + by_rank[d] - by_rank[0]
    weights[1:] = by_rank[:d].flip(0) - by_rank[1:].flip(0)
    return cell[:d].int(), rank, weights


def _sort(words: Tensor) -> Tensor:
    """Ascending; numpy is several times as fast as torch on the CPU."""
    if words.device.type != "cpu":
        return words.sort().values
    words.numpy().sort()
    return words


def _neighbours(code: Tensor, steps: list[int], every: int, dtype: torch.dtype) -> list[tuple[Tensor, Tensor]]:
    """For each axis (M, 3) a vertex and its neighbours, and their weights: 1, ½, ½; 0 where there is none."""
    d = len(steps)
    colour = code // every
    down = torch.where(colour > 0, code - every, code + d * every - sum(steps))
    up = torch.where(colour < d, code + every, code - d * every + sum(steps))
    itself = torch.arange(len(code), device=code.device)
    blurs = []
    for step in [*steps, 0]:
        index, weight = [itself], [torch.ones_like(code, dtype=dtype)]
        for wanted in (down + step, up - step):
            found = torch.searchsorted(code, wanted).clamp_(max=len(code) - 1)
            index.append(found)
            weight.append((code[found] == wanted).to(dtype) * 0.5)
        blurs.append((torch.stack(index, 1).int(), torch.stack(weight, 1)))
    return blurs

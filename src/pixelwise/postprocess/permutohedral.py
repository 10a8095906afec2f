"""Gaussian filters in any number of dimensions, on the permutohedral lattice.

Adams, Baek, Davis: "Fast High-Dimensional Filtering Using the Permutohedral Lattice", Eurographics 2010. Values are
splatted to the corners of the simplex that holds their feature, the corners are blurred along each axis of the lattice,
and the values are sliced back (section 3.2). All three are sparse matrices with rows of few entries: here each is one
`embedding_bag`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

NORMALIZATIONS = ("symmetric", "before", "after", "none")
_TINY = 1e-20
_TABLE = {"cpu": 12 << 20, "cuda": 1 << 30}
"""The largest table of values at the vertices, bytes; more columns are filtered in parts: small tables are faster."""
_COLUMNS = 4
"""The smallest number of columns of a part: reading the indices costs as much."""


class Lattice:
    """The Gaussian filter Σ_j exp(−|f_i − f_j|² / 2) v_j over N features, i = j included.

    Args:
        features: (N, d) float, each axis in units of its standard deviation.
        normalization: "symmetric" divides by the root of the filtered ones before and after filtering, "before" and
            "after" divide by the filtered ones, "none" leaves the sums as they are.

    Raises:
        ValueError: for another normalization, or features that spread too far to be numbered.
    """

    def __init__(self, features: Tensor, normalization: str = "symmetric") -> None:
        if normalization not in NORMALIZATIONS:
            raise ValueError(f"there is no normalization {normalization!r}; there are: {', '.join(NORMALIZATIONS)}")
        with torch.no_grad():
            self._build(features)
            self._normalize(normalization)

    def filter(self, values: Tensor) -> Tensor:
        """Filter (N, C) values. Gradients flow to the values, not to the features."""
        filtered: Tensor = _Filter.apply(values, self, False)
        return filtered

    @torch.no_grad()
    def add_filtered(self, total: Tensor, values: Tensor, factor: float) -> None:
        """Add `factor` times the filtered values to the (N, C) total, in place and without a gradient."""
        for part, into in zip(self._parts(values), self._parts(total), strict=True):
            into.add_(self._filter_part(part, self._blurs), alpha=factor)

    def _build(self, features: Tensor) -> None:
        d = features.shape[1]
        words, weight, bits, steps = _corners(features)
        words = _sort(words)
        place, pixel = words >> bits, words.bitwise_and_((1 << bits) - 1)
        first = torch.ones_like(place, dtype=torch.bool)
        torch.ne(place[:, 1:], place[:, :-1], out=first[:, 1:])
        vertex = first.view(-1).cumsum(0, dtype=torch.int32).sub_(1).view_as(first)
        start = first.view(-1).nonzero().view(-1)  # (M,)
        self._start = torch.cat([start, start.new_tensor([words.numel()])]).int()  # (M + 1,): the last one stays empty
        self._pixel = pixel.view(-1).int()
        self._splat_weight = weight.gather(1, pixel).view(-1)
        self._corner = torch.empty_like(vertex).scatter_(1, pixel, vertex).t().reshape(-1)  # (N (d + 1),)
        self._slice_weight = weight.t().reshape(-1)
        code = place.add_(torch.arange(d + 1, device=place.device)[:, None] * steps[d]).view(-1)[start]
        self._blurs = _neighbours(code, steps)
        self._corners = torch.arange(0, len(self._corner), d + 1, dtype=torch.int32, device=place.device)  # (N,)
        self._pairs = torch.arange(0, 2 * len(self._start), 2, dtype=torch.int32, device=place.device)  # (M + 1,)

    def _normalize(self, normalization: str) -> None:
        number, d = len(self._corners), len(self._blurs) - 1
        self._slice_weight /= 2 ** (d + 1) * (1 + 2.0**-d)  # a blur adds 2, 1 and 1 for 1, ½ and ½
        self._ratio: Tensor | None = None  # of the factor after filtering to the one before
        if normalization == "none":
            return
        norm = self._filter_part(self._slice_weight.new_ones(number, 1), self._blurs) + _TINY
        factor = norm.rsqrt() if normalization == "symmetric" else norm.reciprocal()
        if normalization != "after":
            self._splat_weight *= factor.view(-1)[self._pixel]
        if normalization != "before":
            self._slice_weight.view(number, d + 1).mul_(factor)
        if normalization != "symmetric":
            self._ratio = factor if normalization == "after" else norm

    def _parts(self, values: Tensor) -> tuple[Tensor, ...]:
        columns = values.shape[1]
        max_columns = _TABLE.get(values.device.type, 1 << 30) // (values.element_size() * len(self._start))
        return values.tensor_split(-(-columns // max(_COLUMNS, max_columns)), 1)

    def _filter_part(self, values: Tensor, blurs: list[Tensor]) -> Tensor:
        splat, slice_ = self._splat_weight.to(values.dtype), self._slice_weight.to(values.dtype)
        table = F.embedding_bag(self._pixel, values, self._start, mode="sum", per_sample_weights=splat)  # (M + 1, C)
        for neighbours in blurs:
            table = F.embedding_bag(neighbours, table, self._pairs, mode="sum").add_(table, alpha=2)  # (M + 1, C)
        return F.embedding_bag(self._corner, table, self._corners, mode="sum", per_sample_weights=slice_)  # (N, C)

    def _filter_all(self, values: Tensor, blurs: list[Tensor]) -> Tensor:
        return torch.cat([self._filter_part(part, blurs) for part in self._parts(values)], 1)

    def _adjoint(self, values: Tensor) -> Tensor:
        if self._ratio is None:
            return self._filter_all(values, self._blurs[::-1])
        return self._filter_all(values * self._ratio, self._blurs[::-1]) / self._ratio


class _Filter(torch.autograd.Function):
    """The filter as a differentiable function: as it is linear, its gradient is the adjoint, which blurs in reverse."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, lattice: Lattice, adjoint: bool) -> Tensor:
        ctx.lattice, ctx.adjoint = lattice, adjoint
        return lattice._adjoint(values) if adjoint else lattice._filter_all(values, lattice._blurs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        gradient: Tensor = _Filter.apply(gradients[0], ctx.lattice, not ctx.adjoint)
        return gradient, None, None


def _corners(features: Tensor) -> tuple[Tensor, Tensor, int, list[int]]:
    """Compute the corners of the simplices of (N, d) features, remainder by remainder.

    Returns:
        Words of the place of a corner in the lattice and the number of its feature, (d + 1, N) int64; the barycentric
        weights, (d + 1, N); the bits of the number; and what a step along each coordinate adds to a place, with the
        number of places as the last.
    """
    number, d = features.shape
    cell, rank, weight = _simplices(features.t().contiguous())
    low = cell.amin(1) - 2
    span = (cell.amax(1) + 3 - low).tolist()
    steps = [math.prod(span[:k]) for k in range(d + 1)]
    bits = (number - 1).bit_length()
    if steps[d] * (d + 1) >> (62 - bits):
        raise ValueError(f"{number} features over {span} cells of the lattice are too many: use larger deviations")
    step = torch.tensor([*steps[:d], 0], device=rank.device) << bits
    words = torch.empty_like(rank)
    words[0] = torch.arange(number, device=rank.device)
    for k in range(d):
        words[0] += (cell[k] - low[k]) * step[k]
    step_of_rank = torch.empty_like(rank).scatter_(0, rank, step[:, None].expand(-1, number))
    for r in range(1, d + 1):
        torch.sub(words[r - 1], step_of_rank[d + 1 - r], out=words[r])
    return words, weight, bits, steps


def _simplices(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Find the simplex of each feature, with the operations of pydensecrf in its order: near ties, rounding decides.

    Args:
        features: (d, N).

    Returns:
        The nearest point of remainder 0, divided by d + 1, (d, N) int64; the order of the coordinates' distances
        from it, (d + 1, N) int64; and the barycentric weights of the corners of remainder 0 to d, (d + 1, N).
    """
    d, number = features.shape
    elevated = features.new_empty(d + 1, number)
    total = features.new_zeros(number)
    for j in range(d, 0, -1):
        scaled = features[j - 1] * (float(np.float32(math.sqrt(2 / 3) * (d + 1))) / math.sqrt(j * (j + 1)))
        torch.sub(total, scaled * j, out=elevated[j])
        total += scaled
    elevated[0] = total
    cell = torch.round(elevated * (1 / (d + 1)))
    rest = elevated - cell * (d + 1)
    rank = cell.sum(0).to(torch.int8).repeat(d + 1, 1)
    for i in range(d):
        for j in range(i + 1, d + 1):
            less = rest[i] < rest[j]
            rank[i] += less.view(torch.int8)
            rank[j] += less.logical_not_().view(torch.int8)
    wrap = (rank < 0).to(torch.int8) - (rank > d).to(torch.int8)
    cell += wrap
    order = (rank + wrap * (d + 1)).long()
    rest = (elevated - cell * (d + 1)) * (1 / (d + 1))
    by_rank = torch.empty_like(rest).scatter_(0, order, rest)
    weight = torch.empty_like(rest)
    weight[0] = 1 + by_rank[d] - by_rank[0]
    torch.sub(by_rank[:d].flip(0), by_rank[1:].flip(0), out=weight[1:])
    return cell[:d].long(), order, weight


def _neighbours(code: Tensor, steps: list[int]) -> list[Tensor]:
    """Find for each axis the two neighbours of each vertex, (2 M + 2,) int32; M, whose value stays 0, if there is none.

    A step up an axis leads from remainder r to r + 1, and from d to 0.

    Args:
        code: (M,) int64, ascending: the place of each vertex plus its remainder times the number of places.
        steps: as `_corners` returns them.
    """
    number, (*along, every) = len(code), steps
    last = len(along) * every
    above = torch.where(code < last, code + every, code - last + sum(along))
    itself = torch.arange(number, dtype=torch.int32, device=code.device)
    queries = [above - step for step in [*along, 0]]
    blurs = []
    for query, place in zip(queries, _search(code, queries), strict=True):
        place.clamp_(max=number - 1)
        up = torch.where(code.gather(0, place) == query, place, number)
        neighbours = torch.full((number + 1, 2), number, dtype=torch.int32, device=code.device)
        neighbours[:number, 0] = up
        neighbours[:, 1].scatter_(0, up, itself)[number] = number
        blurs.append(neighbours.view(-1))
    return blurs


def _sort(words: Tensor) -> Tensor:
    """Sort each row; on the CPU numpy is several times as fast as torch."""
    if words.device.type != "cpu":
        return words.sort(1).values
    words.numpy().sort(1)
    return words


def _search(code: Tensor, queries: list[Tensor]) -> Iterator[Tensor]:
    """Find the place of each query among the codes; numpy is faster, as it makes use of the order of the queries."""
    if code.device.type != "cpu":
        return (torch.searchsorted(code, query) for query in queries)
    codes = code.numpy()
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return map(torch.from_numpy, list(pool.map(lambda query: np.searchsorted(codes, query.numpy()), queries)))

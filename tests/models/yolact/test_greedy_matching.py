"""Greedy matching of anchors with objects."""

from __future__ import annotations

import torch

from pixelwise.models.yolact.greedy_matching import CLAIMED, match_greedily


def reference(overlaps: torch.Tensor) -> tuple[list[int], list[float]]:
    """Reference implementation, which searches the whole table again for each object."""
    left = overlaps.clone()
    strength, owner = (one.clone() for one in overlaps.max(0))
    for _ in range(min(overlaps.shape)):
        place = int(left.flatten().argmax())
        truth, anchor = divmod(place, left.shape[1])
        strength[anchor], owner[anchor] = CLAIMED, truth
        left[truth], left[:, anchor] = -1, -1
    return owner.tolist(), strength.tolist()


def test_the_best_pair_claims_first():
    table = torch.tensor([[0.6, 0.5, 0.0, 0.1], [0.7, 0.2, 0.0, 0.1]])
    owner, overlap = match_greedily(table)
    assert owner.tolist()[:2] == [
        1,
        0,
    ]  # anchor 0 overlaps both; the second object overlaps it more, the first takes its next best
    torch.testing.assert_close(overlap, torch.tensor([CLAIMED, CLAIMED, 0.0, 0.1]))


def test_an_object_that_hardly_overlaps_claims_an_anchor_too():
    owner, overlap = match_greedily(torch.tensor([[0.9, 0.8, 0.0], [0.1, 0.0, 0.05]]))
    assert owner.tolist() == [0, 0, 1]
    assert overlap.tolist()[2] == CLAIMED


def test_it_equals_the_reference():
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        shape = ((5, 40), (12, 12), (9, 4), (1, 1), (30, 31))[seed % 5]
        table = torch.rand(shape, generator=generator)
        owner, overlap = match_greedily(table)
        assert (owner.tolist(), overlap.tolist()) == reference(table)


def test_more_objects_than_anchors_and_no_objects():
    owner, overlap = match_greedily(torch.rand(500, 3))
    assert overlap.tolist() == [CLAIMED] * 3
    assert len(set(owner.tolist())) == 3
    owner, overlap = match_greedily(torch.zeros(0, 3))
    assert (owner.tolist(), overlap.tolist()) == ([0, 0, 0], [0, 0, 0])


def test_the_table_stays_as_it_was():
    table = torch.rand(4, 9)
    before = table.clone()
    match_greedily(table)
    assert torch.equal(table, before)

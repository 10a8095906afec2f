"""What depends on the step alone."""

from __future__ import annotations

import pytest

from pixelwise.training.optimisation.schedule import average_decay, learning_rate_factor, step_seed, validation_interval


@pytest.mark.parametrize(("step", "factor"), [(0, 1.0), (1, 0.99997), (15_000, 0.535887), (29_999, 9.345e-5)])
def test_poly_has_the_published_values(step, factor):
    """DeepLab's and PSPNet's poly over 30 000 iterations with power 0.9."""
    assert learning_rate_factor("poly", step, 30_000, 0) == pytest.approx(factor, rel=2e-4)


def test_step_is_solos_1x():
    """SOLO's 1x schedule: a tenth after epochs 9 and 11 of 12."""
    factors = [learning_rate_factor("step", epoch, 12, 0) for epoch in range(12)]
    assert factors == pytest.approx([1.0] * 9 + [0.1] * 2 + [0.01])


def test_step_falls_where_it_is_told():
    """DeepLab v1: a tenth after each 2000 of 6000 iterations."""
    factors = [learning_rate_factor("step:0.3333,0.6667", step, 6000, 0) for step in (0, 1999, 2000, 3999, 4001, 5999)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_cosine_and_constant():
    assert [learning_rate_factor("cosine", step, 4, 0) for step in range(4)] == pytest.approx(
        [1, 0.853553, 0.5, 0.146447], abs=1e-6
    )
    assert {learning_rate_factor("constant", step, 7, 0) for step in range(7)} == {1.0}


def test_warm_up_rises_evenly_and_ends():
    factors = [learning_rate_factor("constant", step, 100, 0.04) for step in range(6)]
    assert factors == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])


@pytest.mark.parametrize("schedule", ["poly", "cosine", "step", "constant"])
@pytest.mark.parametrize("total", [1, 2, 1000])
def test_every_step_learns(schedule, total):
    assert all(0 < learning_rate_factor(schedule, step, total, 0.1) <= 1 for step in range(total))


def test_the_average_forgets_its_start():
    decays = [average_decay(0.99, step) for step in range(2000)]
    assert decays[0] == 0.1
    assert decays == sorted(decays)
    assert decays[-1] == 0.99
    assert average_decay(0.0, 5) == 0.0


def test_seeds_differ_by_step_and_process():
    seeds = {step_seed(seed, step, rank) for seed in range(5) for step in range(50) for rank in range(4)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert step_seed(1, 2, 3) == step_seed(1, 2, 3)


def test_validation_takes_about_a_tenth():
    assert validation_interval(trained=1000, validated=300, epochs=100) == 1
    assert validation_interval(trained=1000, validated=900, epochs=100) == 3
    assert validation_interval(trained=1000, validated=10**9, epochs=100) == 10, "ten scores a run at least"
    assert validation_interval(trained=1000, validated=10**9, epochs=3) == 1

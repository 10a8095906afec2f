"""Schedules: the learning rate, the decay of the average and the seed of each step, and when to validate."""

from __future__ import annotations

import math
from dataclasses import dataclass

SCHEDULES = ("poly", "cosine", "step", "constant")


STEP_DROPS = (9 / 12, 11 / 12)
"""The shares of the run after which the schedule "step" drops the learning rate: SOLO's 1x schedule."""


@dataclass(frozen=True)
class RunLength:
    """The length of a run.

    Attributes:
        steps: of the optimiser, in all.
        epoch_steps: steps of the optimiser in an epoch.
        validate_every: epochs between two validations.
        accumulate: parts that a batch is worked through in.
    """

    steps: int
    epoch_steps: int
    validate_every: int
    accumulate: int


def learning_rate_factor(schedule: str, step: int, total: int, warmup: float) -> float:
    """Return the factor of the highest learning rate at a step: the published curve times a linear warm-up.

    Args:
        schedule: "poly", (1 − step/total)^0.9, as in DeepLab and PSPNet; "cosine"; "step", a tenth after 9/12 of the
            steps and a hundredth after 11/12 (SOLO's 1x), or after the shares that it names, as in "step:0.3,0.6";
            "constant".
        step: of the optimiser, from 0 to total − 1.
        total: number of steps of the whole run.
        warmup: share of the steps in which the factor rises linearly from nearly 0.

    >>> round(learning_rate_factor("poly", 15_000, 30_000, 0), 6)
    0.535887
    """
    done = step / total
    curves: dict[str, float] = {
        "poly": (1 - done) ** 0.9,
        "cosine": (1 + math.cos(math.pi * done)) / 2,
        "step": 0.1 ** sum(done >= share for share in drops(schedule)),
        "constant": 1.0,
    }
    # step + 1, so that the first step of the warm-up learns too.
    rise = min(1.0, (step + 1) / (1 + round(warmup * total)))
    return curves[schedule.partition(":")[0]] * rise


def drops(schedule: str) -> tuple[float, ...]:
    """Return the shares of the run after which a "step" schedule divides the learning rate by ten.

    Empty for other schedules, and for shares that are not numbers between 0 and 1.

    >>> drops("step:0.3,0.6"), drops("poly"), drops("step:often")
    ((0.3, 0.6), (), ())
    """
    name, _, listed = schedule.partition(":")
    if name != "step":
        return ()
    if not listed:
        return STEP_DROPS
    try:
        shares = tuple(float(share) for share in listed.split(","))
    except ValueError:
        return ()
    return shares if all(0 < share < 1 for share in shares) else ()


def average_decay(decay: float, step: int) -> float:
    """Return the share of the averaged weights that remains at a step.

    Smaller in the first steps, so that the random start is soon forgotten: (1 + step) / (10 + step) at most.
    """
    return min(decay, (1 + step) / (10 + step))


def step_seed(seed: int, step: int, rank: int) -> int:
    """Return the seed of the model's own random draws (dropout), independent for each step and process."""
    import numpy as np  # late: reading a recipe must not load numpy

    return int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0] >> 1)


def validation_interval(trained: int, validated: int, epochs: int) -> int:
    """Return the number of epochs between two validations.

    Validation takes about a tenth of the training time, but a run validates at least ten times (each epoch if it has
    fewer). Depends on no clock, so that a resumed run validates when an uninterrupted one does.

    Args:
        trained: pixels that one epoch trains on; one takes about as long as 3 pixels that are only predicted.
        validated: pixels of the validation images, as the model sees them.
        epochs: of the whole run.
    """
    tenth = math.ceil(validated / 3 / max(1, trained) / 0.1)
    return max(1, min(tenth, epochs // 10))

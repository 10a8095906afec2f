"""What depends on the step alone: the learning rate, the seed of a step, the decay of the average, when to validate."""

from __future__ import annotations

import math

SCHEDULES = ("poly", "cosine", "step", "constant")


def learning_rate_factor(schedule: str, step: int, total: int, warmup: float) -> float:
    """What the highest learning rate is multiplied with at a step: the published curve times a linear rise.

    Args:
        schedule: "poly" (1 − step/total)^0.9, per step as DeepLab and PSPNet have it; "cosine"; "step", a tenth from
            9/12 and a hundredth from 11/12 of the steps on (SOLO's 1x), or from the shares that it names, as
            "step:0.3,0.6" does; "constant".
        step: of the optimiser, from 0 to total − 1.
        total: number of steps of the whole run.
        warmup: share of the steps in which the factor rises from nearly 0.

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
    return curves[schedule.partition(":")[0]] * min(1.0, (step + 1) / (1 + round(warmup * total)))


def drops(schedule: str) -> tuple[float, ...]:
    """The shares of the run after which the learning rate falls to a tenth; none where no "step" schedule is named.

    >>> drops("step:0.3,0.6"), drops("poly"), drops("step:often")
    ((0.3, 0.6), (), ())
    """
    name, _, shares = schedule.partition(":")
    if name != "step":
        return ()
    try:
        found = tuple(float(share) for share in shares.split(",")) if shares else (9 / 12, 11 / 12)
    except ValueError:
        return ()
    return found if all(0 < share < 1 for share in found) else ()


def average_decay(decay: float, step: int) -> float:
    """How much of the averaged weights remains at a step: little at first, so that the random start is forgotten."""
    return min(decay, (1 + step) / (10 + step))


def step_seed(seed: int, step: int, rank: int) -> int:
    """A seed for what the model itself draws (dropout), independent for each step and process."""
    import numpy as np  # late: a recipe is read without it

    return int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0] >> 1)


def validation_interval(trained: int, validated: int, epochs: int) -> int:
    """After how many epochs to validate, so that it takes about a tenth of the time, but ten times a run at least.

    Depends on no clock, so that a resumed run validates when an uninterrupted one does.

    Args:
        trained: pixels that one epoch trains on; one costs about as much as 3 that are only looked at.
        validated: pixels of the validation images, as the model sees them.
        epochs: of the whole run.
    """
    wanted = math.ceil(validated / 3 / max(1, trained) / 0.1)
    return max(1, min(wanted, epochs // 10))

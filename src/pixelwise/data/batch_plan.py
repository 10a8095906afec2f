"""Plan of a training's batches: every random draw follows from the seed, the step and the position in the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..types import Size

# The purpose of a draw is the first word of its seed, so that draws for different purposes are independent.
ORDER, SIZE, VIEW, PASTE = range(4)

_MINIMA = {"batch": 1, "steps": 0, "start": 0, "seed": 0, "workers": 0, "rank": 0, "world": 1, "multiple": 1}


@dataclass(frozen=True, eq=False)
class Plan:
    """Batches of one process of one training.

    Attributes:
        batch: images per step, over all processes.
        steps: steps of the whole training.
        start: the first step that is yielded; the steps before it are skipped, as a resumed training needs it.
        seed: seed of every draw.
        workers: worker processes that make batches; 0 makes them in the calling process.
        rank, world: index of this process and number of processes; each makes its own part of the batch.
        multiple: height and width are padded to a multiple of this many pixels.
        sizes: (height, width) choices, one of which is drawn for each step, the same in all processes; if empty, the
            augmentation's size.
        weights: (images,) how often each image is drawn, in any unit; None draws all equally often. See
            `rare_class_weights`.

    Raises:
        ValueError: a value is outside its range, or the processes cannot share a batch evenly.
    """

    batch: int
    steps: int
    start: int = 0
    seed: int = 0
    workers: int = 2
    rank: int = 0
    world: int = 1
    multiple: int = 1
    sizes: Sequence[Size] = ()
    weights: Tensor | None = None

    def __post_init__(self) -> None:
        for name, minimum in _MINIMA.items():
            value = getattr(self, name)
            if value < minimum:
                raise ValueError(f"{name} is {value}: it is a whole number, {minimum} or more")
        if self.rank >= self.world:
            raise ValueError(f"rank is {self.rank}, but the {self.world} processes are numbered 0 to {self.world - 1}")
        if self.batch % self.world:
            raise ValueError(f"a batch of {self.batch} images cannot be shared evenly by {self.world} processes")

    @property
    def positions(self) -> range:
        """Positions in the batch of all processes that belong to this process."""
        share = self.batch // self.world
        return range(self.rank * share, (self.rank + 1) * share)

    def size(self, step: int) -> Size | None:
        """Height and width of a step's images; None leaves the augmentation's."""
        if not self.sizes:
            return None
        return self.sizes[int(self.generator(SIZE, step).integers(len(self.sizes)))]

    def generator(self, purpose: int, *place: int) -> np.random.Generator:
        """The random generator of a draw, for its purpose and its step, or step and position."""
        return np.random.default_rng((purpose, self.seed, *place))


class ImageOrder:
    """Order in which a training draws the images: shuffled anew for each pass.

    Args:
        plan: its seed and weights decide the order.
        number: images of the data set.

    Raises:
        ValueError: the weights are not one non-negative number for each image, or all are zero.
    """

    def __init__(self, plan: Plan, number: int) -> None:
        self.seed, self.number = plan.seed, number
        self.cumulative = None if plan.weights is None else _cumulative(plan.weights, number)

    def __getitem__(self, draw: int) -> int:
        """The index of the image of one draw, counted over the whole training."""
        turn, place = divmod(draw, self.number)
        order, offset = _shuffled(self.seed, turn, self.number)
        if self.cumulative is None:
            return int(order[place])
        # Systematic sampling: evenly spaced points, so each image comes weight · number times a pass, rounded.
        point = (order[place] + offset) / self.number
        return int(np.searchsorted(self.cumulative[:-1], point, side="right"))


@lru_cache(maxsize=4)
def _shuffled(seed: int, turn: int, number: int) -> tuple[NDArray[np.int64], float]:
    """The shuffled images of one pass, and the offset of its systematic sample, in [0, 1)."""
    rng = np.random.default_rng((ORDER, seed, turn))
    return rng.permutation(number), float(rng.random())


def _cumulative(weights: Tensor, number: int) -> NDArray[np.float64]:
    """The running sum of the weights, up to 1."""
    values = weights.double().numpy()
    if values.shape != (number,) or not (values >= 0).all() or not 0 < values.sum() < np.inf:
        raise ValueError(
            f"the weights of the images must be {number} numbers, none negative and not all zero: "
            f"these are {values.shape} from {values.min(initial=np.inf)} to {values.max(initial=-np.inf)}"
        )
    shares: NDArray[np.float64] = np.cumsum(values) / values.sum()
    return shares

"""The base class of the predictors of each task: their options, and what a task refuses."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from ..images.rows import Rows
from ..models.base import Model
from ..postprocess.chain import Chain
from ..segmentation import Segmentation
from .tiles import Tiling

MAX_UNTILED_PIXELS = 1536 * 1536
"""The most pixels that a model is given at once when nobody says how large a tile may be."""

TILE = 1024
"""Side of the tiles of larger images, pixels."""

TILE_GRID = 32
"""Tiles start at multiples of this many pixels (and of the model's stride), where the poolings of networks fall on the
same pixels as in the whole image."""

OVERLAP = 0.25
"""Overlap of neighbouring tiles, as a share of their side."""

NOTHING = Chain()
"""No post-processing."""

Whole = Callable[[Model, Tensor], Segmentation]
"""(model, (3, H, W) uint8 image) → its prediction, by the road of an ordinary image."""

Forward = Callable[[Model, Tensor], Any]
"""(model, (1, 3, h, w) batch) → the outputs of the model."""


@dataclass(frozen=True)
class Options:
    """The settings of a `Predictor` that depend on the task; described there."""

    flip: bool | str = False
    scales: tuple[float, ...] = (1.0,)
    tile: int | None = None
    overlap: float = OVERLAP
    postprocess: Chain | None = None
    score_threshold: float | None = None

    @property
    def views(self) -> bool:
        """True if test-time augmentation is asked for."""
        return self.flip is not False or self.scales != (1.0,)


class Method(abc.ABC):
    """The way in which the models of one task predict an image.

    Args:
        model: on its device.
        options: of the predictor.
        whole: predicts an image at once.
        forward: computes the outputs of a batch.

    Attributes:
        postprocess: the chain that is applied to predictions.

    Raises:
        TypeError: the models of this task cannot do what the options ask for.
    """

    streams: ClassVar[bool] = False
    """Whether `class_maps` predicts images that are never whole in memory."""

    def __init__(self, model: Model, options: Options, whole: Whole, forward: Forward) -> None:
        self.model, self.options = model, options
        self.whole, self.forward = whole, forward
        self.postprocess = model.postprocess if options.postprocess is None else options.postprocess
        if not isinstance(self.postprocess, Chain):
            raise TypeError(
                f"postprocess is {self.postprocess!r}: it must be a Chain, such as Chain(crf=CRF(), open=2)"
            )
        if options.tile is not None or options.overlap != OVERLAP:
            self._tiling(options.tile or TILE)  # raises for values that make no sense
        self.check()

    def tiling_for(self, height: int, width: int, *, automatic: bool = True) -> Tiling | None:
        """The tiles of an image of this size; None where the model sees all of it at once.

        Args:
            height, width: of the image, pixels.
            automatic: whether images of more than `MAX_UNTILED_PIXELS` are cut when no tile was asked for.
        """
        side = self.options.tile
        if side is None and automatic and height * width > MAX_UNTILED_PIXELS:
            side = TILE
        if side is None:
            return None
        tiling = self._tiling(side)
        return tiling if max(height, width) > tiling.side else None

    def _tiling(self, side: int) -> Tiling:
        return Tiling(side, self.options.overlap, math.lcm(self.model.stride, TILE_GRID))

    @abc.abstractmethod
    def check(self) -> None:
        """Raises a TypeError if the models of this task cannot do what the options ask for."""

    @abc.abstractmethod
    def predict(self, image: Tensor, score_threshold: float) -> Segmentation:
        """The prediction for (3, H, W) uint8, at its own size, on the CPU."""

    def probabilities(self, image: Tensor) -> Tensor:
        """(C, H, W) class probabilities on the CPU."""
        raise self.refusal("it has no class probabilities")

    def class_maps(self, source: Rows) -> Iterator[Tensor]:
        """(n, W) uint8 on the CPU: the class map, a band of rows after the other."""
        raise self.refusal("it takes whole images")

    def refusal(self, why: str) -> TypeError:
        """The error for something that this task cannot do."""
        return TypeError(f"{self.description}: {why}")

    @property
    def description(self) -> str:
        """The method and its task, for errors."""
        return f"{self.model.method} does {self.model.task} segmentation"

    def refuse_views_and_crf(self) -> None:
        """Refuses what only class probabilities allow."""
        if self.options.views or self.postprocess.crf is not None:
            raise self.refusal("flip, scales and the CRF need class probabilities, which only semantic models have")

    def refuse_score_threshold(self) -> None:
        """Refuses a score threshold for models without confidence scores of objects."""
        if self.options.score_threshold is not None:
            raise self.refusal("score_threshold is for instance models, leave it out")

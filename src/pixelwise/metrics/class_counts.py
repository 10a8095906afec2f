"""Base class of the metrics whose scores follow from a few counts of each class, summed over the images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .bootstrap import Intervals, bootstrap_counts, means_over_images
from .metric import Row, rows_of
from .per_image import PerImage
from .ratios import Values

Counts = NDArray[np.int64]


class ClassCounts(PerImage[NDArray[Any]]):
    """A metric that keeps K counts of each class for each image; all scores follow from their sums.

    Attributes:
        images: the counts of each image, (K, C) each.
    """

    COUNTS: ClassVar[int]
    """K, the number of counts of a class."""

    IMAGE_WISE: ClassVar[Sequence[str]] = ()
    """The scores whose mean over the images is given too."""

    def scores(self) -> dict[str, float]:
        """Return the scores of the data set, 0 to 1, as defined in `DEFINITIONS`; nan where a score is undefined."""
        alone = self._summarize(self._stacked())
        once = np.ones(len(self.images), np.int64)
        scores = self._summarize(self._total()) | means_over_images(alone, once, self.IMAGE_WISE)
        return {name: float(value) for name, value in scores.items()}

    def per_image(self) -> list[Row]:
        """Return a row for each image: "name" and the scores of this image alone, nan where one is undefined."""
        return rows_of("name", self.names, self._summarize(self._stacked()))

    def intervals(self, rng: np.random.Generator, draws: int = 1000, level: float = 0.95) -> Intervals:
        """Return the bootstrap interval of each score: it holds `level` of the `draws` data sets drawn."""
        return bootstrap_counts(
            self._stacked(), rng, draws, level, summarize=self._summarize, image_wise=self.IMAGE_WISE
        )

    def _summarize(self, counts: NDArray[Any]) -> dict[str, Values]:
        """Compute the scores over all classes, (…) each, from (…, K, C) counts."""
        raise NotImplementedError

    def _stacked(self) -> NDArray[Any]:
        """Return the counts of all images, (images, K, C)."""
        return np.array(self.images).reshape(-1, self.COUNTS, len(self.classes))

    def _total(self) -> NDArray[Any]:
        """Return the counts summed over the images, (K, C)."""
        return np.asarray(self._stacked().sum(0))

"""Images that occur twice in a data set: with equal pixels, or similar ones in different splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from .survey import SurveyedImage

MIN_CORRELATION = 0.995
"""Images whose thumbnails correlate at least this much are taken for views of the same scene."""


class SimilarPair(NamedTuple):
    """Two images in different splits that look alike.

    Attributes:
        earlier: the image in the earlier split.
        image: the image in the later split.
        correlation: of their thumbnails, up to 1.
    """

    earlier: SurveyedImage
    image: SurveyedImage
    correlation: float


def find_equal_images(images: Iterable[SurveyedImage]) -> list[list[SurveyedImage]]:
    """Groups of two or more images with exactly the same pixels."""
    groups: defaultdict[bytes, list[SurveyedImage]] = defaultdict(list)
    for image in images:
        if image.digest:
            groups[image.digest].append(image)
    return [group for group in groups.values() if len(group) > 1]


def find_similar_images(images: Sequence[SurveyedImage]) -> list[SimilarPair]:
    """For each image the most similar one in an earlier split, if they correlate at least `MIN_CORRELATION`.

    Pairs with exactly the same pixels are left out.
    """
    pairs: list[SimilarPair] = []
    earlier: list[SurveyedImage] = []
    for group in _by_split(images):
        pairs += _most_similar(group, earlier)
        earlier += group
    return pairs


def _by_split(images: Sequence[SurveyedImage]) -> list[list[SurveyedImage]]:
    """The images of each split that have structure to compare."""
    groups: defaultdict[str, list[SurveyedImage]] = defaultdict(list)
    for image in images:
        if image.thumbnail is not None and image.thumbnail.any():
            groups[image.split].append(image)
    return list(groups.values())


def _most_similar(images: Sequence[SurveyedImage], earlier: Sequence[SurveyedImage]) -> Iterator[SimilarPair]:
    if not earlier:
        return
    thumbnails = np.stack([image.thumbnail for image in earlier if image.thumbnail is not None])
    for image in images:
        correlations = thumbnails @ image.thumbnail
        best = int(correlations.argmax())
        if correlations[best] >= MIN_CORRELATION and image.digest != earlier[best].digest:
            yield SimilarPair(earlier[best], image, float(correlations[best]))

"""Average precision of objects, as COCO defines it: of masks, of boxes and, where asked, of boundaries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..classes import Classes
from ..segmentation import Segmentation
from .confusion import mean
from .overlaps import (
    Floats,
    Integers,
    Objects,
    Pairs,
    Touch,
    best_of,
    boundary_pairs,
    box_pairs,
    mask_pairs,
    objects_of,
)
from .per_image import PerImage, Row, draw_intervals, rows_of
from .ranking import NUMBERS, SIZES, Curves, Flags, Matches, Results, Truths, match, rank

DEFINITIONS: Mapping[str, str] = {
    "mask AP": "average precision of COCO: precision read at 101 recalls, averaged over the recalls, over matches "
    "at an IoU of 0.50, 0.55 … 0.95, and over the classes that have a true object; at most 100 results of a class "
    "count in an image, the best scored",
    "mask AP50": "the same matched at an IoU of 0.50 only",
    "mask AP75": "the same matched at an IoU of 0.75 only",
    "mask AP small": "average precision of the objects of at most 32² pixels; what is of another size neither counts "
    "nor harms",
    "mask AP medium": "of those of 32² to 96² pixels",
    "mask AP large": "of those of at least 96² pixels",
    "mask AR1": "average recall with one result of each class in each image: the share of the true objects that was "
    "found, averaged over the same IoUs and classes",
    "mask AR10": "the same with 10 results",
    "mask AR100": "the same with 100 results",
    "mask AR small": "average recall of the objects of at most 32² pixels, with 100 results",
    "mask AR medium": "of those of 32² to 96² pixels",
    "mask AR large": "of those of at least 96² pixels",
    "box": "the same scores with the IoU of the boxes around the masks; the size of a true object is still that of its "
    "mask, that of a result the area of its box",
    "boundary": "the same scores with the smaller of two IoUs: that of the masks, and that of the parts of the masks "
    "that lie near their own boundaries (Boundary IoU)",
    "crowd": "a region of many objects: it need not be found, and results that lie in it (intersection over their own "
    "area) are neither right nor wrong",
    "size": "everything is computed at the size of the original image; areas are pixels of the mask",
}
"""What each score means, for reports."""

HEADLINES = {"AP": slice(None), "AP50": slice(0, 1), "AP75": slice(5, 6)}
"""The scores over objects of all sizes, and the thresholds that each takes."""


class ImageSource(NamedTuple):
    """What is kept of one image: neither masks nor run lengths, only what they add up to.

    Attributes:
        labels, scores: (D,) of the results, by class, best scored first.
        areas: by kind ("mask", "box", "boundary"), (D,) of the results.
        true_labels, true_areas, true_crowd: (G,) of the true objects.
        pairs: by kind, which of them overlap and how much.
    """

    labels: Integers
    scores: Floats
    areas: dict[str, Floats]
    true_labels: Integers
    true_areas: Floats
    true_crowd: Flags
    pairs: dict[str, Pairs]


class AveragePrecision(PerImage[ImageSource]):
    """Objects found and true, added up over images, and over processes by `reduce`.

    Overlaps are computed as images come, from run lengths by faster-coco-eval; an image then costs some 100 bytes an
    object. Equal scores rank in the order in which the images came.

    Args:
        classes: what the labels mean; its background is no object.
        boundary: width of a boundary, in pixels or below 1 as a share of the image's diagonal (0.02 in COCO and LVIS,
            0.005 in Cityscapes), for the boundary scores, which are left out when not given.
    """

    MAIN_SCORE: ClassVar[str] = "mask AP"
    DEFINITIONS: ClassVar[Mapping[str, str]] = DEFINITIONS

    def __init__(self, classes: Classes, boundary: float | None = None) -> None:
        if boundary is not None and not 0 < boundary < math.inf:
            raise ValueError(
                f"the width of a boundary is {boundary}: it is a share of the diagonal, such as 0.02, or in pixels"
            )
        super().__init__(classes)
        self.boundary = boundary
        self._ranked: dict[str, tuple[int, Curves]] = {}  # by kind, of the first so many images

    @property
    def kinds(self) -> tuple[str, ...]:
        """What is scored: "mask", "box" and, where asked, "boundary"."""
        return ("mask", "box") if self.boundary is None else ("mask", "box", "boundary")

    def add(self, found: Objects, truth: Objects, name: str = "") -> None:
        """Counts an image whose objects are run lengths already, in the order of `objects_of`."""
        self.images.append(self._image(found, truth))
        self.names.append(name)

    def scores(self) -> dict[str, float]:
        """The twelve scores of each kind, 0 to 1, as `DEFINITIONS` has them; nan where there is no such true object."""
        found: dict[str, float] = {}
        for kind in self.kinds:
            found |= _summary(self._curves(kind), kind)
        return found

    def per_class(self) -> list[Row]:
        """One row a class: "class", AP, AP50, AP75 and AR100 of each kind, the objects "true" (crowds left out) and
        "found" (at most 100 in an image); nan for a class that is nowhere true."""
        columns: dict[str, NDArray[Any]] = {}
        for kind in self.kinds:
            curves = self._curves(kind)
            for name, chosen in HEADLINES.items():
                columns[f"{kind} {name}"] = curves.precision[0, chosen].mean((0, 2))
            columns[f"{kind} AR100"] = curves.recall[0, ..., -1].mean(0)
        true = [image.true_labels[~image.true_crowd] for image in self.images]
        for name, labels in (("true", true), ("found", [image.labels for image in self.images])):
            columns[name] = np.bincount(_joined(labels, np.int64), minlength=len(self.classes))
        return rows_of("class", self.classes.names, columns)

    def per_image(self) -> list[Row]:
        """One row an image: "name", and AP, AP50 and AP75 of the masks of this image by itself, nan where there is
        no true object."""
        curves = (rank(*_matched([image], "mask"), len(self.classes)) for image in self.images)
        return [{"name": name, **_headlines(alone, "mask")} for name, alone in zip(self.names, curves, strict=True)]

    def intervals(
        self, rng: np.random.Generator, draws: int = 200, level: float = 0.95
    ) -> dict[str, tuple[float, float]]:
        """For the AP, AP50 and AP75 of the masks the interval in which it lies for `level` of the data sets drawn.

        The bootstrap over images: as many images as there are, drawn with replacement, `draws` times.
        """
        results, truths, matches = _matched(self.images, "mask")
        every = Matches(*(flags[:1] for flags in matches))
        return draw_intervals(
            lambda often: _headlines(rank(results, truths, every, len(self.classes), often), "mask"),
            len(self.images),
            rng,
            draws,
            level,
        )

    def _count(self, found: Segmentation, truth: Segmentation) -> ImageSource:
        return self._image(objects_of(found), objects_of(truth))

    def _image(self, found: Objects, truth: Objects) -> ImageSource:
        found = best_of(found)
        touch = Touch.of(found, truth)
        pairs = {"mask": mask_pairs(found, truth, touch), "box": box_pairs(found, truth, touch)}
        areas = {"mask": found.areas, "box": touch.found[:, 2] * touch.found[:, 3]}
        if self.boundary is not None:
            pairs["boundary"], areas["boundary"] = boundary_pairs(found, truth, touch, self.boundary), areas["mask"]
        return ImageSource(found.labels, found.scores, areas, truth.labels, truth.areas, truth.crowd, pairs)

    def _terms(self) -> dict[str, object]:
        return super()._terms() | {"boundary width": self.boundary}

    def _curves(self, kind: str) -> Curves:
        number = len(self.images)
        if self._ranked.get(kind, (-1,))[0] != number:
            self._ranked[kind] = number, rank(*_matched(self.images, kind), len(self.classes))
        return self._ranked[kind][1]


def _matched(images: Sequence[ImageSource], kind: str) -> tuple[Results, Truths, Matches]:
    """All images in one table."""
    found = [len(image.labels) for image in images]
    true = [len(image.true_labels) for image in images]
    numbers = np.arange(len(images))
    results = Results(
        np.repeat(numbers, found),
        _joined([image.labels for image in images], np.int64),
        _joined([image.scores for image in images], np.float64),
        _joined([image.areas[kind] for image in images], np.float64),
    )
    truths = Truths(
        np.repeat(numbers, true),
        _joined([image.true_labels for image in images], np.int64),
        _joined([image.true_areas for image in images], np.float64),
        _joined([image.true_crowd for image in images], bool),
    )
    rows = zip(images, np.cumsum([0, *found]), np.cumsum([0, *true]), strict=False)
    shifted = [Pairs(p.pairs[kind].found + n, p.pairs[kind].true + m, p.pairs[kind].iou) for p, n, m in rows]
    pairs = Pairs(
        _joined([one.found for one in shifted], np.int64),
        _joined([one.true for one in shifted], np.int64),
        _joined([one.iou for one in shifted], np.float64),
    )
    return results, truths, match(results, truths, pairs)


def _joined(arrays: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate([*arrays, np.zeros(0, dtype)])


def _headlines(curves: Curves, kind: str) -> dict[str, float]:
    """AP, AP50 and AP75 over all sizes."""
    return {f"{kind} {name}": _mean(curves.precision[0, chosen]) for name, chosen in HEADLINES.items()}


def _summary(curves: Curves, kind: str) -> dict[str, float]:
    """COCO's twelve scores."""
    sizes = list(enumerate(SIZES))[1:]
    found = _headlines(curves, kind) | {f"{kind} AP {size}": _mean(curves.precision[a]) for a, size in sizes}
    found |= {f"{kind} AR{number}": _mean(curves.recall[0, ..., m]) for m, number in enumerate(NUMBERS)}
    return found | {f"{kind} AR {size}": _mean(curves.recall[a, ..., -1]) for a, size in sizes}


def _mean(values: Floats) -> float:
    return float(mean(values.ravel()))

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
    areas_of,
    best_of,
    boundary_pairs,
    box_pairs,
    mask_pairs,
    objects_of,
)
from .pictures import check_pair, of_all_processes
from .ranking import NUMBERS, SIZES, Curves, Flags, Matches, Results, Truths, match, rank

Row = dict[str, str | int | float]

DEFINITIONS: Mapping[str, str] = {
    "mask AP": "average precision of COCO: precision read at 101 recalls, averaged over the recalls, over matches "
    "at an IoU of 0.50, 0.55 … 0.95, and over the classes that have a true object; at most 100 results of a class "
    "count in a picture, the best scored",
    "mask AP50": "the same matched at an IoU of 0.50 only",
    "mask AP75": "the same matched at an IoU of 0.75 only",
    "mask AP small": "average precision of the objects of at most 32² pixels; what is of another size neither counts "
    "nor harms",
    "mask AP medium": "of those of 32² to 96² pixels",
    "mask AP large": "of those of at least 96² pixels",
    "mask AR1": "average recall with one result of each class in each picture: the share of the true objects that was "
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
    "size": "everything is computed at the size of the original picture; areas are pixels of the mask",
}
"""What each score means, for reports."""

HEADLINES = {"AP": slice(None), "AP50": slice(0, 1), "AP75": slice(5, 6)}
"""The scores over objects of all sizes, and the thresholds that each takes."""


class Picture(NamedTuple):
    """What is kept of one picture: neither masks nor run lengths, only what they add up to.

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


class AveragePrecision:
    """Objects found and true, added up over pictures, and over processes by `reduce`.

    Overlaps are computed as pictures come, from run lengths by faster-coco-eval; a picture then costs some 100 bytes an
    object. Equal scores rank in the order in which the pictures came.

    Args:
        classes: what the labels mean; its background is no object.
        boundary: width of a boundary, in pixels or below 1 as a share of the picture's diagonal (0.02 in COCO and LVIS,
            0.005 in Cityscapes), for the boundary scores, which are left out when not given.

    Attributes:
        names: of the pictures, in the order in which they came.
        pictures: what is kept of each.
    """

    MAIN_SCORE: ClassVar[str] = "mask AP"
    DEFINITIONS: ClassVar[Mapping[str, str]] = DEFINITIONS

    def __init__(self, classes: Classes, boundary: float | None = None) -> None:
        if boundary is not None and not 0 < boundary < math.inf:
            raise ValueError(
                f"the width of a boundary is {boundary}: it is a share of the diagonal, such as 0.02, or in pixels"
            )
        self.classes = classes
        self.boundary = boundary
        self.names: list[str] = []
        self.pictures: list[Picture] = []
        self._kept: dict[str, Curves] = {}  # of the pictures so far

    @property
    def kinds(self) -> tuple[str, ...]:
        """What is scored: "mask", "box" and, where asked, "boundary"."""
        return ("mask", "box") if self.boundary is None else ("mask", "box", "boundary")

    def update(self, found: Segmentation, truth: Segmentation, name: str = "") -> None:
        """Counts one picture; `name` is what reports call it.

        Raises:
            ValueError: for results of another size, or with another number of classes.
        """
        check_pair(found, truth, self.classes)
        self.add(objects_of(found), objects_of(truth), name)

    def add(self, found: Objects, truth: Objects, name: str = "") -> None:
        """Counts a picture whose objects are run lengths already, in the order of `objects_of`."""
        self._kept.clear()
        found = best_of(found)
        touch = Touch.of(found, truth)
        pairs = {"mask": mask_pairs(found, truth, touch), "box": box_pairs(found, truth, touch)}
        areas = {"mask": areas_of(found), "box": touch.found[:, 2] * touch.found[:, 3]}
        if self.boundary is not None:
            pairs["boundary"], areas["boundary"] = boundary_pairs(found, truth, touch, self.boundary), areas["mask"]
        self.names.append(name)
        self.pictures.append(
            Picture(found.labels, found.scores, areas, truth.labels, areas_of(truth), truth.crowd, pairs)
        )

    def merge(self, other: AveragePrecision) -> None:
        """Adds what another one has counted.

        Raises:
            ValueError: when it counted other classes, or other boundaries.
        """
        if (other.classes.names, other.boundary) != (self.classes.names, self.boundary):
            raise ValueError("only average precisions of the same classes and the same boundary width add up")
        self._kept.clear()
        self.names += other.names
        self.pictures += other.pictures

    def reduce(self) -> None:
        """Adds up all processes of a `torch.distributed` run, in the order of their ranks; alone it does nothing."""
        self._kept.clear()
        self.names, self.pictures = of_all_processes(self.names, self.pictures)

    def scores(self) -> dict[str, float]:
        """The twelve scores of each kind, 0 to 1, as `DEFINITIONS` has them; nan where there is no such true object."""
        found: dict[str, float] = {}
        for kind in self.kinds:
            found |= {f"{kind} {name}": value for name, value in _summary(self._curves(kind)).items()}
        return found

    def per_class(self) -> list[Row]:
        """One row a class: "class", AP, AP50, AP75 and AR100 of each kind, the objects "true" (crowds left out) and
        "found" (at most 100 in a picture); nan for a class that is nowhere true."""
        columns: dict[str, Sequence[str] | list[float] | list[int]] = {"class": self.classes.names}
        for kind in self.kinds:
            curves = self._curves(kind)
            for name, chosen in HEADLINES.items():
                columns[f"{kind} {name}"] = curves.precision[0, chosen].mean((0, 2)).tolist()
            columns[f"{kind} AR100"] = curves.recall[0, ..., -1].mean(0).tolist()
        true = [picture.true_labels[~picture.true_crowd] for picture in self.pictures]
        for name, labels in (("true", true), ("found", [picture.labels for picture in self.pictures])):
            columns[name] = np.bincount(_joined(labels, np.int64), minlength=len(self.classes)).tolist()
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def per_picture(self) -> list[Row]:
        """One row a picture: "name", and AP, AP50 and AP75 of the masks of this picture by itself, nan where there is
        no true object."""
        rows: list[Row] = []
        for name, picture in zip(self.names, self.pictures, strict=True):
            alone = _headlines(rank(*_matched([picture], "mask"), len(self.classes)))
            rows.append({"name": name, **{f"mask {score}": value for score, value in alone.items()}})
        return rows

    def intervals(
        self, rng: np.random.Generator, draws: int = 200, level: float = 0.95
    ) -> dict[str, tuple[float, float]]:
        """For the AP, AP50 and AP75 of the masks the interval in which it lies for `level` of the data sets drawn.

        The bootstrap over pictures: as many pictures as there are, drawn with replacement, `draws` times.
        """
        pictures = len(self.pictures)
        if not pictures:
            return {}
        results, truths, matches = _matched(self.pictures, "mask")
        every = Matches(*(flags[:1] for flags in matches))
        drawn: dict[str, list[float]] = {}
        for _ in range(draws):
            often = np.bincount(rng.integers(pictures, size=pictures), minlength=pictures)
            for name, value in _headlines(rank(results, truths, every, len(self.classes), often)).items():
                drawn.setdefault(f"mask {name}", []).append(value)
        ends = (0.5 - level / 2, 0.5 + level / 2)
        kept = {name: values for name, values in drawn.items() if np.isfinite(values).any()}
        return {name: (low, high) for name, v in kept.items() for low, high in [np.nanquantile(v, ends).tolist()]}

    def _curves(self, kind: str) -> Curves:
        if kind not in self._kept:
            self._kept[kind] = rank(*_matched(self.pictures, kind), len(self.classes))
        return self._kept[kind]


def _matched(pictures: Sequence[Picture], kind: str) -> tuple[Results, Truths, Matches]:
    """All pictures in one table."""
    found = [len(picture.labels) for picture in pictures]
    true = [len(picture.true_labels) for picture in pictures]
    numbers = np.arange(len(pictures))
    results = Results(
        np.repeat(numbers, found),
        _joined([picture.labels for picture in pictures], np.int64),
        _joined([picture.scores for picture in pictures], np.float64),
        _joined([picture.areas[kind] for picture in pictures], np.float64),
    )
    truths = Truths(
        np.repeat(numbers, true),
        _joined([picture.true_labels for picture in pictures], np.int64),
        _joined([picture.true_areas for picture in pictures], np.float64),
        _joined([picture.true_crowd for picture in pictures], bool),
    )
    rows = zip(pictures, np.cumsum([0, *found]), np.cumsum([0, *true]), strict=False)
    shifted = [Pairs(p.pairs[kind].found + n, p.pairs[kind].true + m, p.pairs[kind].iou) for p, n, m in rows]
    pairs = Pairs(
        _joined([one.found for one in shifted], np.int64),
        _joined([one.true for one in shifted], np.int64),
        _joined([one.iou for one in shifted], np.float64),
    )
    return results, truths, match(results, truths, pairs)


def _joined(arrays: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate([*arrays, np.zeros(0, dtype)])


def _headlines(curves: Curves) -> dict[str, float]:
    """AP, AP50 and AP75 over all sizes."""
    return {name: _mean(curves.precision[0, chosen]) for name, chosen in HEADLINES.items()}


def _summary(curves: Curves) -> dict[str, float]:
    """COCO's twelve scores."""
    sizes = list(enumerate(SIZES))[1:]
    found = _headlines(curves) | {f"AP {size}": _mean(curves.precision[a]) for a, size in sizes}
    found |= {f"AR{number}": _mean(curves.recall[0, ..., m]) for m, number in enumerate(NUMBERS)}
    return found | {f"AR {size}": _mean(curves.recall[a, ..., -1]) for a, size in sizes}


def _mean(values: Floats) -> float:
    return float(mean(values.ravel()))

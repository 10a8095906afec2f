"""How good a model is on images with truth: scores with intervals, per class and per image, and what failed."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import distributed

from .classes import Classes
from .console import text_table, track
from .data.dataset import Dataset
from .data.instance_truth import as_objects
from .drawing.legend import Pixels, add_legend
from .drawing.overlay import CONFUSED, FALSE_ALARM, MISSED, RIGHT, draw, errors, sheet
from .drawing.pages import Page
from .images.read_ahead import read_ahead
from .inference.predictor import FAILURES, Predictor
from .metrics import metrics_of
from .metrics.metric import Metric, Row
from .metrics.per_image import gather_lists
from .models.base import Model
from .ops.atomic_files import write_aside, write_bytes, write_text
from .ops.phrases import counted, few
from .sample import Sample
from .segmentation import Segmentation

WORST = 6
"""So many of the worst images are drawn."""

VIEWS = (
    "The image, what is true, what was found, and the wrong pixels: false alarm where a class was found on true "
    "background, missed where a true class was found as background, confused where it was found as another one. Pixels "
    "are compared by their class alone: two objects of a class that were found as one are no wrong pixels."
)
"""What is seen of the worst images."""

HARDLY = 0.01
"""A class of whose pixels a smaller share is found than this (its IoU is lower still) is said to be hardly found."""


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """The scores of one model on one data set.

    Attributes:
        classes: what is told apart, in the order of the model.
        main: the name of the score that models are compared by.
        scores: of the whole data set.
        intervals: for each score where it lies for 95 % of the data sets drawn from these images (bootstrap).
        per_class: a row a class.
        per_image: a row an image, the scores of it alone.
        failures: name and reason for each image that could not be read or computed. Where its ground truth can be
            read, all of it counts as missed, so that a failure never improves a score.
        definitions: what each score means.
        predictor, dataset: what was evaluated on what.
    """

    classes: Classes
    main: str
    scores: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    per_class: Sequence[Row]
    per_image: Sequence[Row]
    failures: Sequence[tuple[str, str]]
    definitions: Mapping[str, str]
    predictor: Predictor
    dataset: Dataset

    def __repr__(self) -> str:
        value = self.scores[self.main]
        return f"Evaluation({self.main} {value:.4f}, {len(self.dataset)} images, {len(self.failures)} failed)"

    def table(self) -> str:
        """The scores for a terminal."""
        lines = [text_table([list(self.per_class[0]), *(list(row.values()) for row in self._present())])]
        lines += [*self._absent(), ""]
        rows = [[name, value, _interval(self.intervals.get(name))] for name, value in self.scores.items()]
        lines += [text_table([["", "score", "95 % interval"], *rows]), "", self._summary()]
        lines += [f"{row['class']} was hardly found: IoU {float(row['IoU']):.4f}" for row in self._hardly_found()]
        lines += [f"failed: {name}: {reason}" for name, reason in self.failures]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain lists and numbers for strict JSON: what is undefined is null."""
        record = {
            "images": len(self.dataset),
            "failures": [{"name": name, "reason": reason} for name, reason in self.failures],
            "main": self.main,
            "scores": dict(self.scores),
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
            "per_class": list(self.per_class),
            "per_image": list(self.per_image),
            "classes": self.classes.to_dict(),
            "postprocess": self.predictor.postprocess.to_dict(),
            "definitions": dict(self.definitions),
        }
        plain: dict[str, Any] = _without_nan(record)
        return plain

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Writes `index.html`, `metrics.json`, `per_class.csv`, `per_image.csv` and `worst/`, images of the worst.

        Returns:
            The page.

        Raises:
            OSError: names the file that cannot be written.
        """
        folder = Path(folder)
        write_text(folder / "metrics.json", json.dumps(self.to_dict(), indent=2, allow_nan=False))
        for name, rows in (("per_class", self.per_class), ("per_image", self.per_image)):
            with write_aside(folder / f"{name}.csv") as aside, aside.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        worst = self.worst()
        for n, (pixels, caption) in enumerate(worst):
            name = caption.partition(":")[0].replace("/", "_")
            data = cv2.imencode(".jpg", np.ascontiguousarray(pixels[..., ::-1]))[1]
            write_bytes(folder / "worst" / f"{n + 1}-{name}.jpg", data.tobytes())
        return self._page(worst).write(folder / "index.html")

    def worst(self, number: int = WORST) -> list[tuple[Pixels, str]]:
        """The worst images by their main score, those that failed left out: the image, what is true, what was
        found, and the wrong pixels; with a caption each."""
        failed = {name for name, _ in self.failures}
        rows = [row for row in self.per_image if row["name"] not in failed and not math.isnan(float(row[self.main]))]
        rows.sort(key=lambda row: float(row[self.main]))
        places = {record.name: i for i, record in enumerate(self.dataset.records)}
        return [
            (
                _side_by_side(with_classes(self.dataset[places[str(row["name"])]], self.classes), self.predictor),
                f"{row['name']}: {self.main} {float(row[self.main]):.3f}",
            )
            for row in rows[:number]
        ]

    def _hardly_found(self) -> list[Row]:
        """The classes that the model misses; those that the data lack, and objects, have no pixel accuracy (nan)."""
        return [row for row in self.per_class if float(row.get("pixel accuracy", math.nan)) < HARDLY]

    def _present(self) -> list[Row]:
        """The classes that are true or were found somewhere."""
        return [row for row in self.per_class if row["ground truth"] or row["predicted"]]

    def _absent(self) -> list[str]:
        """A line that names the others, if there are any; of objects the background is none."""
        present = {row["class"] for row in self._present()}
        names = [
            name for k, name in enumerate(self.classes.names) if name not in present and k != self.classes.background
        ]
        return [f"classes that are neither true nor found: {few(names)}"] * bool(names)

    def _summary(self) -> str:
        number, failed = len(self.dataset), len(self.failures)
        return f"{counted(number, 'image')}, {failed} failed" + ("; what they hold counts as missed" if failed else "")

    def _page(self, worst: Sequence[tuple[Pixels, str]]) -> Page:
        page = Page(f"Evaluation: {self.main} {self.scores[self.main]:.3f}").text(self._summary())
        if self.failures:
            page.findings(("error", f"{name}: {reason}") for name, reason in self.failures)
        rows = [(name, value, _interval(self.intervals.get(name))) for name, value in self.scores.items()]
        page.heading("Scores").table(("score", "value", "95 % interval, bootstrap over images"), rows)
        page.heading("Classes").table(list(self.per_class[0]), [list(row.values()) for row in self._present()])
        for line in self._absent():
            page.text(line)
        if worst:
            page.heading("The worst images").text(VIEWS)
            page.images(worst)
        page.heading("What the scores mean").table(("score", "definition"), list(self.definitions.items()))
        return page


def evaluate(
    model: Model | Predictor, dataset: Dataset, *, boundary: float | None = None, seed: int = 0, progress: bool = True
) -> Evaluation:
    """Scores a model on each image of a data set, at the image's own size.

    Images are read in a second thread while the model computes. Where `torch.distributed` is initialised, each
    process takes its share, and every process gets the same result.

    Args:
        model: a model, or a `Predictor` that says on which device, with which flips, scales and tiles.
        dataset: from `pixelwise.open_dataset`, of the classes of the model, in any order.
        boundary: the tolerance of the boundary F1, of objects the width of the boundaries of the boundary AP, in pixels
            or below 1 as a share of the image's diagonal; these scores are left out when not given.
        seed: of the bootstrap.
        progress: whether a bar is shown on a terminal.

    Raises:
        TypeError: when this is no data set.
        ValueError: for a data set without images, for other classes than the model's, when no image at all could
            be scored, for data that tell no objects apart where the model finds such.
    """
    if not isinstance(dataset, Dataset):
        raise TypeError(
            f"evaluate takes a data set, pixelwise.open_dataset(path, split='val'), not {type(dataset).__name__}"
        )
    if not len(dataset):
        raise ValueError("the data set has no images: there is nothing to score")
    predictor = model if isinstance(model, Predictor) else Predictor(model)
    if predictor.model.task == "instance":
        dataset = as_objects(dataset)
    classes = common_classes(predictor.model.classes, dataset.classes)
    metrics = metrics_of(predictor.model.task, classes, boundary)
    rank, world = (distributed.get_rank(), distributed.get_world_size()) if _together() else (0, 1)
    share = range(rank, len(dataset), world)
    failures: list[tuple[str, str]] = []
    samples = read_ahead(share, dataset.__getitem__)
    for i, sample in track(samples, "evaluate", len(share), show=progress and rank == 0):
        name = dataset.records[i].name
        try:
            scored = with_classes(sample(), classes)
            assert scored.truth is not None
            found = replace(predictor(scored.image, score_threshold=0.0), classes=classes)
        except FAILURES as error:
            failures.append((name, str(error)))
            _count_as_missed(metrics, dataset, i, classes)
        else:
            for metric in metrics:
                metric.update(found, scored.truth, name)
    for metric in metrics:
        metric.reduce()
    if len(failures := gather_lists(failures)[0]) == len(dataset):
        raise ValueError(f"not one of {len(dataset)} images could be scored; {failures[0][0]}: {failures[0][1]}")
    tables, definitions = _tables(metrics, seed), _joined(metric.DEFINITIONS for metric in metrics)
    return Evaluation(classes, metrics[0].MAIN_SCORE, *tables, tuple(failures), definitions, predictor, dataset)


def common_classes(model: Classes, data: Classes) -> Classes:
    """The classes in the order of the model; those of the data where nobody has named the model's."""
    if model.names == Classes.numbered(len(data)).names:
        return data
    if set(model.names) == set(data.names):
        return model
    only = [[name for name in a.names if name not in b.names] for a, b in ((model, data), (data, model))]
    names = f"--classes {','.join(model.names[:5])}{',…' * (len(model) > 5)}"
    if not only[0]:
        advice = f"of COCO, YOLO and Cityscapes data the model's are kept with {names}"
    elif len(model) == len(data):
        advice = f"if masks mean the same by other names, give them the model's in the order of their values, {names}"
    else:
        advice = "it can be scored once it is trained on these data: pixelwise train --weights MODEL --data DATA"
    raise ValueError(
        f"the model tells {len(model)} classes apart, the data {len(data)}; only the model has "
        f"{few(only[0]) or 'none'}; only the data have {few(only[1]) or 'none'}: {advice}"
    )


def with_classes(sample: Sample, classes: Classes) -> Sample:
    """The sample with its ground truth in the order of `classes`."""
    truth = sample.truth
    if truth is None:
        raise ValueError(f"{sample.name} has no truth: there is nothing to compare with")
    return Sample(sample.image, _ordered(truth, classes), sample.name)


def _ordered(truth: Segmentation, classes: Classes) -> Segmentation:
    order = torch.tensor([classes.index(name) for name in truth.classes.names])
    return replace(truth, classes=classes, labels=order[truth.labels])


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def _joined(tables: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The entries of all of them."""
    return {key: value for table in tables for key, value in table.items()}


def _tables(metrics: Sequence[Metric], seed: int) -> tuple[dict[str, Any], dict[str, Any], list[Row], list[Row]]:
    """Scores, intervals, a row a class and a row an image, of all metrics beside each other."""
    return (
        _joined(metric.scores() for metric in metrics),
        _joined(metric.intervals(np.random.default_rng(seed)) for metric in metrics),
        [_joined(rows) for rows in zip(*(metric.per_class() for metric in metrics), strict=True)],
        [_joined(rows) for rows in zip(*(metric.per_image() for metric in metrics), strict=True)],
    )


def _count_as_missed(metrics: Sequence[Metric], dataset: Dataset, i: int, classes: Classes) -> None:
    """All of an image's ground truth as not found, as far as its ground truth can be read."""
    try:
        truth = _ordered(dataset.truth(i), classes)
    except FAILURES:
        return
    nothing = Segmentation(classes, truth.labels[:0], ids=torch.zeros(truth.size, dtype=torch.int32))
    for metric in metrics:
        metric.update(nothing, truth, dataset.records[i].name)


def _side_by_side(sample: Sample, predictor: Predictor) -> Pixels:
    """Image, ground truth, found and wrong pixels, with one legend."""
    truth = sample.truth
    assert truth is not None
    found = replace(predictor(sample.image), classes=truth.classes)
    pixels: Pixels = sample.image.permute(1, 2, 0).numpy()
    views = {
        "image": pixels,
        "true": draw(pixels, truth, labels=False, legend=False),
        "found": draw(pixels, found, labels=False, legend=False),
        "wrong pixels": errors(pixels, found, truth, legend=False),
    }
    classes = truth.classes
    present = sorted({*truth.labels.tolist(), *found.labels.tolist()} - {classes.background})
    entries = [(classes.colors[label], classes.names[label]) for label in present]
    entries += [(RIGHT, "right"), (CONFUSED, "confused")] if len(classes) > 2 else [(RIGHT, "right")]
    entries += [(FALSE_ALARM, "false alarm"), (MISSED, "missed")] if classes.background is not None else []
    side = min(384, max(192, *pixels.shape[:2]))
    return add_legend(sheet(list(views.values()), len(views), captions=list(views), side=side), entries)


def _interval(ends: tuple[float, float] | None) -> str:
    return "" if ends is None or math.isnan(ends[0]) else f"{ends[0]:.4f} to {ends[1]:.4f}"


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""The report of an evaluation: its scores as text, JSON, CSV and a page with the worst images."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..classes import Classes
from ..console import text_table
from ..data.dataset import Dataset
from ..drawing.legend import Pixels
from ..drawing.pages import Page
from ..inference.predictor import Predictor
from ..metrics.bootstrap import MIN_IMAGES, ROUGH_BELOW
from ..metrics.metric import Row
from ..ops.atomic_files import write_aside, write_bytes, write_text
from ..ops.phrases import counted, few
from .class_order import with_classes
from .views import EXPLANATION, side_by_side

WORST = 6
"""The number of worst images that are drawn."""

MIN_PIXEL_ACCURACY = 0.01
"""A class of which a smaller share of the pixels is predicted correctly is named below the table."""


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """The scores of one model on one data set.

    Attributes:
        classes: the classes, in the order of the model.
        main: the name of the score that models are compared by.
        scores: the scores of the whole data set.
        intervals: the 95 % bootstrap interval of each score over data sets drawn from these images.
        per_class: a row for each class.
        per_image: a row for each image with the scores of this image alone.
        failures: name and reason for each image that could not be read or predicted. If its ground truth can be read,
            all of it counts as missed, so that a failure never improves a score.
        definitions: what each score means.
        predictor, dataset: the evaluated predictor, and the data set.
        notes: sentences on what the scores leave out.
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
    notes: Sequence[str] = ()

    def __repr__(self) -> str:
        value = self.scores[self.main]
        return f"Evaluation({self.main} {value:.4f}, {len(self.dataset)} images, {len(self.failures)} failed)"

    def table(self) -> str:
        """Return the scores as text for a terminal."""
        present = [list(row.values()) for row in self._present()]
        scores = [[name, value, _interval(self.intervals.get(name))] for name, value in self.scores.items()]
        lines = [text_table([list(self.per_class[0]), *present])]
        lines += [*self._absent(), ""]
        lines += [text_table([["", "score", "95 % interval"], *scores]), "", self._summary()]
        lines += [f"note: {note}" for note in self.all_notes()]
        for row in self._hardly_predicted():
            share = f"less than {MIN_PIXEL_ACCURACY:.0%} of its pixels are predicted correctly"
            lines.append(f"{row['class']}: {share}, IoU {float(row['IoU']):.4f}")
        lines += [f"failed: {name}: {reason}" for name, reason in self.failures]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the evaluation as plain lists and numbers for strict JSON; undefined scores are None."""
        record = {
            "images": len(self.dataset),
            "failures": [{"name": name, "reason": reason} for name, reason in self.failures],
            "main": self.main,
            "scores": dict(self.scores),
            "intervals": dict(self.intervals),
            "per_class": list(self.per_class),
            "per_image": list(self.per_image),
            "classes": self.classes.to_dict(),
            "postprocess": self.predictor.postprocess.to_dict(),
            "notes": self.all_notes(),
            "definitions": dict(self.definitions),
        }
        plain: dict[str, Any] = _without_nan(record)
        return plain

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Write `index.html`, `metrics.json`, `per_class.csv`, `per_image.csv`, and the worst images in `worst/`.

        Returns:
            The path of the page.

        Raises:
            OSError: names the file that cannot be written.
        """
        folder = Path(folder)
        write_text(folder / "metrics.json", json.dumps(self.to_dict(), indent=2, allow_nan=False))
        _write_csv(self.per_class, folder / "per_class.csv")
        _write_csv(self.per_image, folder / "per_image.csv")
        worst = self.worst()
        for n, (pixels, caption) in enumerate(worst):
            name = caption.partition(":")[0].replace("/", "_")
            data = cv2.imencode(".jpg", np.ascontiguousarray(pixels[..., ::-1]))[1]
            write_bytes(folder / "worst" / f"{n + 1}-{name}.jpg", data.tobytes())
        return self._page(worst).write(folder / "index.html")

    def worst(self, number: int = WORST) -> list[tuple[Pixels, str]]:
        """Draw the images with the lowest main scores, except those that failed.

        Args:
            number: how many at most.

        Returns:
            Pairs of the views side by side (image, ground truth, prediction, wrong pixels) and a caption.
        """
        failed = {name for name, _ in self.failures}
        rows = [row for row in self.per_image if row["name"] not in failed and not math.isnan(float(row[self.main]))]
        rows.sort(key=lambda row: float(row[self.main]))
        places = {record.name: i for i, record in enumerate(self.dataset.records)}
        worst = []
        for row in rows[:number]:
            sample = with_classes(self.dataset[places[str(row["name"])]], self.classes)
            caption = f"{row['name']}: {self.main} {float(row[self.main]):.3f}"
            worst.append((side_by_side(sample, self.predictor), caption))
        return worst

    def all_notes(self) -> list[str]:
        """Return the notes, and one on the intervals where there are few images."""
        number = len(self.dataset)
        if number < MIN_IMAGES:
            return [*self.notes, f"{counted(number, 'image')}: too few for an interval"]
        if number < ROUGH_BELOW:
            return [*self.notes, f"{number} images: the interval is rough"]
        return list(self.notes)

    def _hardly_predicted(self) -> list[Row]:
        """Return the rows of the classes that the model misses.

        Classes that the data lack, and objects, have no pixel accuracy (nan).
        """
        return [row for row in self.per_class if float(row.get("pixel accuracy", math.nan)) < MIN_PIXEL_ACCURACY]

    def _present(self) -> list[Row]:
        """Return the rows of the classes that occur in the ground truth or in a prediction."""
        return [row for row in self.per_class if row["ground truth"] or row["predicted"]]

    def _absent(self) -> list[str]:
        """Return a line that names the other classes, if there are any; of objects the background is none."""
        present = {row["class"] for row in self._present()}
        names = []
        for k, name in enumerate(self.classes.names):
            if name not in present and k != self.classes.background:
                names.append(name)
        return [f"classes in neither the ground truth nor a prediction: {few(names)}"] if names else []

    def _summary(self) -> str:
        summary = f"{counted(len(self.dataset), 'image')}, {len(self.failures)} failed"
        return f"{summary}; their ground truth counts as missed" if self.failures else summary

    def _page(self, worst: Sequence[tuple[Pixels, str]]) -> Page:
        page = Page(f"Evaluation: {self.main} {self.scores[self.main]:.3f}").text(self._summary())
        if self.failures:
            page.findings(("error", f"{name}: {reason}") for name, reason in self.failures)
        for note in self.all_notes():
            page.text(note)
        scores = [(name, value, _interval(self.intervals.get(name))) for name, value in self.scores.items()]
        page.heading("Scores").table(("score", "value", "95 % interval, bootstrap over images"), scores)
        page.heading("Classes").table(list(self.per_class[0]), [list(row.values()) for row in self._present()])
        for line in self._absent():
            page.text(line)
        if worst:
            page.heading("The worst images").text(EXPLANATION).images(worst)
        page.heading("What the scores mean").table(("score", "definition"), list(self.definitions.items()))
        return page


def _interval(ends: tuple[float, float] | None) -> str:
    return "" if ends is None or math.isnan(ends[0]) else f"{ends[0]:.4f} to {ends[1]:.4f}"


def _write_csv(rows: Sequence[Row], path: Path) -> None:
    with write_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _without_nan(value: Any) -> Any:
    """Replace nan and infinities by None, and tuples by lists, at any depth."""
    if isinstance(value, Mapping):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""The report of contradictions in panoptic data: a table, an image of each conflict, and a page with the worst."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ..classes import Color
from ..drawing.legend import Pixels, add_legend
from ..drawing.overlay import draw, sheet
from ..drawing.pages import Page
from ..ops.atomic_files import write_aside, write_bytes
from ..sample import Sample
from ..segmentation import Segmentation
from .conflicts import Conflict, ConflictKind
from .ground_truth import RULE

MAX_SHOWN = 40
"""Number of images with conflicts on the page at most, those with most pixels in conflict first; the folder has all."""

MAX_LISTED = 400
"""Number of rows of the table on the page at most; the CSV file has all."""

LEFT_OUT = "left out"
"""The kind of a row for an image that is not in the data."""

HEADER = ("split", "image", "kind", "pixels", "text")


class Legend(NamedTuple):
    """The colour and the description of a kind of conflict."""

    color: Color
    meaning: str


LEGENDS: Mapping[str, Legend] = {
    ConflictKind.CLASS: Legend((213, 94, 0), "the mask says another class than the object"),
    ConflictKind.UNCOVERED: Legend((86, 180, 233), "the mask says a thing, and no object is there"),
    ConflictKind.OVERLAP: Legend((240, 228, 66), "objects lie on each other"),
    ConflictKind.CLASSLESS: Legend((204, 121, 167), "the mask does not say what the object is"),
}
"""Colours and meanings of the kinds of conflicts."""


@dataclass(frozen=True)
class Row:
    """A row of the table: a conflict, or an image that was left out.

    Attributes:
        split, image: the image.
        kind: the kind of the `Conflict`; "left out" where the image is not in the data.
        pixels: the number of pixels in conflict.
        text: a description for people.
    """

    split: str
    image: str
    kind: str
    pixels: int
    text: str


class _ConflictImage(NamedTuple):
    pixels: int
    file: Path
    caption: str


class ConflictReport:
    """Collects conflicts and left out images while data are built, and writes the report.

    Args:
        folder: the folder of the report.

    Attributes:
        rows: the rows of the table so far.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[Row] = []
        self._images: list[_ConflictImage] = []

    def leave_out(self, split: str, image: str, reason: str) -> None:
        """Add a row for an image that is not in the data."""
        self.rows.append(Row(split, image, LEFT_OUT, 0, reason))

    def add(self, split: str, name: str, conflicts: Sequence[Conflict], sample: Sample, result: Segmentation) -> None:
        """Add the conflicts of an image, and draw them beside the result.

        Args:
            split, name: the image.
            conflicts: its conflicts; nothing is written where there are none.
            sample: the image.
            result: the ground truth that was built.

        Raises:
            OSError: the file cannot be written.
        """
        if not conflicts:
            return
        self.rows += [Row(split, name, one.kind.value, one.pixels, one.text) for one in conflicts]
        views = [_draw_conflicts(sample, conflicts), draw(sample.image, result)]
        drawing = sheet(views, 2, captions=("conflicts", "what became of them"), side=640)
        bgr = np.ascontiguousarray(drawing[..., ::-1])
        data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
        file = self.folder / split / f"{name}.jpg"
        write_bytes(file, data.tobytes())
        self._images.append(_ConflictImage(sum(one.pixels for one in conflicts), file, f"{name} ({split})"))

    def write(self) -> Path:
        """Write the table, `conflicts.csv`, and the page, `index.html`; return the page's path.

        Raises:
            OSError: a file cannot be written.
        """
        self._write_table()
        page = Page("Where class masks and objects contradict each other").text(f"The rule: {RULE}.")
        self._add_summary(page)
        worst = sorted(self._images, key=lambda image: -image.pixels)[:MAX_SHOWN]
        page.heading("Images with conflicts" if len(worst) == len(self._images) else "The worst images")
        for image in worst:
            pixels = cv2.imread(str(image.file))
            assert pixels is not None
            page.image(np.ascontiguousarray(pixels[..., ::-1]), image.caption)
        rows = sorted(self.rows, key=lambda row: (row.kind != LEFT_OUT, -row.pixels))[:MAX_LISTED]
        total = len(self.rows)
        page.heading("Each of them" if len(rows) == total else f"The first {len(rows)} of {total}")
        page.text("All are in conflicts.csv.").table(HEADER, [astuple(row) for row in rows])
        return page.write(self.folder / "index.html")

    def _write_table(self) -> None:
        lines = io.StringIO()
        csv.writer(lines).writerows([HEADER, *(astuple(row) for row in self.rows)])
        with write_aside(self.folder / "conflicts.csv") as aside:
            aside.write_text(lines.getvalue(), encoding="utf-8", newline="")

    def _add_summary(self, page: Page) -> None:
        """Add a table with the number of conflicts and pixels of each kind."""
        numbers, pixels = Counter[str](), Counter[str]()
        for row in self.rows:
            numbers[row.kind] += 1
            pixels[row.kind] += row.pixels
        lines = []
        for kind, number in numbers.items():
            meaning = "images that are left out" if kind == LEFT_OUT else LEGENDS[kind].meaning
            lines.append([number, pixels[kind], meaning])
        page.table(("conflicts", "pixels", "what"), lines)


def _draw_conflicts(sample: Sample, conflicts: Sequence[Conflict]) -> Pixels:
    """The image in grey, with the pixels of each kind of conflict in its colour."""
    pixels = np.ascontiguousarray(sample.image.permute(1, 2, 0).numpy())
    canvas = np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    entries = []
    for kind, (color, meaning) in LEGENDS.items():
        regions = [one.where for one in conflicts if one.kind == kind]
        if regions:
            where = np.any(regions, axis=0)
            canvas[where] = np.rint(canvas[where] * 0.25 + np.array(color) * 0.75).astype(np.uint8)
            entries.append((color, f"{meaning} ({int(where.sum())} px)"))
    return add_legend(canvas, entries)

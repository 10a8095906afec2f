"""The journal of a run: progress bar, metrics.csv, curves.svg and log.txt."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..console import ProgressBar, print_above
from ..drawing.plots import curves
from ..ops.atomic_files import write_text
from .run_folder import CURVES, LOG, METRICS

DRAWN = ("loss", "mIoU", "Dice", "pixel accuracy", "PQ", "mask AP", "mask AP50", "box AP")
"""The columns of metrics.csv that curves.svg shows, if they exist."""


class Journal:
    """Reports a run on the screen and in files; only the first process has one.

    Args:
        folder: of the run.
        total: steps of the whole run.
        start: steps done before.
        show: whether to print notes, and to draw a progress bar on a terminal.
    """

    def __init__(self, folder: Path, total: int, start: int, show: bool) -> None:
        self.folder, self.show = folder, show
        self.bar = ProgressBar("train", total, unit="steps", start=start, show=show, plain=False)

    def note(self, text: str) -> None:
        """Write one line to the screen and to log.txt."""
        if self.show:
            print_above(text)
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    def advance(self, epoch: str, values: Mapping[str, float]) -> None:
        """Move the progress bar by one step.

        Args:
            epoch: stands before the bar.
            values: stand behind it.
        """
        status = " ".join(f"{name} {short_number(value)}" for name, value in values.items())
        self.bar.advance(description=epoch, status=status)

    def write(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Write metrics.csv and curves.svg anew, so that a resumed run has each epoch once."""
        write_text(self.folder / METRICS, csv_text(rows))
        if rows:
            write_text(self.folder / CURVES, curves(rows, DRAWN))

    def close(self) -> None:
        """End the progress bar."""
        self.bar.close()


def csv_text(rows: Sequence[Mapping[str, float]]) -> str:
    """Return rows as CSV; a column that a row does not have is empty there."""
    names: dict[str, None] = {}  # a dict keeps the order in which the names come up
    for row in rows:
        names.update(dict.fromkeys(row))
    text = io.StringIO()
    table = csv.DictWriter(text, list(names), lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({name: f"{value:.7g}" for name, value in row.items()})
    return text.getvalue()


def short_number(value: float) -> str:
    """Format a number with about three digits."""
    return f"{value:.3f}" if 0.001 <= abs(value) < 1000 else f"{value:.3g}"

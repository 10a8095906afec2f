"""The journal of a run: progress bar, metrics.csv, curves.svg and log.txt."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..console import ProgressBar, print_above
from ..ops.atomic_files import write_text
from .run_folder import CURVES, LOG, METRICS

DRAWN = ("loss", "mIoU", "Dice", "pixel accuracy", "PQ", "mask AP", "mask AP50", "box AP")
"""The columns of metrics.csv that curves.svg shows, if they exist."""

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
WIDTH, HEIGHT, MARGIN = 640, 300, 40
"""The size of curves.svg and the margin around its curves."""


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


def curves(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> str:
    """Draw some columns of metrics.csv over the epochs as SVG, each scaled to its own range.

    Args:
        rows: one for each epoch.
        names: of the columns; those that no row has are left out.
    """
    last = max((row["epoch"] for row in rows), default=1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"',
        ' font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<path d="M{MARGIN} {MARGIN}V{HEIGHT - MARGIN}H{WIDTH - MARGIN}" fill="none" stroke="#888"/>',
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - MARGIN + 16}" text-anchor="end">epoch {last:g}</text>',
    ]
    columns = set().union(*rows)
    present = [name for name in names if name in columns]
    for place, name in enumerate(present):
        points = [(row["epoch"], row[name]) for row in rows if math.isfinite(row.get(name, math.nan))]
        parts += _curve(name, points, last, place)
    return "\n".join([*parts, "</svg>\n"])


def _curve(name: str, points: Sequence[tuple[float, float]], last: float, place: int) -> list[str]:
    """The SVG elements of one column: a line, and a label with its range at place 0, 1, …."""
    values = [value for _, value in points] or [0.0, 1.0]
    low, high = min(values), max(values)
    color = COLORS[place % len(COLORS)]
    corners = []
    for epoch, value in points:
        x = MARGIN + (WIDTH - 2 * MARGIN) / last * epoch
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * relative_position(value, low, high)
        corners.append(f"{x:.1f},{y:.1f}")
    label = f"{name} {short_number(low)} to {short_number(high)}"
    return [
        f'<polyline points="{" ".join(corners)}" fill="none" stroke="{color}" stroke-width="2"/>',
        f'<text x="{MARGIN + place * 150}" y="24" fill="{color}">{label}</text>',
    ]


def relative_position(value: float, low: float, high: float) -> float:
    """Return the position of a value between two others, 0 to 1; 0.5 when these are equal."""
    return (value - low) / (high - low) if high > low else 0.5


def short_number(value: float) -> str:
    """Format a number with about three digits."""
    return f"{value:.3f}" if 0.001 <= abs(value) < 1000 else f"{value:.3g}"

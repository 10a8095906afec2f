"""What a run tells people: the progress bar, metrics.csv, curves.svg and log.txt."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..console import ProgressBar, print_above
from ..ops.atomic_files import write_text
from .run_state import LOG, METRICS

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")

CURVES = ("loss", "mIoU", "Dice", "pixel accuracy", "PQ", "mask AP", "mask AP50", "box AP")
"""The columns of metrics.csv that are drawn, those of them that there are."""


class Journal:
    """Tells about a run; only the first process makes one.

    Args:
        folder: of the run.
        total: steps of the whole run.
        start: steps done before.
        show: whether to print what is said, and to draw a progress bar on a terminal.
    """

    def __init__(self, folder: Path, total: int, start: int, show: bool) -> None:
        self.folder, self.show = folder, show
        self.bar = ProgressBar("train", total, unit="steps", start=start, show=show, plain=False)

    def say(self, text: str) -> None:
        """One line on the screen and in log.txt."""
        if self.show:
            print_above(text)
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    def tick(self, epoch: str, values: Mapping[str, float]) -> None:
        """One step further."""
        status = " ".join(f"{key} {shown(value)}" for key, value in values.items())
        self.bar.advance(description=epoch, status=status)

    def write(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Write metrics.csv and curves.svg anew: one row an epoch, none of them twice."""
        names = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        table = csv.DictWriter(text, names, lineterminator="\n")
        table.writeheader()
        table.writerows({name: f"{value:.7g}" for name, value in row.items()} for row in rows)
        write_text(self.folder / METRICS, text.getvalue())
        write_text(self.folder / "curves.svg", curves(rows, CURVES))

    def close(self) -> None:
        """End the progress bar."""
        self.bar.close()


def curves(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> str:
    """An SVG image of some columns of metrics.csv over the epochs, each scaled to its own range."""
    width, height, edge = 640, 300, 40
    last = max((row["epoch"] for row in rows), default=1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"',
        ' font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<path d="M{edge} {edge}V{height - edge}H{width - edge}" fill="none" stroke="#888"/>',
        f'<text x="{width - edge}" y="{height - edge + 16}" text-anchor="end">epoch {last:g}</text>',
    ]
    present = [name for name in names if any(name in row for row in rows)]
    for k, name in enumerate(present):
        points = [(row["epoch"], row[name]) for row in rows if name in row and abs(row[name]) < float("inf")]
        low, high = min((v for _, v in points), default=0), max((v for _, v in points), default=1)
        across, up = (width - 2 * edge) / last, height - 2 * edge
        places = [f"{edge + across * x:.1f},{height - edge - up * share(y, low, high):.1f}" for x, y in points]
        color = COLORS[k % len(COLORS)]
        parts.append(f'<polyline points="{" ".join(places)}" fill="none" stroke="{color}" stroke-width="2"/>')
        label = f"{name} {shown(low)} to {shown(high)}"
        parts.append(f'<text x="{edge + k * 150}" y="24" fill="{color}">{label}</text>')
    return "\n".join([*parts, "</svg>\n"])


def share(value: float, low: float, high: float) -> float:
    """Where a value lies between two others, 0 to 1; in the middle when they are equal."""
    return (value - low) / (high - low) if high > low else 0.5


def shown(value: float) -> str:
    """Three digits are enough for the eye."""
    return f"{value:.3f}" if 0.001 <= abs(value) < 1000 else f"{value:.3g}"

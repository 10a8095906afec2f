"""metrics.csv, curves.svg and log.txt."""

from __future__ import annotations

import csv

from pixelwise.training.journal import Journal

ROWS = [
    {"epoch": 1.0, "step": 5.0, "loss": 0.75},
    {"epoch": 2.0, "step": 10.0, "loss": 0.5, "mIoU": 0.25},
    {"epoch": 3.0, "step": 15.0, "loss": float("nan"), "mIoU": 0.5},
]


def test_rows_are_written_once(tmp_path):
    journal = Journal(tmp_path, total=15, start=0, show=False)
    for number in (1, 2, 2, 3):
        journal.write(ROWS[:number])
    journal.note("a note")
    journal.close()
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [row["mIoU"] for row in rows] == ["", "0.25", "0.5"]
    assert (tmp_path / "log.txt").read_text().endswith("a note\n")
    assert "</svg>" in (tmp_path / "curves.svg").read_text()

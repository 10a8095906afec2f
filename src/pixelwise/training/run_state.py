"""The state from which a run resumes as if it had never been interrupted."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..ops.atomic_files import write_aside
from .run_folder import LAST

if TYPE_CHECKING:
    from ..data.dataset import Dataset


@dataclass
class State:
    """Everything that a training has reached after a step, beside its recipe and data.

    Attributes:
        step: steps of the optimiser that are done.
        finished: whether nothing is left to do: all steps are done, or the score has not improved for too long.
        model, average, optimizer: their state dicts.
        rows: one for each finished epoch, as in metrics.csv.
        sums: sums of the losses since the last finished epoch, and the number of summands as `parts`.
        fingerprint: of the training data.
    """

    step: int = 0
    finished: bool = False
    model: dict[str, Any] = field(default_factory=dict)
    average: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, float]] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)
    fingerprint: str = ""

    def save(self, path: Path) -> None:
        """Write the whole state; if that fails, the file stays as it was."""
        with write_aside(path) as aside:
            torch.save({f.name: getattr(self, f.name) for f in fields(self)}, aside)

    @classmethod
    def load(cls, path: Path) -> State:
        """Read the state that `save` wrote.

        Raises:
            ValueError: the file is something else, or damaged.
        """
        try:
            record = torch.load(path, map_location="cpu", weights_only=True)
            return cls(**record)
        except OSError:
            raise
        except Exception as error:
            raise ValueError(
                f"{path} is not the state of a run, or is damaged ({type(error).__name__}): start a new run with "
                f"--weights {path.with_name(LAST)}"
            ) from error


def fingerprint(dataset: Dataset) -> str:
    """Return a hash of the records' names and annotations and of the sizes of their files, wherever the folder lies."""
    digest = hashlib.sha256()
    for record in sorted(dataset.records, key=lambda record: record.name):
        values = [getattr(record, f.name) for f in fields(record)]
        sizes = [value.stat().st_size for value in values if isinstance(value, Path) and value.is_file()]
        digest.update(f"{record.name} {sizes} ".encode() + record.annotations + b"\n")
    return digest.hexdigest()[:16]


def best_row(rows: Sequence[Mapping[str, float]], score: str) -> Mapping[str, float] | None:
    """Return the first row with the highest score; None when no row has one."""
    rated = [row for row in rows if not math.isnan(row.get(score, math.nan))]
    return max(rated, key=lambda row: row[score], default=None)

"""A run's folder, and the state from which it continues as though it had never stopped."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..ops.atomic_files import write_aside
from .recipe import Recipe

if TYPE_CHECKING:
    from ..data.dataset import Dataset

BEST, LAST, STATE, RECIPE, METRICS, LOG = (
    "best.safetensors",
    "last.safetensors",
    "state.pt",
    "recipe.yaml",
    "metrics.csv",
    "log.txt",
)
DEFAULT_FOLDER = Path("runs/train")
FOLDER_VARIABLE = "PIXELWISE_RUN"
"""Tells the processes that Lightning starts which folder the first one has chosen."""


@dataclass
class State:
    """What a training knows after a step, beside its recipe and data.

    Attributes:
        step: optimiser steps done.
        finished: whether nothing is left to do: all steps done, or stopped for want of progress.
        model, average, optimizer: their state dicts.
        rows: one a finished epoch, as in metrics.csv.
        sums: sums of the loss parts since the last finished epoch, and their number as `steps`.
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
        """Write the whole state, or leave the file as it was."""
        with write_aside(path) as aside:
            torch.save({f.name: getattr(self, f.name) for f in fields(self)}, aside)

    @classmethod
    def load(cls, path: Path) -> State:
        """The state that `save` wrote.

        Raises:
            ValueError: when the file is something else, or only a part.
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


def claim_folder(out: str | Path | None, resume: bool) -> Path:
    """The folder of the run, made if needed: nothing that another run wrote is ever overwritten.

    Args:
        out: the folder; when None, `runs/train`, or the next free of `runs/train2`, …; to resume, the newest of them.
        resume: whether to continue the run in it.

    Raises:
        FileExistsError: when `out` holds a run and `resume` is False.
        FileNotFoundError: when there is nothing to resume.
    """
    if FOLDER_VARIABLE in os.environ and "LOCAL_RANK" in os.environ:
        return Path(os.environ[FOLDER_VARIABLE])
    if resume:
        runs = (
            [Path(out)] if out else [p for p in DEFAULT_FOLDER.parent.glob(f"{DEFAULT_FOLDER.name}*") if _holds_run(p)]
        )
        if not runs or not _holds_run(runs[0]):
            raise FileNotFoundError(f"{out or DEFAULT_FOLDER} holds no run to resume: leave out --resume to start one")
        folder = max(runs, key=lambda path: (path / RECIPE).stat().st_mtime)
        for name in (BEST, LAST, STATE):  # what a killed process was about to write
            for part in folder.glob(f".{Path(name).stem}-*{Path(name).suffix}"):
                part.unlink()
        return folder
    if out and _holds_run(Path(out)):
        raise FileExistsError(
            f"{out} holds a run already: continue it with --resume, or give another folder with --out"
        )
    folder, number = Path(out or DEFAULT_FOLDER), 1
    while _holds_run(folder):
        number += 1
        folder = DEFAULT_FOLDER.with_name(f"{DEFAULT_FOLDER.name}{number}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(error.errno, f"cannot make the run's folder {folder}: {error.strerror}") from None
    return folder


def _holds_run(folder: Path) -> bool:
    return (folder / RECIPE).exists()


def check_recipe(recipe: Recipe, path: Path) -> None:
    """That a run continues with the recipe it began with; only the place of the data may differ.

    Raises:
        ValueError: lists the keys that differ, with both values.
    """
    before, now = Recipe.from_yaml(path).to_dict(), recipe.to_dict()
    changed = [f"{key} was {before[key]!r} and is {now[key]!r}" for key in before if before[key] != now[key]]
    changed = [text for text in changed if not text.startswith("data was ")]
    if changed:
        raise ValueError(
            f"{path.parent} cannot be resumed with another recipe: {'; '.join(changed)}. Use the recipe of the run, or "
            f"start a new one from its weights: --weights {path.with_name(LAST)}"
        )


def fingerprint(dataset: Dataset) -> str:
    """A hash over the names of the records and the sizes of their files (if any); the same wherever the folder lies."""
    digest = hashlib.sha256()
    for record in sorted(dataset.records, key=lambda record: record.name):
        values = [getattr(record, f.name) for f in fields(record)]
        sizes = [value.stat().st_size for value in values if isinstance(value, Path) and value.is_file()]
        digest.update(f"{record.name} {sizes} ".encode() + record.annotations + b"\n")
    return digest.hexdigest()[:16]


def best_row(rows: Sequence[Mapping[str, float]], score: str) -> Mapping[str, float] | None:
    """The first row with the highest score; None when nothing was scored yet."""
    scored = [row for row in rows if score in row and row[score] == row[score]]
    return max(scored, key=lambda row: row[score], default=None)

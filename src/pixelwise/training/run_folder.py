"""The folder of a run: the names of its files, and which run may write into it."""

from __future__ import annotations

import os
from pathlib import Path

from .recipe import Recipe

BEST = "best.safetensors"
LAST = "last.safetensors"
STATE = "state.pt"
RECIPE = "recipe.yaml"
METRICS = "metrics.csv"
CURVES = "curves.svg"
LOG = "log.txt"

DEFAULT_FOLDER = Path("runs/train")
FOLDER_VARIABLE = "PIXELWISE_RUN"
"""The environment variable that tells the processes that Lightning starts which folder the first one has chosen."""


def claim_folder(out: str | Path | None, resume: bool) -> Path:
    """Return the folder of the run, made if needed; what another run wrote is never overwritten.

    Args:
        out: the folder; None for `runs/train`, or the next free one of `runs/train2`, …; to resume, the newest of them.
        resume: whether to continue the run in it.

    Raises:
        FileExistsError: `out` holds a run, and `resume` is False.
        FileNotFoundError: there is no run to resume.
        OSError: the folder cannot be made.
    """
    if FOLDER_VARIABLE in os.environ and "LOCAL_RANK" in os.environ:
        return Path(os.environ[FOLDER_VARIABLE])
    return _folder_to_resume(out) if resume else _new_folder(out)


def _folder_to_resume(out: str | Path | None) -> Path:
    candidates = [Path(out)] if out else DEFAULT_FOLDER.parent.glob(f"{DEFAULT_FOLDER.name}*")
    runs = [path for path in candidates if _holds_run(path)]
    if not runs:
        raise FileNotFoundError(f"{out or DEFAULT_FOLDER} holds no run to resume: leave out --resume to start one")
    folder = max(runs, key=lambda path: (path / RECIPE).stat().st_mtime)
    # A process that was killed while it wrote leaves its unfinished file beside the whole one.
    for name in (BEST, LAST, STATE):
        for unfinished in folder.glob(f".{Path(name).stem}-*{Path(name).suffix}"):
            unfinished.unlink()
    return folder


def _new_folder(out: str | Path | None) -> Path:
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


def remove_if_empty(folder: Path) -> None:
    """Remove the folder of a run that failed before there was anything to resume or to use."""
    if not folder.is_dir() or any((folder / name).exists() for name in (BEST, LAST, STATE)):
        return
    for name in (RECIPE, METRICS, CURVES, LOG):
        (folder / name).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def check_recipe(recipe: Recipe, path: Path) -> None:
    """Check that a run resumes with its own recipe, but for the place of the data.

    Args:
        recipe: to resume with.
        path: of the recipe that the run was started with.

    Raises:
        ValueError: some keys differ; lists them with both values.
    """
    before, now = Recipe.from_yaml(path).to_dict(), recipe.to_dict()
    changed = [key for key in before if key != "data" and before[key] != now[key]]
    if changed:
        differences = "; ".join(f"{key} was {before[key]!r} and is {now[key]!r}" for key in changed)
        raise ValueError(
            f"{path.parent} cannot be resumed with another recipe: {differences}. Use the recipe of the run, or "
            f"start a new one from its weights: --weights {path.with_name(LAST)}"
        )

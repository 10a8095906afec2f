"""The shipped recipes: each method as its paper trained it, and some for small data sets of one's own."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).with_name("recipes")


def recipes() -> dict[str, str]:
    """Return the names of the shipped recipes, which `Recipe.from_yaml` takes, with a line about each."""
    files = sorted(FOLDER.glob("*.yaml"), key=lambda file: file.stem)
    return {file.stem: file.read_text(encoding="utf-8").splitlines()[0].lstrip("# ") for file in files}


def file_of(name: str | Path) -> Path:
    """Return the file of that name, or the shipped recipe if there is no such file."""
    shipped = FOLDER / f"{name}.yaml"
    return shipped if shipped.is_file() and not Path(name).is_file() else Path(name)

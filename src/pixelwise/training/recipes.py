"""The recipes that come with pixelwise: one a method as its paper trained it, and some for small data of one's own."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).with_name("recipes")


def recipes() -> dict[str, str]:
    """The shipped recipes by name, each with the line that says what it is; `Recipe.from_yaml(name)` takes the name."""
    files = sorted(FOLDER.glob("*.yaml"), key=lambda file: file.stem)
    return {file.stem: file.read_text(encoding="utf-8").splitlines()[0].lstrip("# ") for file in files}


def file_of(name: str | Path) -> Path:
    """The file of that name as it is, or the shipped recipe where there is none."""
    shipped = FOLDER / f"{name}.yaml"
    return shipped if shipped.is_file() and not Path(name).is_file() else Path(name)

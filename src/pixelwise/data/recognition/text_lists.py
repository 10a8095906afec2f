"""Text files with an entry per line: names, pairs of paths, classes."""

from __future__ import annotations

from pathlib import Path

_NO_LISTS = (
    "classes",
    "class_names",
    "labels",
    "labelmap",
    "label_names",
    "readme",
    "license",
    "requirements",
    "notes",
)


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file, stripped, without blank lines and comments."""
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def list_files(root: Path, *suffixes: str) -> list[Path]:
    """Find the text files in a folder and in its `splits` that may list images, by their suffixes and names."""
    places = [folder for folder in (root, root / "splits") if folder.is_dir()]
    files = sorted(file for folder in places for file in folder.iterdir() if file.suffix.lower() in suffixes)
    return [file for file in files if file.is_file() and file.stem.lower() not in _NO_LISTS]

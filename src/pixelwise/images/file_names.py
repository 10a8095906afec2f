"""Names of image files: their suffixes, listings of folders, and the error for a file that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..ops.names import suggest

IMAGE_SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".jfif",
    ".png",
    ".tif",
    ".tiff",
    ".bmp",
    ".webp",
    ".gif",
    ".ppm",
    ".pgm",
    ".jp2",
    ".j2k",
    ".avif",
)
"""Suffixes of image files, lower case. The first bytes of a file, not its suffix, decide how it is decoded."""

HEIC_SUFFIXES = (".heic", ".heif", ".hif")
"""Suffixes of images that can be read where the extra `heic` is installed."""

CAMERA_SUFFIXES = {
    ".dng": "DNG",
    ".cr2": "CR2",
    ".cr3": "CR3",
    ".nef": "NEF",
    ".arw": "ARW",
    ".raf": "RAF",
    ".orf": "ORF",
    ".rw2": "RW2",
}
"""Suffixes of the raw data of cameras, which are no images before they are developed; and the name of each kind."""

MAX_LISTED_NAMES = 8
"""Number of file names that an error lists at most when none is similar to the missing one."""


def list_images(files: Iterable[Path]) -> list[Path]:
    """The files that have an image suffix and are not hidden, sorted by path."""
    return sorted(file for file in files if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith("."))


def file_not_found(path: Path) -> FileNotFoundError:
    """The error for a path that does not exist; it suggests the most similar name in the same folder."""
    if not path.parent.is_dir():
        return FileNotFoundError(f"there is no {path}: there is no folder {path.parent} either")
    names = sorted(entry.name for entry in path.parent.iterdir())
    suggestion = suggest(path.name, names)
    if len(names) > MAX_LISTED_NAMES and suggestion.startswith("there are"):
        suggestion = f"{suggest(path.name, names[:MAX_LISTED_NAMES])}, … ({len(names)} in all)"
    return FileNotFoundError(f"there is no {path}; {suggestion}")

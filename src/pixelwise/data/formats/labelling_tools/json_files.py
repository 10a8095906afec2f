"""JSON files of labelling tools: listed below a folder, recognised by their keys, and read with limits."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

from ....ops.phrases import few

MAX_BYTES = 2**30
"""Larger annotation files are refused."""

_MAX_PROBED = 40
_PROBED_BYTES = 2**20
_MAX_DEPTH = 4


def list_files(path: Path, suffix: str) -> list[Path]:
    """List the files with a suffix at a path: the file itself, or those at most four folders below it."""
    if path.is_file():
        return [path] if path.suffix.lower() == suffix else []
    files = []
    for file in path.rglob("*"):
        parts = file.relative_to(path).parts
        hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
        if file.suffix.lower() == suffix and len(parts) <= _MAX_DEPTH and not hidden and file.is_file():
            files.append(file)
    return sorted(files, key=lambda file: (len(file.parts), file))


def probe(path: Path, *keys: tuple[bytes, ...]) -> list[Path]:
    """List those of the first JSON files at a path that hold at least one key of each group."""
    return [file for file in list_files(path, ".json")[:_MAX_PROBED] if holds(file, *keys)]


def holds(file: Path, *keys: tuple[bytes, ...]) -> bool:
    """Check whether a file holds at least one key of each group."""
    # Both ends of a large file are enough: one task or one shape has the keys, and pixels may lie between them.
    with file.open("rb") as opened:
        data = opened.read(_PROBED_BYTES)
        opened.seek(max(len(data), file.stat().st_size - _PROBED_BYTES))
        data += opened.read(_PROBED_BYTES)
    found = [_has_any(data, group) for group in keys]
    return all(found)


def read_json(file: Path) -> Any:
    """Read a JSON file.

    Raises:
        ValueError: it is too large, broken, or nested too deeply.
    """
    size = file.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{file} has {size:,} bytes: annotation files of at most {MAX_BYTES:,} are read; split it")
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is no JSON: {error}; is it whole?") from None


def _has_any(data: bytes, keys: tuple[bytes, ...]) -> bool:
    return any(b'"' + key + b'"' in data for key in keys)


def check_number(value: Any, what: str) -> float:
    """Return a finite number of a JSON file as a float; digits in a text count too.

    Raises:
        ValueError: it is none; the error begins with `what`.
    """
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e9 or not math.isfinite(value):
        raise ValueError(f"{what} is {str(value)[:40]!r}: wanted a number")
    return float(value)


def check_corners(points: Any, what: str) -> list[float]:
    """Flatten [[x, y], …] to x1 y1 x2 y2 …

    Raises:
        ValueError: it is no list of pairs of numbers; the error begins with `what`.
    """
    if not isinstance(points, list):
        raise ValueError(f"{what} has points {str(points)[:60]}: wanted [[x, y], …]")
    corners = []
    for point in points:
        if not isinstance(point, list) or len(point) != 2:
            raise ValueError(f"{what} has a point {str(point)[:60]}: wanted [x, y]")
        for value in point:
            corners.append(check_number(value, f"{what}: a coordinate"))
    return corners


def relative(files: list[Path], root: Path) -> str:
    """Name some files by their paths below a folder, for notes."""
    return few(file.relative_to(root) if file.is_relative_to(root) else file.name for file in files)

"""Files that are either whole or not there."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def write_aside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path` with the same suffix; it takes the place of `path` when the block succeeds.

    The folder is made when it is missing. Nothing is left behind when the block fails.

    Raises:
        OSError: names `path` when it cannot be written: no permission, a full disk, a file where a folder should be.
    """
    path = Path(path)
    aside = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        aside.replace(path)
    except OSError as error:
        raise type(error)(error.errno, f"cannot write {path}: {error.strerror or error}") from error
    finally:
        aside.unlink(missing_ok=True) if path.parent.is_dir() else None


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """A whole text file in UTF-8; errors as of `write_aside`."""
    with write_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """A whole file; errors as of `write_aside`."""
    with write_aside(path) as aside:
        aside.write_bytes(data)

"""Misspelt names: which one was meant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches
from typing import Any


def suggest(name: str, names: Iterable[str]) -> str:
    """A sentence for an error: "did you mean 'unet'?", or all names where none is near (the first forty of many)."""
    known = list(names)
    close = get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    shown = ", ".join(known[:40]) or "none"
    return f"there are: {shown}{', …' if len(known) > 40 else ''}"


def check_keys(record: Iterable[object], kind: type[Any], lacks: str) -> None:
    """That a dataclass has a field for each key.

    Raises:
        ValueError: it has none; the error begins with `lacks`, as "a CRF has no key", and names the nearest field.
    """
    names = [field.name for field in fields(kind)]
    for key in record:
        if key not in names:
            raise ValueError(f"{lacks} {key!r}: {suggest(str(key), names)}")

"""Suggestions for misspelt names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches
from typing import Any


def suggest(name: str, names: Iterable[str]) -> str:
    """Make a sentence for an error: "did you mean 'unet'?", or a list of the names (at most 40) if none is similar."""
    known = list(names)
    close = get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    shown = ", ".join(known[:40]) or "none"
    return f"there are: {shown}{', …' if len(known) > 40 else ''}"


def check_keys(record: Iterable[object], kind: type[Any], lacks: str) -> None:
    """Check that a dataclass has a field for each key.

    Args:
        record: the keys.
        kind: the dataclass.
        lacks: start of the error, such as "a CRF has no key".

    Raises:
        ValueError: a key is no field; similar fields are suggested.
    """
    names = [field.name for field in fields(kind)]
    for key in record:
        if key not in names:
            raise ValueError(f"{lacks} {key!r}: {suggest(str(key), names)}")

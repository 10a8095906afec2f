"""Misspelt names: which one was meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, names: Iterable[str]) -> str:
    """A sentence for an error: "did you mean 'unet'?", or all names where none is near (the first forty of many)."""
    known = list(names)
    close = get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    shown = ", ".join(known[:40]) or "none"
    return f"there are: {shown}{', …' if len(known) > 40 else ''}"

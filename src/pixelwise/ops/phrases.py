"""Phrases for notes and errors: short lists and counts in words."""

from __future__ import annotations

from collections.abc import Iterable


def few(things: Iterable[object], number: int = 5) -> str:
    """Join the first `number` things by commas, and say how many there are if more follow: `a, b, … (12 in all)`."""
    texts = [str(thing) for thing in things]
    rest = f", … ({len(texts)} in all)" if len(texts) > number else ""
    return ", ".join(texts[:number]) + rest


def counted(number: int, one: str, many: str = "") -> str:
    """Name a number of things: `1 image`, `2 images`. `many` is the plural where it is not the singular with an s."""
    if number == 1:
        return f"1 {one}"
    return f"{number} {many or one + 's'}"

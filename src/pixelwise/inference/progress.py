"""How far a long work is, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def shown(items: Iterable[Item], number: int, what: str, progress: bool) -> Iterator[Item]:
    """The items, while stderr shows how many are done: a bar on a terminal, elsewhere a line for each tenth.

    Args:
        items: what is worked on.
        number: of items.
        what: they are called.
        progress: whether anything is shown.
    """
    if not progress or sys.stderr.isatty():
        yield from tqdm(items, "predict", number, unit=f" {what}", disable=not progress)
        return
    for n, item in enumerate(items, 1):
        yield item
        if 10 * n // number > 10 * (n - 1) // number:
            print(f"predict: {n} of {number} {what}", file=sys.stderr, flush=True)

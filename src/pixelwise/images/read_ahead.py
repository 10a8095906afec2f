"""Reading ahead: a second thread reads the next files while the caller works on the current one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")


def read_ahead(
    items: Sequence[Item], read: Callable[[Item], Value], ahead: int = 2
) -> Iterator[tuple[Item, Callable[[], Value]]]:
    """Iterate over items that a second thread reads in advance.

    Args:
        items: what to read, in this order.
        read: reads one item; called in the second thread.
        ahead: number of items that are read while the caller is busy with the one before.

    Yields:
        Each item with a function that waits for `read` and returns its result, or raises its exception.
    """
    with ThreadPoolExecutor(1) as thread:
        pending: deque[Future[Value]] = deque(thread.submit(read, item) for item in items[:ahead])
        for n, item in enumerate(items):
            yield item, pending.popleft().result
            if n + ahead < len(items):
                pending.append(thread.submit(read, items[n + ahead]))

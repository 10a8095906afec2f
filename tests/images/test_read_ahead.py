from __future__ import annotations

import threading

import pytest

from pixelwise.images.read_ahead import read_ahead


def test_reading_ahead_keeps_the_order_and_hands_on_errors():
    threads = set()

    def read(item: int) -> float:
        threads.add(threading.get_ident())
        return 1 / item

    values = []
    for item, value in read_ahead([1, 2, 0, 4, 5], read):
        if item:
            values.append(value())
        else:
            with pytest.raises(ZeroDivisionError):
                value()
    assert values == [1, 0.5, 0.25, 0.2]
    assert threading.get_ident() not in threads
    assert list(read_ahead([], read)) == []

"""Waiting for images, and batches in parts."""

from __future__ import annotations

import time

import torch

from pixelwise.classes import Classes
from pixelwise.sample import Batch
from pixelwise.segmentation import Segmentation
from pixelwise.training.timed_loader import EpochTimer, TimedLoader


def test_waiting_divides_and_measures():
    classes = Classes(("a", "b"))
    truth = Segmentation.from_class_map(torch.zeros(4, 4, dtype=torch.uint8), classes)
    batches = [Batch(torch.rand(4, 3, 4, 4), (truth,) * 4, ((4, 4),) * 4, tuple("abcd")) for _ in range(3)]

    def slowly():
        for batch in batches:
            time.sleep(0.02)
            yield batch

    class Loader:
        def __len__(self) -> int:
            return 3

        def __iter__(self):
            return slowly()

    waiting = TimedLoader(Loader(), 2)
    parts = list(waiting)
    assert len(parts) == len(waiting) == 6
    assert [part.names for part in parts[:2]] == [("a", "b"), ("c", "d")]
    assert torch.equal(torch.cat([parts[4].images, parts[5].images]), batches[2].images)
    assert waiting.seconds >= 0.06


def test_the_share_of_an_epoch_that_was_waited(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    timer = EpochTimer()
    timer.restart(waited=7.0)
    now[0] = 110.0
    assert timer.seconds == 10
    assert timer.waiting_share(9.5) == 0.25
    assert timer.waiting_share(99) == 1, "clocks differ a little"

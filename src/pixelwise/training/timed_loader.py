"""Waiting for images: a loader that measures it, and the share of an epoch that it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator

from torch.utils.data import DataLoader

from ..sample import Batch


class TimedLoader:
    """A loader that divides each batch into parts and measures how long the training waits for batches.

    Args:
        loader: the batches of this process.
        parts: number of equal parts of a batch, for gradient accumulation.

    Attributes:
        seconds: waited so far.
    """

    def __init__(self, loader: DataLoader[Batch], parts: int) -> None:
        self.loader, self.parts, self.seconds = loader, parts, 0.0

    def __len__(self) -> int:
        return len(self.loader) * self.parts

    def __iter__(self) -> Iterator[Batch]:
        batches = iter(self.loader)
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            self.seconds += time.perf_counter() - start
            if batch is None:
                return
            size = len(batch) // self.parts
            for k in range(self.parts):
                part = slice(k * size, (k + 1) * size)
                yield Batch(batch.images[part], batch.truths[part], batch.sizes[part], batch.names[part])


class EpochTimer:
    """Measures an epoch: its length, and the share of it that was spent waiting for images."""

    def __init__(self) -> None:
        self.restart(0.0)

    def restart(self, waited: float) -> None:
        """Begin an epoch.

        Args:
            waited: seconds that the loader had been waited for before it.
        """
        self._start, self._waited = time.monotonic(), waited

    @property
    def seconds(self) -> float:
        """Seconds since the beginning of the epoch."""
        return time.monotonic() - self._start

    def waiting_share(self, waited: float) -> float:
        """Return the share of the epoch, 0 to 1, that was spent waiting.

        Args:
            waited: seconds that the loader was waited for, over all epochs.
        """
        return min(1.0, (waited - self._waited) / max(1e-9, self.seconds))

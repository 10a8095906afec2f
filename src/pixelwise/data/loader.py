"""Loading of training batches by worker processes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from ..sample import Batch, Sample, collate
from ..types import Size
from .augmentation.copy_paste import paste
from .augmentation.transforms import Augmentation
from .batch_packing import PackedBatch
from .batch_plan import PASTE, VIEW, ImageOrder, Plan
from .dataset import Dataset


class Batches(DataLoader[Any]):
    """Yields one `Batch` per step, from `plan.start` to `plan.steps`; raises an image's error as it was raised.

    One pass is the whole training, and the workers live as long as it does.
    """

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        item: Any
        for item in super().__iter__():
            if isinstance(item, Exception):
                break
            yield item.unpack()
        else:
            return
        raise item  # outside the loop, so that the workers have ended


def training_batches(dataset: Dataset, augmentation: Augmentation, *, plan: Plan) -> Batches:
    """Augmented batches for training.

    Images come in an order that is shuffled anew for each pass, each of them once per pass (or as often as its weight
    says). Each draw depends on nothing but the seed, the step and the position in the batch of all processes: a run
    that starts at step 100 gets what an uninterrupted one gets from there on, and any number of processes and workers
    get the same images. Pasted objects are drawn separately, so that pasting does not change any other draw.

    Raises:
        ValueError: the data set has no images, the weights do not fit it, or the augmentation pastes objects and no
            class is a thing. Iterating raises the data set's error for an image, which names its file.
    """
    if not len(dataset):
        raise ValueError("there is nothing to train on: the data set has no images")
    if augmentation.paste and not any(dataset.classes.things):
        raise ValueError("the data have no objects to paste, only areas: use an augmentation without pasting")
    return Batches(
        _Steps(dataset, augmentation, plan),
        batch_size=None,
        sampler=range(plan.start, plan.steps),
        num_workers=plan.workers,
        worker_init_fn=_start_worker,
        generator=torch.Generator(),  # its own: starting to iterate must not advance the global one
    )


class _Steps(TorchDataset[PackedBatch | Exception]):
    """Maps a step number to this process's part of its batch."""

    def __init__(self, dataset: Dataset, augmentation: Augmentation, plan: Plan) -> None:
        self.dataset, self.augmentation, self.plan = dataset, augmentation, plan
        self.order = ImageOrder(plan, len(dataset))

    def __len__(self) -> int:
        return self.plan.steps

    def __getitem__(self, step: int) -> PackedBatch | Exception:
        size = self.plan.size(step)
        try:
            samples = [self._sample(step, position, size) for position in self.plan.positions]
            return PackedBatch.pack(collate(samples, self.plan.multiple))
        except Exception as error:
            # Returned rather than raised: PyTorch would wrap its message in the traceback of the worker.
            return error

    def _sample(self, step: int, position: int, size: Size | None) -> Sample:
        """The augmented sample at a position of a step's batch, perhaps with objects of another image on it."""
        sample = self.dataset[self.order[step * self.plan.batch + position]]
        view = self.augmentation(sample, self.plan.generator(VIEW, step, position), size)
        rng = self.plan.generator(PASTE, step, position)
        if rng.random() >= self.augmentation.paste:
            return view
        other = self._view_of_any(rng, size)
        return paste(view, other, rng)

    def _view_of_any(self, rng: np.random.Generator, size: Size | None) -> Sample:
        sample = self.dataset[int(rng.integers(len(self.dataset)))]
        return self.augmentation(sample, rng, size)


def _start_worker(worker: int) -> None:
    """Use one thread, so that workers do not compete for cores; leave Ctrl-C to the main process, which ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _report
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Report an uncaught exception, except a lost connection: the main process has ended while it received a batch."""
    if not issubclass(kind, ConnectionError):
        sys.__excepthook__(kind, error, trace)

"""Training batches: which image, which view of it and which size: all from the seed and the step alone."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from ..classes import Classes
from ..console import track
from ..masks import Masks
from ..sample import Batch, Sample, collate
from ..segmentation import Segmentation
from ..types import Size
from .augmentation.copy_paste import paste
from .augmentation.transforms import Augmentation
from .records import Dataset

# What a draw is for: the first word of its seed, so that no two kinds of draws are alike.
ORDER, SIZE, VIEW, PASTE = range(4)


@dataclass(frozen=True, eq=False)
class Plan:
    """What decides the batches of one process of one training.

    Attributes:
        batch: images a step, over all processes.
        steps: of the whole training.
        start: the first step that is wanted; the steps before it are not made.
        seed: of every draw.
        workers: processes that make batches; with 0 the calling one does.
        rank, world: which process of how many this is; each makes its own part of the batch.
        multiple: height and width are padded to a multiple of this many pixels.
        sizes: heights and widths of which each step draws one, the same in all processes; the augmentation's if none.
        weights: how often each image is wanted, in any unit; all alike if None. See `rare_class_weights`.

    Raises:
        ValueError: for a value outside its range, for a batch that the processes cannot share evenly.
    """

    batch: int
    steps: int
    start: int = 0
    seed: int = 0
    workers: int = 2
    rank: int = 0
    world: int = 1
    multiple: int = 1
    sizes: Sequence[Size] = ()
    weights: Tensor | None = None

    def __post_init__(self) -> None:
        least = {"batch": 1, "steps": 0, "start": 0, "seed": 0, "workers": 0, "rank": 0, "world": 1, "multiple": 1}
        for name, limit in least.items():
            if getattr(self, name) < limit:
                raise ValueError(f"{name} is {getattr(self, name)}: it is a whole number, {limit} or more")
        if self.rank >= self.world:
            raise ValueError(f"rank is {self.rank}, but the {self.world} processes are numbered 0 to {self.world - 1}")
        if self.batch % self.world:
            raise ValueError(f"a batch of {self.batch} images cannot be shared evenly by {self.world} processes")


class Batches(DataLoader[Any]):
    """Yields a `Batch` a step, from `plan.start` to `plan.steps`; an error of an image comes as it was raised.

    One pass is the whole training, and the workers live as long as it.
    """

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        item: Any
        for item in super().__iter__():
            if isinstance(item, Exception):
                break
            yield item.unpacked()
        else:
            return
        raise item  # out of the loop, so that the workers have ended


def training_batches(dataset: Dataset, augmentation: Augmentation, *, plan: Plan) -> Batches:
    """Augmented batches for training.

    Images come in an order that is shuffled anew for each pass, each of them once a pass (or as often as its weight
    says). Each draw depends on nothing but the seed, the step and the position in the batch of all processes: a run
    that starts at step 100 gets what an uninterrupted one gets from there on, and any number of processes and workers
    get the same images. Which objects are pasted from where is drawn apart, so that it changes nothing else.

    Raises:
        ValueError: for a data set without images, for weights that do not fit it, for pasting where no class is a
            thing. While iterating, whatever the data
            set raises for an image, naming its file.
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
        generator=torch.Generator(),  # its own: starting to iterate must not move the global one
    )


def class_counts(dataset: Dataset, *, workers: int = 4, progress: bool = False) -> Tensor:
    """(images, C) int64: pixels of each class in the ground truth of each image; void does not count."""
    number = len(dataset.classes)

    def count(i: int) -> Tensor:
        return torch.bincount(dataset.truth(i).class_map().flatten(), minlength=256)[:number]

    with ThreadPoolExecutor(max(1, workers)) as threads:
        counts = threads.map(count, range(len(dataset)))
        every = list(track(counts, "count classes", len(dataset), show=progress))
    return torch.stack(every) if every else torch.zeros(0, number, dtype=torch.int64)


def rare_class_weights(counts: Tensor, temperature: float = 0.1) -> Tensor:
    """(images,) float64, summing to 1: how often to draw each image so that rare classes are seen.

    Rare-class sampling (Hoyer et al., DAFormer, CVPR 2022, section 3.2): a class is drawn with probability
    P(c) = exp((1 − f_c) / T) / Σ exp((1 − f_c') / T), f_c its share of all pixels, then one of the images that hold
    it: an image weighs Σ P(c) / (number of images with c) over its classes. They use T = 0.01, with which the rarest
    few classes take nearly all draws; 0.1 is milder. An image in which every pixel is void is never drawn.

    Args:
        counts: (images, C), as `class_counts` gives them.
        temperature: T; the higher, the more all classes are drawn alike.

    Raises:
        ValueError: when no image has any pixel of a class.
    """
    counts = counts.double()
    if counts.ndim != 2 or not bool(counts.sum() > 0):
        raise ValueError("rare-class sampling needs images with classes, but no pixel of any belongs to one")
    holds = (counts > 0).double()
    shares = counts.sum(0) / counts.sum()
    chances = torch.where(holds.any(0), (1 - shares) / temperature, -torch.inf).softmax(0)
    return (holds * chances / holds.sum(0).clamp(min=1)).sum(1)


class _Steps(TorchDataset["_Packed | Exception"]):
    """Step number → the part of its batch that this process trains on."""

    def __init__(self, dataset: Dataset, augmentation: Augmentation, plan: Plan) -> None:
        self.dataset, self.augmentation, self.plan = dataset, augmentation, plan
        self.cumulative = None if plan.weights is None else _cumulative(plan.weights, len(dataset))

    def __len__(self) -> int:
        return self.plan.steps

    def __getitem__(self, step: int) -> _Packed | Exception:
        plan = self.plan
        size = None
        if plan.sizes:
            size = plan.sizes[int(np.random.default_rng((SIZE, plan.seed, step)).integers(len(plan.sizes)))]
        share = plan.batch // plan.world
        try:
            samples = []
            for position in range(plan.rank * share, (plan.rank + 1) * share):
                sample = self.dataset[self._image(step * plan.batch + position)]
                view = self.augmentation(sample, np.random.default_rng((VIEW, plan.seed, step, position)), size)
                samples.append(self._pasted(view, np.random.default_rng((PASTE, plan.seed, step, position)), size))
            return _Packed.of(collate(samples, plan.multiple))
        except Exception as error:
            # Returned rather than raised: PyTorch would wrap its message in the traceback of the worker.
            return error

    def _pasted(self, view: Sample, rng: np.random.Generator, size: Size | None) -> Sample:
        """The view with objects of another image on it, as often as the augmentation says."""
        if rng.random() >= self.augmentation.paste:
            return view
        return paste(view, self.augmentation(self.dataset[int(rng.integers(len(self.dataset)))], rng, size), rng)

    def _image(self, draw: int) -> int:
        """The index of the image of one draw, counted over the whole training."""
        number = len(self.dataset)
        turn, place = divmod(draw, number)
        order, offset = _order(self.plan.seed, turn, number)
        if self.cumulative is None:
            return int(order[place])
        # Systematic sampling: evenly spaced points, so each image comes weight · number times a pass, rounded.
        point = (order[place] + offset) / number
        return int(np.searchsorted(self.cumulative[:-1], point, side="right"))


@dataclass(frozen=True)
class _Packed:
    """A batch in four tensors: each that goes from process to process takes a file handle, and those are few.

    `carrier` holds all ids (B, H, W) or the runs of all masks (R, 4), `table` labels, scores and crowd of all
    segments (3, N).
    """

    images: Tensor
    carrier: Tensor
    table: Tensor
    numbers: tuple[int, ...]
    classes: Classes
    sizes: tuple[Size, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, batch: Batch) -> _Packed:
        if not batch.truths:
            raise ValueError(f"{batch.names[0] or 'an image'} has no truth: there is nothing to train on")
        ids = [truth.ids for truth in batch.truths if truth.ids is not None]
        masks = [truth.masks for truth in batch.truths if truth.masks is not None]
        carrier = torch.stack(ids) if ids else Masks.joined(masks).runs
        tables = [torch.stack([truth.labels.float(), truth.scores, truth.crowd.float()]) for truth in batch.truths]
        numbers, classes = tuple(map(len, batch.truths)), batch.truths[0].classes
        return cls(batch.images, carrier, torch.cat(tables, 1), numbers, classes, batch.sizes, batch.names)

    def unpacked(self) -> Batch:
        truths, size = [], (self.images.shape[2], self.images.shape[3])
        masks = Masks(size, sum(self.numbers), self.carrier) if self.carrier.ndim == 2 else None
        for n, (first, end) in enumerate(pairwise(accumulate(self.numbers, initial=0))):
            labels, scores, crowd = self.table[:, first:end]
            ids = self.carrier[n] if masks is None else None
            own = None if masks is None else masks.select(torch.arange(first, end))
            truths.append(Segmentation(self.classes, labels.long(), scores, ids, own, crowd.bool()))
        return Batch(self.images, tuple(truths), self.sizes, self.names)


@lru_cache(maxsize=4)
def _order(seed: int, turn: int, number: int) -> tuple[NDArray[np.int64], float]:
    """The shuffled images of one pass, and where its systematic sample begins, in [0, 1)."""
    rng = np.random.default_rng((ORDER, seed, turn))
    return rng.permutation(number), float(rng.random())


def _cumulative(weights: Tensor, number: int) -> NDArray[np.float64]:
    """The running sum of the weights, up to 1."""
    values = torch.as_tensor(weights).double().numpy()
    if values.shape != (number,) or not (values >= 0).all() or not 0 < values.sum() < np.inf:
        raise ValueError(
            f"the weights of the images must be {number} numbers, none negative and not all zero: "
            f"these are {values.shape} from {values.min(initial=np.inf)} to {values.max(initial=-np.inf)}"
        )
    shares: NDArray[np.float64] = np.cumsum(values) / values.sum()
    return shares


def _start_worker(worker: int) -> None:
    """One thread, so that workers do not fight for cores; Ctrl-C is for the main process, which ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _report
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """As Python does, but silent where the main process went away while it was handed a batch."""
    if not issubclass(kind, ConnectionError):
        sys.__excepthook__(kind, error, trace)

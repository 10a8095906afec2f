"""Scoring a model during training: whole images, at their own size, each once over all processes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import distributed
from torch.utils.data import DataLoader, Dataset, Subset

from ..data.augmentation.transforms import resized
from ..data.records import Dataset as Images
from ..metrics import METRICS
from ..models.base import Model
from ..ops.resize import Resizing
from ..sample import Batch, Sample, collate
from ..segmentation import Segmentation


class Whole(Dataset[tuple[Batch, Segmentation]]):
    """Each image as a batch of its own, resized and padded as the model wants it, with its original ground truth."""

    def __init__(self, images: Images, resizing: Resizing, multiple: int) -> None:
        self.images, self.resizing, self.multiple = images, resizing, multiple

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Batch, Segmentation]:
        sample = self.images[index]
        assert sample.truth is not None
        image = resized(Sample(sample.image, name=sample.name), self.resizing)
        return collate([image], self.multiple), sample.truth


class Validation:
    """The scores of a model on a data set, shared out over the processes.

    Args:
        images: what is scored.
        model: whose resizing and stride hold.
        workers: processes that load images; they live as long as this does. 0: none.
    """

    def __init__(self, images: Images, model: Model, workers: int) -> None:
        self.whole = Whole(images, model.resizing, model.stride)
        self.workers = workers
        self._loader: DataLoader[tuple[Batch, Segmentation]] | None = None

    @torch.no_grad()
    def __call__(self, model: Model, device: torch.device) -> dict[str, float]:
        """The main scores of `model`, which is in `eval()`; the same in every process.

        Args:
            model: float32, on `device`; its batch statistics are made those of process 0.
            device: where it computes.
        """
        together = distributed.is_available() and distributed.is_initialized()
        if together:
            for buffer in model.buffers():
                distributed.broadcast(buffer, 0)
        metric = METRICS[model.task](model.classes)
        for batch, truth in self._batches(together):
            found = model.decode(model(batch.images.to(device)), [truth.size])[0]
            metric.update(found.to("cpu"), truth)
        metric.reduce()
        scores: dict[str, float] = metric.scores()
        return scores

    def _batches(self, together: bool) -> DataLoader[tuple[Batch, Segmentation]]:
        """One loader for the whole run: its workers start once."""
        if self._loader is None:
            rank, world = (distributed.get_rank(), distributed.get_world_size()) if together else (0, 1)
            share: Sequence[int] = range(rank, len(self.whole), world)
            self._loader = DataLoader(
                Subset(self.whole, share),
                batch_size=None,
                num_workers=self.workers if len(share) > 8 else 0,
                persistent_workers=bool(self.workers) and len(share) > 8,
            )
        return self._loader

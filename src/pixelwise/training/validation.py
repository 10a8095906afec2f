"""Validation during training: whole images, at their own size, each once over all processes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, distributed
from torch.utils.data import DataLoader, Subset
from torch.utils.data import Dataset as TorchDataset

from ..data.dataset import Dataset
from ..inference.detection_limit import detection_limit
from ..metrics import main_metric
from ..models.base import Model, prepare
from ..ops.resize import Resizing
from ..segmentation import Segmentation

FEW_IMAGES = 8
"""So few images are loaded without worker processes, which take longer to start."""

Prepared = tuple[Tensor, Segmentation]
"""A batch of one image, (1, 3, h, w), and the ground truth at the image's own size."""


class PreparedImages(TorchDataset[Prepared]):
    """Each image as a batch of its own, prepared as for prediction, with its original ground truth."""

    def __init__(self, dataset: Dataset, resizing: Resizing, stride: int) -> None:
        self.dataset, self.resizing, self.stride = dataset, resizing, stride

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Prepared:
        sample = self.dataset[index]
        assert sample.truth is not None
        return prepare(sample.image, self.resizing, self.stride), sample.truth


class Validation:
    """The scores of a model on a data set, shared out over the processes.

    An image takes the road of `Predictor`: `prepare`, `forward`, `decode`; without tiles, views and post-processing,
    so that scores of different epochs cost little and compare.

    Args:
        dataset: the images that are scored.
        model: whose resizing and stride hold.
        workers: processes that load images; they live as long as this object does. 0: none.
    """

    def __init__(self, dataset: Dataset, model: Model, workers: int) -> None:
        self.images = PreparedImages(dataset, model.resizing, model.stride)
        self.workers = workers
        self._loader: DataLoader[Prepared] | None = None

    @torch.no_grad()
    def __call__(self, model: Model, device: torch.device) -> dict[str, float]:
        """The main scores of `model`; the same in every process.

        Args:
            model: float32, on `device`; its batch statistics become those of process 0.
            device: where it computes.
        """
        distributed_run = distributed.is_available() and distributed.is_initialized()
        if distributed_run:
            for buffer in model.buffers():
                distributed.broadcast(buffer, 0)
        metric = main_metric(model, model.classes, detection_limit(model))
        with model.predicting():
            for batch, truth in self._batches(distributed_run):
                outputs = model(batch.to(device, memory_format=torch.channels_last))
                prediction = model.decode(outputs, [truth.size])[0]
                metric.update(prediction.to("cpu"), truth)
        metric.reduce()
        scores: dict[str, float] = metric.scores()
        return scores

    def _batches(self, distributed_run: bool) -> DataLoader[Prepared]:
        """One loader for the whole run, so that its workers start once."""
        if self._loader is None:
            rank, processes = 0, 1
            if distributed_run:
                rank, processes = distributed.get_rank(), distributed.get_world_size()
            share: Sequence[int] = range(rank, len(self.images), processes)
            workers = self.workers if len(share) > FEW_IMAGES else 0
            self._loader = DataLoader(
                Subset(self.images, share), batch_size=None, num_workers=workers, persistent_workers=workers > 0
            )
        return self._loader

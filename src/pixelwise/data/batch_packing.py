"""Packing of batches into few tensors, for their way from the worker processes to the training process."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from ..classes import Classes
from ..masks import Masks
from ..sample import Batch
from ..segmentation import Segmentation
from ..types import Size


@dataclass(frozen=True)
class PackedBatch:
    """A batch in three tensors: each tensor that goes between processes takes a file handle, of which there are few.

    Attributes:
        images: (B, 3, H, W), as in `Batch`.
        regions: (B, H, W) segment ids of each image, or (R, 4) runs of the masks of all images.
        table: (3, N) labels, scores and crowd flags of all segments.
        numbers: segments of each image.
        classes: the classes of the ground truth.
        sizes, names: as in `Batch`.
    """

    images: Tensor
    regions: Tensor
    table: Tensor
    numbers: tuple[int, ...]
    classes: Classes
    sizes: tuple[Size, ...]
    names: tuple[str, ...]

    @classmethod
    def pack(cls, batch: Batch) -> PackedBatch:
        """Pack a batch.

        Raises:
            ValueError: the batch has no ground truth.
        """
        if not batch.truths:
            raise ValueError(f"{batch.names[0] or 'an image'} has no truth: there is nothing to train on")
        ids = [truth.ids for truth in batch.truths if truth.ids is not None]
        masks = [truth.masks for truth in batch.truths if truth.masks is not None]
        regions = torch.stack(ids) if ids else Masks.joined(masks).runs
        tables = [torch.stack([truth.labels.float(), truth.scores, truth.crowd.float()]) for truth in batch.truths]
        return cls(
            images=batch.images,
            regions=regions,
            table=torch.cat(tables, 1),
            numbers=tuple(map(len, batch.truths)),
            classes=batch.truths[0].classes,
            sizes=batch.sizes,
            names=batch.names,
        )

    def unpack(self) -> Batch:
        """Restore the batch, equal to the one that was packed."""
        size = (self.images.shape[2], self.images.shape[3])
        masks = None
        if self.regions.ndim == 2:
            masks = Masks(size, sum(self.numbers), self.regions)
        truths = []
        for n, (first, end) in enumerate(pairwise(accumulate(self.numbers, initial=0))):
            labels, scores, crowd = self.table[:, first:end]
            if masks is None:
                truth = Segmentation(self.classes, labels.long(), scores, self.regions[n], crowd=crowd.bool())
            else:
                own = masks.select(torch.arange(first, end))
                truth = Segmentation(self.classes, labels.long(), scores, masks=own, crowd=crowd.bool())
            truths.append(truth)
        return Batch(self.images, tuple(truths), self.sizes, self.names)

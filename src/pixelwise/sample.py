"""Sample: one image with its ground truth. Batch: several, padded to one size, as a model takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .segmentation import Segmentation


@dataclass(frozen=True, eq=False)
class Sample:
    """One image, and what is where in it.

    Attributes:
        image: (3, H, W) uint8 RGB; usually a view of rows of pixels (channels last in memory).
        truth: of the same size, or None where nobody knows it.
        name: what to call it in tables and file names: its path below the data set's folder, without the suffix.

    Raises:
        TypeError, ValueError: for another dtype or shape, for a ground truth of another size.
    """

    image: Tensor
    truth: Segmentation | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if self.image.dtype != torch.uint8:
            raise TypeError(f"{self.name or 'the image'}: an image must be uint8 from 0 to 255, not {self.image.dtype}")
        if self.image.ndim != 3 or self.image.shape[0] != 3 or not self.image.numel():
            raise ValueError(f"{self.name or 'the image'}: an image must be (3, H, W), not {tuple(self.image.shape)}")
        if self.truth is not None and self.truth.size != self.size:
            (h, w), (th, tw) = self.size, self.truth.size
            raise ValueError(f"{self.name or 'the image'} is {w}x{h}, but its mask is {tw}x{th}: they must agree")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self.image.shape[1], self.image.shape[2]


@dataclass(frozen=True, eq=False)
class Batch:
    """What a model takes.

    Attributes:
        images: (B, 3, H, W) float32 RGB in [0, 1], channels last in memory, zero right of and below the smaller ones.
        truths: one an image, padded with void (or with nothing, in masks) to (H, W); empty where nobody knows them.
        sizes: height and width of each image before padding.
        names: of the samples.
    """

    images: Tensor
    truths: tuple[Segmentation, ...]
    sizes: tuple[tuple[int, int], ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != torch.float32:
            raise ValueError(
                f"images must be (B, 3, H, W) float32, not {tuple(self.images.shape)} of {self.images.dtype}"
            )
        for name, given in (("truths", self.truths or self.sizes), ("sizes", self.sizes), ("names", self.names)):
            if len(given) != len(self.images):
                raise ValueError(f"{len(given)} {name} for {len(self.images)} images")

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device."""
        return Batch(
            self.images.to(device, non_blocking=True, memory_format=torch.channels_last),
            tuple(truth.to(device) for truth in self.truths),
            self.sizes,
            self.names,
        )


def collate(samples: Sequence[Sample], multiple: int = 1) -> Batch:
    """One batch of samples, padded on the right and below to the largest, and to a multiple of `multiple` pixels.

    Raises:
        ValueError: for no samples at all, or for a mix of samples with and without ground truth.
    """
    if not samples:
        raise ValueError("a batch needs at least one sample")
    truths = [sample.truth for sample in samples if sample.truth is not None]
    if len(truths) not in (0, len(samples)):
        without = next(sample.name for sample in samples if sample.truth is None)
        raise ValueError(f"{without or 'a sample'} has no ground truth, while others of the batch have")
    height, width = (-(-max(sizes) // multiple) * multiple for sizes in zip(*(s.size for s in samples), strict=True))
    images = torch.zeros(len(samples), height, width, 3).permute(0, 3, 1, 2)
    for image, sample in zip(images, samples, strict=True):
        h, w = sample.size
        torch.div(sample.image, 255, out=image[:, :h, :w])
    return Batch(
        images,
        tuple(pad(truth, height, width) for truth in truths),
        tuple(sample.size for sample in samples),
        tuple(sample.name for sample in samples),
    )


def pad(truth: Segmentation, height: int, width: int) -> Segmentation:
    """The ground truth on a larger canvas, nothing known right of it and below."""
    h, w = truth.size
    if (h, w) == (height, width):
        return truth
    ids = None if truth.ids is None else torch.nn.functional.pad(truth.ids, (0, width - w, 0, height - h))
    masks = None if truth.masks is None else truth.masks.padded(height, width)
    return replace(truth, ids=ids, masks=masks)

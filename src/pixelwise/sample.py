"""Sample: one image with its ground truth. Batch: several images of one size, padded, as a model takes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .segmentation import Segmentation
from .types import Size


@dataclass(frozen=True, eq=False)
class Sample:
    """One image with its ground truth.

    Attributes:
        image: (3, H, W) uint8 RGB; usually a view of rows of pixels (channels last in memory).
        truth: ground truth of the same size, or None where there is none.
        name: the name in tables and file names: the path below the data set's folder, without the suffix.

    Raises:
        TypeError: the image has another dtype.
        ValueError: the image has another shape, or the ground truth another size.
    """

    image: Tensor
    truth: Segmentation | None = None
    name: str = ""

    def __post_init__(self) -> None:
        what = self.name or "the image"
        if self.image.dtype != torch.uint8:
            raise TypeError(f"{what}: an image must be uint8 from 0 to 255, not {self.image.dtype}")
        if self.image.ndim != 3 or self.image.shape[0] != 3 or not self.image.numel():
            raise ValueError(f"{what}: an image must be (3, H, W), not {tuple(self.image.shape)}")
        if self.truth is not None and self.truth.size != self.size:
            height, width = self.size
            mask_height, mask_width = self.truth.size
            raise ValueError(
                f"{what} is {width}x{height}, but its mask is {mask_width}x{mask_height}: they must have the same size"
            )

    @property
    def size(self) -> Size:
        """Height and width of the image, pixels."""
        return self.image.shape[1], self.image.shape[2]


@dataclass(frozen=True, eq=False)
class Batch:
    """Images of one size, padded on the right and below, with their ground truths: the input of a model.

    Attributes:
        images: (B, 3, H, W) float32 RGB in [0, 1], channels last in memory, zero in the padding.
        truths: one for each image, (H, W), void in the padding (empty in masks); an empty tuple where there are none.
        sizes: height and width of each image before padding.
        names: the name of each sample.

    Raises:
        ValueError: the images have another shape or dtype, or the lengths differ.
    """

    images: Tensor
    truths: tuple[Segmentation, ...]
    sizes: tuple[Size, ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != torch.float32:
            raise ValueError(
                f"images must be (B, 3, H, W) float32, not {tuple(self.images.shape)} of {self.images.dtype}"
            )
        lengths = {"sizes": len(self.sizes), "names": len(self.names)}
        if self.truths:
            lengths["truths"] = len(self.truths)
        for name, length in lengths.items():
            if length != len(self.images):
                raise ValueError(f"{length} {name} for {len(self.images)} images")

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> Batch:
        """The batch on another device."""
        return Batch(
            self.images.to(device, non_blocking=True, memory_format=torch.channels_last),
            tuple(truth.to(device) for truth in self.truths),
            self.sizes,
            self.names,
        )


def collate(samples: Sequence[Sample], multiple: int = 1) -> Batch:
    """Make a batch of samples, padded on the right and below to the largest height and width.

    Args:
        samples: one or more, all with ground truth or all without.
        multiple: height and width are rounded up to a multiple of this, pixels.

    Raises:
        ValueError: there are no samples, or only some have ground truth.
    """
    if not samples:
        raise ValueError("a batch needs at least one sample")
    height = _round_up(max(sample.size[0] for sample in samples), multiple)
    width = _round_up(max(sample.size[1] for sample in samples), multiple)
    truths = [pad(truth, height, width) for truth in _truths(samples)]
    images = torch.zeros(len(samples), height, width, 3).permute(0, 3, 1, 2)
    for image, sample in zip(images, samples, strict=True):
        h, w = sample.size
        torch.div(sample.image, 255, out=image[:, :h, :w])
    sizes = tuple(sample.size for sample in samples)
    names = tuple(sample.name for sample in samples)
    return Batch(images, tuple(truths), sizes, names)


def _round_up(number: int, multiple: int) -> int:
    return math.ceil(number / multiple) * multiple


def _truths(samples: Sequence[Sample]) -> list[Segmentation]:
    """The ground truths of all samples, or none."""
    truths = [sample.truth for sample in samples if sample.truth is not None]
    if len(truths) not in (0, len(samples)):
        without = next(sample.name for sample in samples if sample.truth is None)
        raise ValueError(f"{without or 'a sample'} has no ground truth, while others of the batch have")
    return truths


def pad(truth: Segmentation, height: int, width: int) -> Segmentation:
    """Enlarge a ground truth to (height, width); the padding, on the right and below, is void (empty in masks)."""
    h, w = truth.size
    if (h, w) == (height, width):
        return truth
    ids = None if truth.ids is None else torch.nn.functional.pad(truth.ids, (0, width - w, 0, height - h))
    masks = None if truth.masks is None else truth.masks.padded(height, width)
    return replace(truth, ids=ids, masks=masks)

"""Augmentation: one mapping for all geometry of a sample, applied once to the window that is kept; then the colours.

Scale, crop, flips, rotation and elastic deformation are drawn first and composed into one mapping from the pixels that
are wanted to the pixels there are. Image and ground truth go through the same mapping, the image bilinearly (averaged
over areas where it shrinks) and the ground truth by the nearest pixel. Boxes need no care: they are derived from the
masks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import torch

from ...images.scaling import scaled
from ...ops.names import suggest
from ...ops.resize import Resizing
from ...sample import Sample
from ...segmentation import Segmentation
from ...types import Array, Size
from .color_jitter import LUMA, Jitter
from .crop import CropView, Span
from .warp import Elastic, WarpView, affine, coordinates


@dataclass(frozen=True)
class Augmentation:
    """Random views of a sample, all of exactly `size`: `augmentation(sample, rng)`.

    Attributes:
        size: height and width of the result, pixels.
        scale: least and greatest factor, drawn uniformly, or three and more of which one is drawn; 1 is the size that
            `resizing` gives.
        resizing: the size at which the model sees images; part of the one mapping, so it costs nothing.
        flip, vertical_flip: probability of swapping left and right, top and bottom.
        rotate: greatest angle about the middle of the window, degrees, to both sides.
        elastic, jitter: deformation and colours, or None for neither.
        rotated: probability of a rotation, where `rotate` allows one.
        blur: probability of a Gaussian blur over 5×5 pixels of the result.
        fitted: whether a factor of 1 is that at which the whole image just fits into the result, whatever `resizing`
            says: large-scale jitter, with a scale of (0.1, 2).
        paste: probability that objects of another image, augmented by itself, are put onto this one. That takes a
            second sample, so `training_batches` does it; see `copy_paste`.

    Raises:
        ValueError: for a value outside its range.
    """

    size: Size
    scale: tuple[float, ...] = (1.0, 1.0)
    resizing: Resizing = field(default_factory=Resizing)
    flip: float = 0.5
    vertical_flip: float = 0.0
    rotate: float = 0.0
    elastic: Elastic | None = None
    jitter: Jitter | None = None
    rotated: float = 1.0
    blur: float = 0.0
    fitted: bool = False
    paste: float = 0.0

    def __post_init__(self) -> None:
        if len(self.size) != 2 or min(self.size) < 1:
            raise ValueError(f"the size of the augmented image is {self.size}: give height and width in pixels")
        if len(self.scale) < 2 or self.scale[0] <= 0 or list(self.scale) != sorted(self.scale):
            raise ValueError(
                f"scale is {self.scale}: give the least and the greatest factor, for example (0.5, 2.0), or three and "
                "more of which one is drawn, the smaller first"
            )
        for name, most in (
            ("flip", 1),
            ("vertical_flip", 1),
            ("rotate", 180),
            ("rotated", 1),
            ("blur", 1),
            ("paste", 1),
        ):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}: give a number from 0 to {most}")

    def __call__(self, sample: Sample, rng: np.random.Generator, size: Size | None = None) -> Sample:
        """One random view, the same for the same state of `rng`.

        Args:
            sample: with or without ground truth.
            rng: where the draws come from.
            size: height and width of the result instead of `self.size`, for batches of several sizes.

        Returns:
            A sample of exactly that size: black and void (or in no mask) where the image does not reach; segments of
            which nothing is left are dropped.
        """
        size = size or self.size
        factor = rng.uniform(*self.scale) if len(self.scale) == 2 else rng.choice(self.scale)
        whole: tuple[float, float] = self.resizing.size(*sample.size)
        if self.fitted:
            fit = min(a / b for a, b in zip(size, sample.size, strict=True))
            whole = sample.size[0] * fit, sample.size[1] * fit
        scales = [factor * a / b for a, b in zip(whole, sample.size, strict=True)]
        rows, columns = (Span.draw(*axis, rng) for axis in zip(sample.size, scales, size, strict=True))
        upside, mirrored = (rng.random(2) < (self.vertical_flip, self.flip)).tolist()
        angle = np.radians(rng.uniform(-self.rotate, self.rotate)) if self.rotate else 0.0
        if self.rotated < 1 and rng.random() >= self.rotated:
            angle = 0.0
        draws = rng.uniform(-1, 1, 4)
        blurred = self.blur > 0 and rng.random() < self.blur
        view: CropView | WarpView
        if angle or self.elastic:
            matrix = affine(rows, columns, size, angle, (upside, mirrored))
            view = WarpView(*coordinates(matrix, size, self.elastic, rng), max(rows.step, columns.step))
        else:
            view = CropView(rows, columns, size, upside, mirrored)
        pixels = _pixels(sample)
        image = view.image(pixels, lambda window: self._colored(window, draws, blurred))
        truth = None if sample.truth is None else _moved(sample.truth, view)
        return Sample(torch.from_numpy(image).permute(2, 0, 1), truth, sample.name)

    def _colored(self, window: Array, draws: Array, blurred: bool) -> Array:
        if blurred:
            window = cv2.GaussianBlur(window, (5, 5), 0)
        if self.jitter is None:
            return window
        return np.asarray(cv2.transform(window, self.jitter.matrix(draws, float(LUMA @ cv2.mean(window)[:3]))))


# What each name adds to the random crop: "none" nothing, not even the scale; "topdown" is for images without up and
# down, as from microscopes, satellites and above conveyor belts.
AUGMENTATIONS: Mapping[str, Mapping[str, Any]] = {
    "none": {"scale": (1.0, 1.0), "flip": 0.0},
    "light": {},
    "default": {"jitter": Jitter()},
    "strong": {"rotate": 15.0, "elastic": Elastic(), "jitter": Jitter(0.5, 0.5, 0.5, 0.1)},
    "pspnet": {"rotate": 10.0, "rotated": 0.5, "blur": 0.5},
    "topdown": {"vertical_flip": 0.5, "rotate": 90.0, "elastic": Elastic(), "jitter": Jitter()},
    "paste": {"jitter": Jitter(), "paste": 0.5},
    "lsj": {"scale": (0.1, 2.0), "fitted": True},
    "copy-paste": {"scale": (0.1, 2.0), "fitted": True, "paste": 1.0},
}


def augmentation(
    name: str, size: Size, scale: tuple[float, ...] = (0.5, 2.0), resizing: Resizing | None = None
) -> Augmentation:
    """The augmentation of that name, a key of `AUGMENTATIONS`.

    Args:
        name: "none" is a random crop; "light" adds scale and flip; "default" colours; "strong" rotation up to 15°,
            elastic deformation and stronger colours; "topdown" has both flips and any angle; "pspnet" is "light" with
            half of the images rotated up to 10° and half blurred, as that paper has it; "paste" is "default" with
            objects of another image put onto half of the images; "lsj" is large-scale jitter, from 0.1 to 2 times
            the size that fits into the result, and flip; "copy-paste" is that with objects pasted onto every image,
            as in Ghiasi et al. 2021.
        size: height and width of the result, pixels.
        scale: least and greatest factor, or three and more of which one is drawn; "none" does not scale, "lsj"
            and "copy-paste" have their own.
        resizing: the size at which the model sees images; their own when not given.

    Raises:
        ValueError: for an unknown name, with the nearest one.
    """
    if name not in AUGMENTATIONS:
        raise ValueError(f"no augmentation is called {name!r}: {suggest(name, AUGMENTATIONS)}")
    return Augmentation(size, **{"scale": scale, "resizing": resizing or Resizing(), **AUGMENTATIONS[name]})


def resized(sample: Sample, resizing: Resizing) -> Sample:
    """Resizes a sample as a model wants it: the image by area or bilinear, the ground truth by nearest."""
    size = resizing.size(*sample.size)
    if size == sample.size:
        return sample
    image = torch.from_numpy(scaled(_pixels(sample), size)).permute(2, 0, 1)
    rows, columns = (Span(0, length, 0, extent) for length, extent in zip(sample.size, size, strict=True))
    truth = None if sample.truth is None else _moved(sample.truth, CropView(rows, columns, size))
    return Sample(image, truth, sample.name)


def _pixels(sample: Sample) -> Array:
    """(H, W, 3) uint8, without a copy where the rows of pixels lie in memory."""
    return sample.image.permute(1, 2, 0).numpy()


def _moved(truth: Segmentation, view: CropView | WarpView) -> Segmentation:
    """The ground truth as the image is seen; segments that vanish are dropped, and the others renumbered."""
    if truth.masks is not None:
        masks = view.masks(truth.masks)
        moved = Segmentation(truth.classes, truth.labels, truth.scores, masks=masks, crowd=truth.crowd)
        return moved.select(masks.areas() > 0)
    assert truth.ids is not None
    ids = torch.from_numpy(view.plane(truth.ids.numpy()))
    left = torch.bincount(ids.flatten(), minlength=len(truth) + 1).numpy()[1:] > 0
    if not left.all():
        numbers = np.concatenate([[0], np.cumsum(left) * left]).astype(np.int32)
        ids = torch.from_numpy(numbers.take(ids.numpy()))
    kept = torch.from_numpy(left)
    return Segmentation(truth.classes, truth.labels[kept], truth.scores[kept], ids, crowd=truth.crowd[kept])

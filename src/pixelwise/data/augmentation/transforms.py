"""Augmentation: one mapping for all geometry of a sample, applied once to the window that is kept; then the colours.

Scale, crop, flips, rotation and elastic deformation are drawn first and composed into one mapping from the pixels of
the result to those of the image. Image and ground truth go through the same mapping, the image bilinearly (averaged
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

_MAXIMA = {"flip": 1, "vertical_flip": 1, "rotate": 180, "rotate_probability": 1, "blur": 1, "paste": 1}


@dataclass(frozen=True)
class Augmentation:
    """Random views of a sample, all of exactly `size`: `augmentation(sample, rng)`.

    Attributes:
        size: height and width of the result, pixels.
        scale: smallest and largest factor, between which one is drawn uniformly, or three or more, one of which is
            drawn; 1 is the size that `resizing` gives.
        resizing: the size at which the model sees images; part of the one mapping, so it costs nothing.
        flip, vertical_flip: probability of swapping left and right, top and bottom.
        rotate: largest angle about the middle of the window, degrees, in both directions.
        elastic, jitter: deformation and colours; None for neither.
        rotate_probability: probability of a rotation, where `rotate` allows one.
        blur: probability of a Gaussian blur over 5×5 pixels of the result.
        scale_to_fit: whether a factor of 1 makes the whole image just fit into the result, whatever `resizing` says:
            large-scale jitter, with a scale of (0.1, 2).
        paste: probability that objects of another image, augmented on its own, are pasted onto this one. That takes a
            second sample, so `training_batches` does it; see `copy_paste`.

    Raises:
        ValueError: a value is outside its range.
    """

    size: Size
    scale: tuple[float, ...] = (1.0, 1.0)
    resizing: Resizing = field(default_factory=Resizing)
    flip: float = 0.5
    vertical_flip: float = 0.0
    rotate: float = 0.0
    elastic: Elastic | None = None
    jitter: Jitter | None = None
    rotate_probability: float = 1.0
    blur: float = 0.0
    scale_to_fit: bool = False
    paste: float = 0.0

    def __post_init__(self) -> None:
        if len(self.size) != 2 or min(self.size) < 1:
            raise ValueError(f"the size of the augmented image is {self.size}: give height and width in pixels")
        if len(self.scale) < 2 or self.scale[0] <= 0 or list(self.scale) != sorted(self.scale):
            raise ValueError(
                f"scale is {self.scale}: give the least and the greatest factor, for example (0.5, 2.0), or three and "
                "more of which one is drawn, the smaller first"
            )
        for name, maximum in _MAXIMA.items():
            value = getattr(self, name)
            if not 0 <= value <= maximum:
                raise ValueError(f"{name} is {value}: give a number from 0 to {maximum}")

    def __call__(self, sample: Sample, rng: np.random.Generator, size: Size | None = None) -> Sample:
        """Make one random view; the same for the same state of `rng`.

        Args:
            sample: with or without ground truth.
            rng: source of all draws.
            size: height and width of the result instead of `self.size`, for batches of several sizes.

        Returns:
            A sample of exactly that size: black and void (or in no mask) outside the image; segments of which nothing
            is left are dropped.
        """
        # Each draw changes those that follow: their order is part of what a seed means.
        size = size or self.size
        rows, columns = self._draw_window(sample.size, size, rng)
        upside_down, mirrored = (rng.random(2) < (self.vertical_flip, self.flip)).tolist()
        angle = self._draw_angle(rng)
        draws = rng.uniform(-1, 1, 4)
        blurred = self.blur > 0 and rng.random() < self.blur
        view: CropView | WarpView
        if angle or self.elastic:
            matrix = affine(rows, columns, size, angle, (upside_down, mirrored))
            x, y = coordinates(matrix, size, self.elastic, rng)
            view = WarpView(x, y, max(rows.step, columns.step))
        else:
            view = CropView(rows, columns, size, upside_down, mirrored)
        image = view.image(_pixels(sample), lambda window: self._recolor(window, draws, blurred))
        truth = None if sample.truth is None else _view_truth(sample.truth, view)
        return Sample(torch.from_numpy(image).permute(2, 0, 1), truth, sample.name)

    def _draw_window(self, image: Size, size: Size, rng: np.random.Generator) -> tuple[Span, Span]:
        """Draw scale and crop: rows and columns of an image of this size that fill a result of that size."""
        if len(self.scale) == 2:
            factor = rng.uniform(*self.scale)
        else:
            factor = rng.choice(self.scale)
        height, width = image
        full_height: float
        full_width: float
        if self.scale_to_fit:
            fit = min(size[0] / height, size[1] / width)
            full_height, full_width = height * fit, width * fit
        else:
            full_height, full_width = self.resizing.size(height, width)
        rows = Span.draw(height, factor * full_height / height, size[0], rng)
        columns = Span.draw(width, factor * full_width / width, size[1], rng)
        return rows, columns

    def _draw_angle(self, rng: np.random.Generator) -> float:
        """Draw the rotation, radians."""
        angle = 0.0
        if self.rotate:
            angle = float(np.radians(rng.uniform(-self.rotate, self.rotate)))
        if self.rotate_probability < 1 and rng.random() >= self.rotate_probability:
            return 0.0
        return angle

    def _recolor(self, window: Array, draws: Array, blurred: bool) -> Array:
        if blurred:
            window = cv2.GaussianBlur(window, (5, 5), 0)
        if self.jitter is None:
            return window
        grey = float(LUMA @ cv2.mean(window)[:3])
        return np.asarray(cv2.transform(window, self.jitter.matrix(draws, grey)))


# Arguments of each augmentation beside size and scale. "topdown" is for images without up and down, as from
# microscopes, satellites and cameras above conveyor belts.
AUGMENTATIONS: Mapping[str, Mapping[str, Any]] = {
    "none": {"scale": (1.0, 1.0), "flip": 0.0},
    "light": {},
    "default": {"jitter": Jitter()},
    "strong": {"rotate": 15.0, "elastic": Elastic(), "jitter": Jitter(0.5, 0.5, 0.5, 0.1)},
    "pspnet": {"rotate": 10.0, "rotate_probability": 0.5, "blur": 0.5},
    "topdown": {"vertical_flip": 0.5, "rotate": 90.0, "elastic": Elastic(), "jitter": Jitter()},
    "paste": {"jitter": Jitter(), "paste": 0.5},
    "lsj": {"scale": (0.1, 2.0), "scale_to_fit": True},
    "copy-paste": {"scale": (0.1, 2.0), "scale_to_fit": True, "paste": 1.0},
}


def augmentation(
    name: str, size: Size, scale: tuple[float, ...] = (0.5, 2.0), resizing: Resizing | None = None
) -> Augmentation:
    """Make the augmentation of a name, a key of `AUGMENTATIONS`.

    Args:
        name: "none" is a random crop; "light" adds scale and flip; "default" adds colours; "strong" adds rotation up to
            15°, elastic deformation and stronger colours; "topdown" has both flips and any angle; "pspnet" is "light"
            with half of the images rotated up to 10° and half blurred, as in that paper; "paste" is "default" with
            objects of another image pasted onto half of the images; "lsj" is large-scale jitter, from 0.1 to 2 times
            the size that fits into the result, and flip; "copy-paste" is that with objects pasted onto every image, as
            in Ghiasi et al. 2021.
        size: height and width of the result, pixels.
        scale: smallest and largest factor, or three or more, one of which is drawn; "none" does not scale, "lsj" and
            "copy-paste" have their own.
        resizing: the size at which the model sees images; their own if None.

    Raises:
        ValueError: the name is unknown; the error suggests the closest one.
    """
    if name not in AUGMENTATIONS:
        raise ValueError(f"no augmentation is called {name!r}: {suggest(name, AUGMENTATIONS)}")
    return Augmentation(size, **{"scale": scale, "resizing": resizing or Resizing(), **AUGMENTATIONS[name]})


def resize_sample(sample: Sample, resizing: Resizing) -> Sample:
    """Resize a sample as a model sees it: the image by area or bilinear, the ground truth by the nearest pixel."""
    size = resizing.size(*sample.size)
    if size == sample.size:
        return sample
    image = torch.from_numpy(scaled(_pixels(sample), size)).permute(2, 0, 1)
    if sample.truth is None:
        return Sample(image, None, sample.name)
    rows = Span(0, sample.size[0], 0, size[0])
    columns = Span(0, sample.size[1], 0, size[1])
    return Sample(image, _view_truth(sample.truth, CropView(rows, columns, size)), sample.name)


def _pixels(sample: Sample) -> Array:
    """(H, W, 3) uint8, without a copy if the image is channels last in memory."""
    return sample.image.permute(1, 2, 0).numpy()


def _view_truth(truth: Segmentation, view: CropView | WarpView) -> Segmentation:
    """The ground truth of a view; segments that vanish are dropped, and the others renumbered."""
    if truth.masks is not None:
        masks = view.masks(truth.masks)
        viewed = Segmentation(truth.classes, truth.labels, truth.scores, masks=masks, crowd=truth.crowd)
        return viewed.select(masks.areas() > 0)
    assert truth.ids is not None
    ids = torch.from_numpy(view.plane(truth.ids.numpy()))
    visible = torch.bincount(ids.flatten(), minlength=len(truth) + 1).numpy()[1:] > 0
    if not visible.all():
        numbers = np.concatenate([[0], np.cumsum(visible) * visible]).astype(np.int32)
        ids = torch.from_numpy(numbers.take(ids.numpy()))
    kept = torch.from_numpy(visible)
    return Segmentation(truth.classes, truth.labels[kept], truth.scores[kept], ids, crowd=truth.crowd[kept])

"""One intensity range for a data set of images with more than 8 bits, from quantiles of a sample of its images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..images.header import Header, read_header
from ..images.intensity import IntensityRange
from ..images.reading import read_deep_pixels
from ..ops.phrases import counted
from ..types import Array
from .dataset import Dataset

QUANTILES = (0.005, 0.995)
"""The shares of the values that lie below the range's ends: single hot or dead pixels do not decide it."""

MAX_IMAGES = 64
"""Number of images that are looked at, evenly spaced over the data set."""

MAX_TOTAL_PIXELS = 1 << 28
"""Number of pixels that are decoded for the estimate."""

SAMPLED_PIXELS = 1 << 16
"""Number of pixels of each image that count, evenly spaced."""

CHANNEL_TOLERANCE = 0.1
"""Channels get ranges of their own where an end differs by more than this share of the common range."""


def with_intensity(data: Dataset, intensity: IntensityRange | None) -> Dataset:
    """Give a data set the range of its images of more than 8 bits, and a note about it.

    Args:
        data: a data set that was just opened.
        intensity: the range that is stated, or that of the model or split that the data are used with; estimated when
            not given. Data without images of more than 8 bits keep it, and it plays no part in them.

    Returns:
        The data set itself where nothing is given and no image has more than 8 bits.
    """
    if intensity is not None:
        return replace(data, intensity=intensity)
    if data.images is not None:
        return data
    deep = _deep_images(data)
    values = _sampled_values(deep)
    estimate = estimated_range(values)
    if estimate is None:
        return data
    bits = _bits([header for _, header in deep])
    quantiles = f"{QUANTILES[0]:.1%} and {QUANTILES[1]:.1%} of {counted(len(values), 'image')}".replace("%", " %")
    note = (
        f"{bits} images: values {estimate.in_words()} ({quantiles}) become 0 to 255; "
        "state another range with --range LOW,HIGH"
    )
    return replace(data, intensity=estimate, notes=(*data.notes, note))


def as_for_model(data: Dataset, intensity: IntensityRange | None) -> Dataset:
    """Give a data set the range that a model was trained with, unless a person stated the one that it has."""
    is_stated = data.intensity is not None and data.intensity.stated
    if intensity is None or is_stated:
        return data
    return replace(data, intensity=intensity)


def estimated_range(values: Sequence[Array]) -> IntensityRange | None:
    """Estimate a range from the values of several images.

    Args:
        values: for each image, (N, 1 | 3) numbers.

    Returns:
        One range for all channels; one for each where all images are in colour and their channels differ much; None
        where there are no values, or all are equal.
    """
    if not values:
        return None
    common = _quantiles(np.concatenate([one.ravel() for one in values]))
    low, high = common
    if low >= high:
        return None
    if all(one.shape[1] == 3 for one in values):
        pixels = np.concatenate(values)
        limits = tuple(_quantiles(pixels[:, channel]) for channel in range(3))
        difference = np.abs(np.array(limits) - common).max()
        if difference > CHANNEL_TOLERANCE * (high - low) and all(start < end for start, end in limits):
            return IntensityRange(limits)
    return IntensityRange((common,))


def _quantiles(values: Array) -> tuple[float, float]:
    # "nearest" gives values that occur: whole numbers stay whole.
    low, high = np.quantile(values, QUANTILES, method="nearest").tolist()
    return float(low), float(high)


def _deep_images(data: Dataset) -> list[tuple[Path, Header]]:
    """The images of more than 8 bits among a sample; files that cannot be read are left for those who read them."""
    number = min(MAX_IMAGES, len(data))
    deep: list[tuple[Path, Header]] = []
    for i in np.unique(np.linspace(0, max(0, len(data) - 1), number).round().astype(int)).tolist():
        path = data.records[i].image
        try:
            header = read_header(path)
        except (OSError, ValueError):
            continue
        if header.is_deep:
            deep.append((path, header))
    return deep


def _sampled_values(images: Sequence[tuple[Path, Header]]) -> list[Array]:
    """(N, 1 | 3) values of each image, evenly spaced over it; of so many images as the number of pixels allows."""
    values: list[Array] = []
    pixels_left = MAX_TOTAL_PIXELS
    for path, header in images:
        height, width = header.stored
        pixels_left -= height * width
        if values and pixels_left < 0:
            break
        try:
            pixels = read_deep_pixels(path)
        except (OSError, ValueError, MemoryError):
            continue
        step = math.ceil(math.sqrt(height * width / SAMPLED_PIXELS))
        values.append(pixels[::step, ::step].reshape(-1, pixels.shape[2]))
    return values


def _bits(headers: Sequence[Header]) -> str:
    """Describe the kind of pixel: "16-bit", or "floating point"; of different kinds, "deep"."""
    kinds = {header.mode.startswith(("F", "f")) for header in headers}
    if kinds == {True}:
        return "floating point"
    return "16-bit" if all(header.bits == 16 for header in headers) else "more than 8-bit"

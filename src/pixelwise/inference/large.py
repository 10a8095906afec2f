"""Prediction of images that are too large for memory: streamed from disk to disk in bands of rows."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path

import numpy as np
import torch

from ..classes import Classes
from ..console import track
from ..images.rows import OnDisk
from ..segmentation import Segmentation
from ..writers.class_map_rows import Write, png_rows, tiff_rows
from .predictor import Predictor
from .semantic import BAND

STREAMING_THRESHOLD = 1 << 25
"""Images of more pixels than this are streamed from disk to disk. In memory, an image of this size takes 2 GB, overlay
included."""

OVERVIEW = 4096
"""The longest side of the reduced result, pixels."""


def predict_large(
    predictor: Predictor, image: OnDisk, class_map: Path | None = None, *, progress: bool = True
) -> Segmentation:
    """Predict an image without ever holding all of its pixels, or all of the result, in memory.

    Memory holds one row of tiles of the image, and the class probabilities where tiles overlap: 4 bytes for each class,
    pixel of width and row of overlap (a quarter of 1024 rows by default), times the number of flips. With scales, or
    with a model that resizes its input, it holds the probabilities of a whole row of tiles.

    Args:
        predictor: the predictor of a semantic model, without post-processing, which needs whole images.
        image: the image file; it is opened and closed here.
        class_map: the file for the class map, a GeoTIFF of the same place if the image is a TIFF, else a PNG; by
            default none is written.
        progress: whether progress is shown on stderr.

    Returns:
        The result reduced to at most `OVERVIEW` pixels a side by nearest-neighbour sampling, for an overlay.

    Raises:
        OSError: the file cannot be written, for instance because the disk is full.
        TypeError, ValueError: as in `Predictor.class_maps`; a row of the image cannot be read.
    """
    height, width = image.size
    share = min(1.0, OVERVIEW / max(height, width))
    rows = _sample_places(height, max(1, round(share * height)))
    columns = _sample_places(width, max(1, round(share * width)))
    reduced = []
    top = 0  # the first row of the band
    file = _open_rows(class_map, image, predictor.model.classes)
    with image, file as write, closing(predictor.class_maps(image)) as bands:
        for band in track(bands, "predict", math.ceil(height / BAND), unit=f"bands of {BAND} rows", show=progress):
            indices = band.numpy()
            write(indices)
            within = (rows >= top) & (rows < top + len(indices))
            reduced.append(indices[rows[within] - top][:, columns])
            top += len(indices)
    return Segmentation.from_class_map(torch.from_numpy(np.concatenate(reduced)), predictor.model.classes)


def _sample_places(length: int, number: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the pixels at the middles of `number` equal parts of a side."""
    return ((np.arange(number) + 0.5) * length / number).astype(np.int64)


def _open_rows(path: Path | None, image: OnDisk, classes: Classes) -> AbstractContextManager[Write]:
    """Open the file that takes the class map row by row; without a path the rows go nowhere."""
    if path is None:
        return nullcontext(lambda rows: None)
    if image.kind == "TIFF":
        return tiff_rows(path, image.size, classes, image.path)
    return png_rows(path, image.size, classes)

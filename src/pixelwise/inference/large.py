"""Images that are too large for memory: predicted from disk to disk, a band of rows at a time."""

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

LARGE = 1 << 25
"""Images of more pixels than this are from disk to disk: in memory this many, overlay included, take 2 GB."""

OVERVIEW = 4096
"""The longest side of a reduced result, pixels."""


def predict_large(
    predictor: Predictor, image: OnDisk, class_map: Path | None = None, *, progress: bool = True
) -> Segmentation:
    """Predicts an image of which neither the pixels nor the result is ever whole in memory.

    What is in memory: a row of tiles of the image; the class probabilities where tiles overlap, 4 bytes for each
    class, pixel of width and row of overlap (a quarter of 1024 rows unless the predictor says otherwise), and as often
    for each flip. Scales and a model's own resizing take the probabilities of a whole row of tiles.

    Args:
        predictor: of a semantic model, without postprocessing, which takes whole images.
        image: in its file; it is opened and closed.
        class_map: the file for the result: of a TIFF a GeoTIFF of the same place, else a PNG; none when not given.
        progress: whether stderr shows how far it is.

    Returns:
        The result reduced to `OVERVIEW` pixels (each pixel the nearest of the whole), to be looked at.

    Raises:
        OSError: the file cannot be written, for instance because the disk is full.
        TypeError, ValueError: as `Predictor.class_maps`; a row of the image cannot be read.
    """
    height, width = image.size
    share = min(1.0, OVERVIEW / max(height, width))
    rows, columns = (_nearest(length, max(1, round(share * length))) for length in image.size)
    reduced, top = [], 0
    written = _written(class_map, image, predictor.model.classes)
    with image, written as write, closing(predictor.class_maps(image)) as bands:
        for band in track(bands, "predict", math.ceil(height / BAND), unit=f"bands of {BAND} rows", show=progress):
            found = band.numpy()
            write(found)
            reduced.append(found[rows[(rows >= top) & (rows < top + len(found))] - top][:, columns])
            top += len(found)
    return Segmentation.from_class_map(torch.from_numpy(np.concatenate(reduced)), predictor.model.classes)


def _nearest(length: int, wanted: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Where the middle of each of the wanted pixels lies."""
    return ((np.arange(wanted) + 0.5) * length / wanted).astype(np.int64)


def _written(path: Path | None, image: OnDisk, classes: Classes) -> AbstractContextManager[Write]:
    if path is None:
        return nullcontext(lambda rows: None)
    if image.kind == "TIFF":
        return tiff_rows(path, image.size, classes, image.path)
    return png_rows(path, image.size, classes)

"""One result, or the checkpoint of a model, saved to a file."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from ..images.reading import ImageSource
from ..models.base import Model
from ..segmentation import Segmentation
from ..weights import checkpoint
from .formats import WRITERS, format_of_suffix, writer_of


def save(
    result: Segmentation | Model,
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    image: ImageSource | None = None,
) -> None:
    """Save a result, or the checkpoint of a model. The file is written whole or not at all.

    Args:
        result: the prediction (or ground truth) of an image; or a model, which `pixelwise.load` then reads.
        path: the file.
        format: by default it follows from the suffix of `path`: .png is a class map, .json COCO, .txt YOLO, .csv a
            table, .jpg an overlay.

            - "overlay": the image with the result drawn on it; objects with their names and scores.
            - "class-map": 8-bit palette PNG; the values are class indices, 255 is void, the palette has the colours.
            - "label-map": 16-bit PNG; each thing and each class of stuff has a number, 0 is background, 65535 void;
              a JSON file beside it names the class of each number. Where objects overlap, the one with the highest
              confidence score is visible.
            - "coco": JSON, run lengths with scores; a semantic result has one annotation for each class but the
              background.
            - "coco-panoptic": JSON, and a folder of the same name with a PNG named after the image; the suffix is
              always .json.
            - "yolo": a text file with a polygon for each object, without scores; the class numbers do not count the
              background.
            - "table": CSV, a row for each object (`writers.objects_table.HEADER`); the objects of a semantic result
              are the connected components of its classes.

            A warning tells what the format could not hold exactly.
        image: the image, for "overlay"; its path gives the name of the image in "coco", "coco-panoptic" and "table".

    Raises:
        OSError: names the file if it cannot be written.
        ValueError: for an unknown format, for an overlay without an image, for more classes or objects than the format
            has numbers.
    """
    path = Path(path)
    if isinstance(result, Model):
        _save_model(result, path)
        return
    format = format or format_of_suffix(path.suffix)
    if format is None:
        raise ValueError(f"{path}: the suffix does not tell what to write; state format, one of {', '.join(WRITERS)}")
    writer = writer_of(format).for_file(path, result.classes)
    name = Path(image).name if isinstance(image, str | os.PathLike) else path.stem
    writer.add(name, result, image)
    writer.close()
    for note in writer.notes():
        warnings.warn(note, stacklevel=2)


def _save_model(model: Model, path: Path) -> None:
    if path.suffix != ".safetensors":
        raise ValueError(f"{path}: the checkpoint of a model is a .safetensors file")
    checkpoint.save(model, path)

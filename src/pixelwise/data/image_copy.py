"""Copies of a data set's images, for the writers of formats."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..images.png import write_png
from ..ops.atomic_files import write_aside
from .dataset import Dataset


def copy_image(dataset: Dataset, i: int, target: Path) -> str:
    """Copy the file of image i byte by byte to a new place; a synthetic image, which has no file, becomes a PNG.

    Args:
        dataset: the data set.
        i: the index of the image.
        target: the new path, without suffix.

    Returns:
        The name of the new file, with its suffix.
    """
    source = dataset.records[i].image
    target = target.with_name(target.name + source.suffix.lower())
    if source.is_file():
        with write_aside(target) as aside:
            shutil.copyfile(source, aside)
    else:
        write_png(target, dataset.image(i).permute(1, 2, 0).numpy())
    return target.name

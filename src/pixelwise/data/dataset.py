"""Opening data of any format, found by looking."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType

from ..classes import Classes
from ..images.file_names import IMAGE_SUFFIXES, file_not_found
from ..ops.names import suggest
from .formats import cityscapes, coco, coco_panoptic, label_map, mask_folder, shapes, voc, yolo
from .recognition.class_names import GivenClasses, GivenColors, GivenVoid
from .records import Dataset as Dataset
from .records import Record as Record
from .records import counted, few

FORMATS: dict[str, ModuleType] = {
    "voc": voc,
    "cityscapes": cityscapes,
    "coco": coco,
    "coco-panoptic": coco_panoptic,
    "yolo": yolo,
    "label-map": label_map,
    "mask-folder": mask_folder,
}
"""Each has `detect`, `available`, `read` and `write`. Where several fit, the first is taken: it asks for the most."""

_READERS: dict[str, ModuleType] = {**FORMATS, "shapes": shapes}
"""Those that read: shapes are made, and never written."""


def open_dataset(
    path: str | os.PathLike[str],
    *,
    split: str | None = "train",
    format: str | None = None,
    classes: Classes | Sequence[str] | str | None = None,
    void: int | Sequence[int] | None = None,
    colors: Mapping[str, Sequence[int]] | str | None = None,
) -> Dataset:
    """Images with their ground truth, from a folder (or a list of pairs, or a COCO file).

    What was recognised is in the `notes` of the result: nothing about masks is guessed in silence. The meaning of mask
    values is learnt from all splits, so that each split of the data has the same classes.

    Args:
        path: the data; or `shapes:number=200,size=128,seed=1` for synthetic images, see `data.shapes`.
        split: "train", "val", "test" or what else the data have; None for everything.
        format: a key of `FORMATS`, where looking does not tell.
        classes: names in the order of their numbers, as a sequence or separated by commas; of masks with two values or
            with objects, one name is enough.
        void: mask values that belong to no class, beside 255.
        colors: which colour in the masks is which class: {"road": (128, 64, 128)} or "road=128,64,128;sky=…".

    Raises:
        FileNotFoundError: there is no such path; the error names the nearest.
        ValueError: for an unknown format or split, for data in no known format, images without masks, masks whose
            values cannot be told.

    >>> open_dataset("cells", split="val", classes="background,cell")  # doctest: +SKIP
    """
    data = read_dataset(path, split=split, format=format, classes=classes, void=void, colors=colors)
    if data.unpaired:
        number, names = (
            counted(len(data.unpaired), "image has", "images have"),
            few(f"{one.name}{one.image.suffix}" for one in data.unpaired),
        )
        raise ValueError(
            f"{path}: {number} no mask: {names}; "
            "add a mask (all 0 where there is nothing to see), or move these images away"
        )
    return data


def read_dataset(
    path: str | os.PathLike[str],
    *,
    split: str | None,
    format: str | None = None,
    classes: GivenClasses = None,
    void: GivenVoid = None,
    colors: GivenColors = None,
) -> Dataset:
    """As `open_dataset`, but where images have no mask the others are read, and these are named in `unpaired`."""
    path = Path(path)
    fits = _fits(path, format)
    name = next(iter(fits))
    read = partial(_READERS[name].read, path, classes=classes, void=void, colors=colors)
    data: Dataset = read(split)
    if not data.records:
        number = {known: len(read(known)) for known in _READERS[name].available(path)}
        there = ", ".join(f"{known} with {counted(n, 'image')}" for known, n in number.items() if n) or "none"
        raise ValueError(
            f"{path} has no images in the split {split!r}; there are: {there}; "
            "for everything say --split all (in Python split=None)"
        )
    others = [other for other in fits if other != name]
    if others:
        also = f"they also fit {' and '.join(others)}: say --format {others[0]} to read it so"
        data = replace(data, notes=(f"the data fit {name} ({fits[name]}) and are read as such; {also}", *data.notes))
    return data


def available_splits(path: str | os.PathLike[str], format: str | None = None) -> tuple[str, ...]:
    """The splits that `open_dataset` can be asked for, train first.

    Raises:
        FileNotFoundError, ValueError: as `open_dataset`.
    """
    path = Path(path)
    found: tuple[str, ...] = _READERS[next(iter(_fits(path, format)))].available(path)
    return found


def _fits(path: Path, format: str | None) -> dict[str, str]:
    """The formats that fit, best first, and why each does."""
    if made := shapes.detect(path):
        return {"shapes": made}
    if not path.exists():
        raise file_not_found(path)
    if path.is_file() and path.name.lower().endswith(IMAGE_SUFFIXES):
        raise ValueError(
            f"{path} is an image: give the folder that holds the images and their masks "
            "(of images/ and masks/ the folder above both), or a list of pairs"
        )
    if format is not None:
        if format not in FORMATS:
            raise ValueError(f"there is no data format {format!r}; {suggest(format, FORMATS)}")
        return {format: "as stated"}
    if path.is_dir() and not any(path.iterdir()):
        raise ValueError(f"{path} is empty: it should hold images and their masks")
    fits: dict[str, str] = {}
    for name, module in FORMATS.items():
        try:
            why = module.detect(path)
        except ValueError:  # data of another format, where one is known, need not fit
            if not fits:
                raise
        else:
            fits |= {name: why} if why else {}
    if not fits:
        raise ValueError(
            f"{path} holds no images with masks in a known way. Wanted: images/ and masks/, each with train/ and "
            "val/ or not; train/ and val/ with images/ and masks/; a.jpg beside a.png; train.txt, two paths "
            "a line; JPEGImages/ and SegmentationClass/ (VOC); annotations/instances_train.json or "
            "panoptic_train.json (COCO); leftImg8bit/ and gtFine/ (Cityscapes); or data.yaml, images/ and "
            "labels/ (YOLO)"
        )
    return fits

"""Opening of data sets: the format is recognised from the files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..classes import Classes
from ..images.file_names import IMAGE_SUFFIXES, file_not_found
from ..images.intensity import IntensityRange, as_intensity
from ..ops.names import suggest
from ..ops.phrases import counted, few
from . import shapes
from .dataset import Dataset
from .formats import cityscapes, coco, coco_panoptic, label_map, mask_folder, voc, yolo
from .formats.data_sites import ade_full, nnunet, object_files
from .formats.format import Format, Reader
from .formats.labelling_tools import cvat_xml, label_studio, labelme, supervisely, via
from .given_folders import StatedFolders
from .intensity_estimate import with_intensity
from .recognition.class_names import GivenClasses, GivenColors, GivenVoid
from .unread_files import describe_unread

FORMATS: dict[str, Format] = {
    "voc": voc,
    "cityscapes": cityscapes,
    "coco": coco,
    "coco-panoptic": coco_panoptic,
    "yolo": yolo,
    "labelme": labelme,
    "cvat": cvat_xml,
    "label-map": label_map,
    "mask-folder": mask_folder,
}
"""Formats that are read and written."""

READERS: dict[str, Reader] = {
    "nnunet": nnunet,
    "ade-full": ade_full,
    "voc": voc,
    "cityscapes": cityscapes,
    "coco": coco,
    "coco-panoptic": coco_panoptic,
    "yolo": yolo,
    "labelme": labelme,
    "cvat": cvat_xml,
    "label-studio": label_studio,
    "via": via,
    "supervisely": supervisely,
    "object-files": object_files,
    "label-map": label_map,
    "mask-folder": mask_folder,
}
"""Formats by name, the most specific first: where several fit the data, the first one reads them."""

_ALL_READERS: dict[str, Reader] = {**READERS, "shapes": shapes}
"""With synthetic shapes, which are named by a prefix and never recognised from files."""

Folder = str | os.PathLike[str] | None


def open_dataset(
    path: str | os.PathLike[str],
    *,
    split: str | None = "train",
    format: str | None = None,
    classes: Classes | Sequence[str] | str | None = None,
    void: int | Sequence[int] | None = None,
    colors: Mapping[str, Sequence[int]] | str | None = None,
    images: str | os.PathLike[str] | None = None,
    masks: str | os.PathLike[str] | None = None,
    intensity: IntensityRange | str | Sequence[float] | None = None,
) -> Dataset:
    """Open images with their ground truth, from a folder, a list of pairs, or a COCO file.

    The `notes` of the result say what was recognised: nothing about masks is guessed in silence. The meaning of mask
    values is learnt from all splits, so that each split of the data has the same classes.

    Args:
        path: the data; or `shapes:number=200,size=128,seed=1` for synthetic images, see `data.shapes`.
        split: "train", "val", "test" or another split that the data have; None for everything.
        format: a key of `READERS`, where the files fit several or the recognition fails.
        classes: names in the order of their numbers, as a sequence or separated by commas; for masks with two values
            or with objects, one name is enough.
        void: mask values that belong to no class, besides 255.
        colors: the class of each colour in the masks: {"road": (128, 64, 128)} or "road=128,64,128;sky=…".
        images: the folder of the images, where names do not tell: the last parts of its path, as `images`, which may
            occur in each split. Give `masks` too.
        masks: the folder of their masks, as `images`.
        intensity: for images of more than 8 bits, the values that become 0 and 255: (0, 3000), or as the text of
            --range, "0,3000"; estimated from some of the images when not given, and said in a note.

    Raises:
        FileNotFoundError: the path does not exist; the error suggests the closest one.
        ValueError: the format or the split is unknown, the data are in no known format, images have no mask, or the
            mask values cannot be interpreted.

    >>> open_dataset("cells", split="val", classes="background,cell")  # doctest: +SKIP
    """
    data = read_dataset(
        path,
        split=split,
        format=format,
        classes=classes,
        void=void,
        colors=colors,
        images=images,
        masks=masks,
        intensity=as_intensity(intensity),
    )
    if data.unpaired:
        number = counted(len(data.unpaired), "image has", "images have")
        names = few(f"{one.name}{one.image.suffix}" for one in data.unpaired)
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
    images: Folder = None,
    masks: Folder = None,
    intensity: IntensityRange | str | Sequence[float] | None = None,
) -> Dataset:
    """Open a data set as `open_dataset` does, but list images without a mask in `unpaired` instead of refusing them."""
    path = Path(path)
    range_given = intensity if isinstance(intensity, IntensityRange) else as_intensity(intensity)
    fits = _fitting_formats(path, format, images, masks)
    if fits.keys() >= {"label-map", "mask-folder"} and label_map.are_class_numbers(
        mask_folder.need_pairs(path), classes
    ):
        del fits["label-map"]
    name, *others = fits
    reader = _reader(name, format, images, masks)
    read = partial(reader.read, path, classes=classes, void=void, colors=colors)
    data = read(split)
    if not data.records:
        sizes = {known: len(read(known)) for known in reader.available(path)}
        there = ", ".join(f"{known} with {counted(size, 'image')}" for known, size in sizes.items() if size)
        raise ValueError(
            f"{path} has no images in the split {split!r}; there are: {there or 'none'}; "
            "for everything say --split all (in Python split=None)"
        )
    if others:
        also = f"they also fit {' and '.join(others)}: say --format {others[0]} to read it so"
        note = f"the data fit {name} ({fits[name]}) and are read as such; {also}"
        data = replace(data, notes=(note, *data.notes))
    return with_intensity(data, range_given)


def available_splits(
    path: str | os.PathLike[str], format: str | None = None, images: Folder = None, masks: Folder = None
) -> tuple[str, ...]:
    """List the splits that `open_dataset` accepts, train first.

    Raises:
        FileNotFoundError, ValueError: as `open_dataset`.
    """
    path = Path(path)
    name = next(iter(_fitting_formats(path, format, images, masks)))
    return _reader(name, format, images, masks).available(path)


def _reader(name: str, format: str | None, images: Folder, masks: Folder) -> Reader:
    """The reader of a format, or of the folders that are stated."""
    if images is not None and masks is not None:
        return StatedFolders(images, masks, format)
    return _ALL_READERS[name]


def _check_folders(format: str | None, images: Folder, masks: Folder) -> None:
    """Check that --images and --masks come together, and with a format that has masks."""
    if images is None or masks is None:
        raise ValueError("--images and --masks state two folders that belong together: give both, or neither")
    if format not in (None, "mask-folder", "label-map"):
        raise ValueError(f"--images and --masks state folders of masks: with --format {format} leave both out")


def _fitting_formats(path: Path, format: str | None, images: Folder = None, masks: Folder = None) -> dict[str, str]:
    """The formats that fit, best first, each with the reason."""
    synthetic = shapes.detect(path)
    if synthetic:
        return {"shapes": synthetic}
    if not path.exists():
        raise file_not_found(path)
    if images is not None or masks is not None:
        _check_folders(format, images, masks)
        return {format or "mask-folder": "as stated"}
    if path.is_file() and path.name.lower().endswith(IMAGE_SUFFIXES):
        raise ValueError(
            f"{path} is an image: give the folder that holds the images and their masks "
            "(of images/ and masks/ the folder above both), or a list of pairs"
        )
    if format is not None:
        if format not in READERS:
            raise ValueError(f"there is no data format {format!r}; {suggest(format, READERS)}")
        return {format: "as stated"}
    if path.is_dir() and not any(path.iterdir()):
        raise ValueError(f"{path} is empty: it should hold images and their masks")
    return _detect(path)


def _detect(path: Path) -> dict[str, str]:
    fits: dict[str, str] = {}
    for name, candidate in READERS.items():
        try:
            reason = candidate.detect(path)
        except ValueError:
            # Data that a more specific format reads well may be broken data to a later one.
            if not fits:
                raise
            continue
        if reason:
            fits[name] = reason
    if not fits:
        unread = describe_unread(path)
        found = f"; {unread}" if unread else ""
        raise ValueError(
            f"{path} holds no images with masks in a known way{found}. Wanted: images/ and masks/, each with "
            "train/ and val/ or not; train/ and val/ with images/ and masks/; a.jpg beside a.png; train.txt, two paths "
            "a line; JPEGImages/ and SegmentationClass/ (VOC); annotations/instances_train.json or "
            "panoptic_train.json (COCO); leftImg8bit/ and gtFine/ (Cityscapes); or data.yaml, images/ and "
            "labels/ (YOLO)"
        )
    return fits

"""nnU-Net, 2-D: `imagesTr/X_0000.png` with `labelsTr/X.png`, and `dataset.json`, which names channels and labels.

Isensee et al., "nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation", Nature
Methods 2021, and https://github.com/MIC-DKFZ/nnUNet, documentation/dataset_format.md, versions 1 and 2.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ....classes import VOID, Classes
from ....images.file_names import IMAGE_SUFFIXES, list_images
from ....images.reading import read_image
from ....ops.phrases import counted, few
from ...dataset import Dataset, Record
from ...recognition.class_names import GivenClasses, GivenColors, GivenVoid, make_classes, parse_names
from ...recognition.masks.mask_values import MaskValues
from ...recognition.splits import canonical_split, check_split, draw_names
from ..mask_folder import ClassMapReader

_CHANNEL = re.compile(r"(.+)_(\d{4})")
_FOLDERS = {"train": ("imagesTr", "labelsTr"), "test": ("imagesTs", "labelsTs")}
_IGNORE = "ignore"


@dataclass(frozen=True)
class ChannelReader:
    """Reads the image of a record: one file, or a file for each of red, green and blue.

    Attributes:
        number: of files for each image, 1 or 3.
    """

    number: int

    def __call__(self, record: Record) -> Tensor:
        if self.number == 1:
            return read_image(record.image)
        first = record.image.stem.removesuffix("_0000")
        files = [record.image.with_stem(f"{first}_{channel:04d}") for channel in range(self.number)]
        return torch.cat([read_image(file)[:1] for file in files])


def detect(path: Path) -> str | None:
    """Name nnU-Net's folders, if they are there with a `dataset.json`."""
    there = (path / "dataset.json").is_file() and (path / "imagesTr").is_dir() and (path / "labelsTr").is_dir()
    return "nnU-Net's dataset.json, imagesTr and labelsTr" if there else None


def available(path: Path) -> tuple[str, ...]:
    """List the splits that `read` accepts: train and val are drawn from imagesTr, test is imagesTs if it has labels."""
    return ("train", "val", "test") if (path / "labelsTs").is_dir() else ("train", "val")


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """Read a split; the classes are the labels of `dataset.json`, the label called ignore is void.

    Args:
        path: the folder with `dataset.json`.
        split: "train", "val", "test", None for everything.
        classes: other names for the labels, in the order of their numbers.
        void: must be None.
        colors: must be None.

    Raises:
        ValueError: `dataset.json` is broken, images have a number of channels other than one or three, or are volumes.
    """
    if void is not None or colors is not None:
        raise ValueError("dataset.json says what the labels of nnU-Net mean: leave --void and --colors out")
    if detect(path) is None:
        raise ValueError(f"{path} is not laid out like nnU-Net: wanted dataset.json, imagesTr and labelsTr in it")
    split = check_split(split, available(path), path)
    content = _content(path / "dataset.json")
    values = _values(path / "dataset.json", content, classes)
    ending = str(content.get("file_ending", ".png"))
    if not ending.lower().endswith(IMAGE_SUFFIXES):
        raise ValueError(f"{path}/dataset.json: images are {ending} files, volumes perhaps: save slices as PNG or TIFF")
    parts = ["train", "test"]
    if split is not None:
        parts = ["test"] if split == "test" else ["train"]
    records: list[Record] = []
    numbers: set[int] = set()
    for part in parts:
        if (path / _FOLDERS[part][1]).is_dir():
            more, number = _records(path, *_FOLDERS[part], ending)
            records += more
            numbers.add(number)
    notes = ["nnU-Net: labels as dataset.json names them"]
    if split in ("train", "val"):
        names, note = draw_names([record.name for record in records], split, path)
        records = [record for record in records if record.name in set(names)]
        notes.append(note)
    if (path / "imagesTs").is_dir() and not (path / "labelsTs").is_dir():
        notes.append("imagesTs has no labels: left out")
    if len(numbers) != 1 or not numbers <= {1, 3}:
        raise ValueError(
            f"{path}: images have {few(sorted(numbers))} channel files: pixelwise reads one, or three as red, green "
            "and blue"
        )
    return Dataset(
        values.classes,
        tuple(records),
        canonical_split(split),
        "nnunet",
        tuple(notes),
        ClassMapReader(values),
        images=ChannelReader(numbers.pop()),
        has_instances=False,
    )


def _content(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is no JSON: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("labels"), dict):
        raise ValueError(f'{file} has no labels: wanted "labels": {{"background": 0, "cell": 1}}')
    return content


def _values(file: Path, content: dict[str, Any], wanted: GivenClasses) -> MaskValues:
    """The meaning of labels; version 1 writes {"0": "background"}, version 2 {"background": 0}."""
    names: dict[int, str] = {}
    for key, value in content["labels"].items():
        name, number = (value, key) if str(key).isdigit() and isinstance(value, str) else (key, value)
        if isinstance(number, list):
            raise ValueError(f"{file}: {name} is a region of several labels, which overlap: name each label by itself")
        if not str(number).isdigit():
            raise ValueError(f"{file}: the label {name} is {number!r}: wanted a number from 0 on")
        names[int(number)] = str(name)
    labels = sorted(number for number, name in names.items() if name != _IGNORE)
    classes = wanted if isinstance(wanted, Classes) else make_classes([names[number] for number in labels])
    if wanted is not None and not isinstance(wanted, Classes):
        classes = make_classes(parse_names(wanted))
    if len(classes) != len(labels):
        raise ValueError(f"{file} has {counted(len(labels), 'label')}, but {len(classes)} classes are named")
    table = {number: k for k, number in enumerate(labels)}
    table |= dict.fromkeys((number for number, name in names.items() if name == _IGNORE), VOID)
    return MaskValues(classes, tuple(sorted(table.items())))


def _records(root: Path, images: str, labels: str, ending: str) -> tuple[list[Record], int]:
    """A record for each image with labels, and the number of its channel files."""
    channels: dict[str, list[Path]] = {}
    for file in list_images((root / images).iterdir()):
        match = _CHANNEL.fullmatch(file.stem)
        if match is None:
            raise ValueError(f"{file}: names of images end in the number of the channel, as {file.stem}_0000{ending}")
        channels.setdefault(match[1], []).append(file)
    if not channels:
        raise ValueError(f"{root / images} holds no {ending} images")
    lost = [name for name in channels if not (root / labels / f"{name}{ending}").is_file()]
    if lost:
        raise ValueError(f"{root / labels} lacks the labels of {few(f'{name}{ending}' for name in lost)}")
    counts = {len(files) for files in channels.values()}
    if len(counts) > 1:
        raise ValueError(f"{root / images}: images have different numbers of channel files: {few(sorted(counts))}")
    records = [Record(name, files[0], root / labels / f"{name}{ending}") for name, files in sorted(channels.items())]
    return records, counts.pop()

"""Flags that name data and say how their masks are read."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, _ActionsContainer
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..images.intensity import IntensityRange
from . import values
from .known_names import DATA_FORMATS

if TYPE_CHECKING:
    from ..data.dataset import Dataset

RECOGNISED = "recognised from the files"
TRAINED = "as for the training of the model, else recognised"

EVERYTHING = "all"
"""The value of --split that takes the images of all splits."""


def add_data(parser: ArgumentParser, split: str) -> None:
    """Add --data and --split.

    Args:
        parser: of a command.
        split: the default of --split.
    """
    parser.add_argument("--data", required=True, metavar="FOLDER", help="folder or list file of the images and masks")
    text = f"split to use; {EVERYTHING}: every image (default: %(default)s)"
    parser.add_argument("--split", default=split, metavar="NAME", help=text)


def add_reading(parser: ArgumentParser, default: str) -> None:
    """Add the flags that say how masks are read, as a group.

    Args:
        parser: of a command.
        default: the value of --classes, --void and --colors where they are not given, in words.
    """
    group = parser.add_argument_group("reading the data")
    names = f"names of the classes, in the order of their values: background,cell (default: {default})"
    group.add_argument("--classes", metavar="A,B,…", help=names)
    formats = f"format of the data: {', '.join(DATA_FORMATS)} (default: recognised)"
    group.add_argument("--format", type=values.one_of(DATA_FORMATS), metavar="NAME", help=formats)
    void = f"mask values to ignore, besides 255, as they belong to no class: 0 or 0,254 (default: {default})"
    group.add_argument("--void", type=values.mask_values, metavar="A,B,…", help=void)
    colors = f"colours of RGB masks: 'sky=0,0,255;road=128,64,128' (default: {default})"
    group.add_argument("--colors", metavar="NAME=R,G,B;…", help=colors)
    estimated = "estimated from the images"
    add_range(group, f"that of the model, else {estimated}" if default == TRAINED else estimated)


def add_range(group: _ActionsContainer, default: str) -> None:
    """Add --range.

    Args:
        group: of the flags.
        default: the range without the flag, in words.
    """
    text = f"""values of images of more than 8 bits that become 0 and 255; or three of them for red, green and blue,
        'LOW,HIGH;LOW,HIGH;LOW,HIGH' (default: {default})"""
    group.add_argument("--range", type=values.intensity, metavar="LOW,HIGH", help=text)


def add_folders(parser: ArgumentParser) -> None:
    """Add the flags that state the folders of images and masks, as a group."""
    group = parser.add_argument_group("folders that names do not tell")
    images = "folder of the images, also that of each split: images (default: recognised)"
    group.add_argument("--images", metavar="FOLDER", help=images)
    masks = "folder of the masks of --images: 1st_manual (default: recognised)"
    group.add_argument("--masks", metavar="FOLDER", help=masks)


def split_of(options: Namespace) -> str | None:
    """The split that --split names; None for all images."""
    return None if options.split == EVERYTHING else options.split


def reading_of(options: Namespace) -> dict[str, Any]:
    """The arguments of `open_dataset` that say how masks are read; None where a flag is not given."""
    reading = {name: getattr(options, name) for name in ("format", "classes", "void", "colors")}
    return {**reading, "intensity": options.range}


def folders_of(options: Namespace) -> dict[str, Any]:
    """The arguments of `open_dataset` that state folders; None where a flag is not given."""
    return {name: getattr(options, name) for name in ("images", "masks")}


def open_as_trained(options: Namespace, record: Mapping[str, Any], folders: Mapping[str, Any] | None = None) -> Dataset:
    """Open the data of the flags; without flags, masks are read as they were for the training of the model.

    Folders are those of the training only where the data are the same.

    Args:
        options: of a command with the flags of `add_data` and `add_reading`; left unchanged.
        record: of the model's checkpoint.
        folders: those that `folders_of` returns, for a command that has these flags.

    Raises:
        FileNotFoundError, ValueError: as `open_dataset`.
    """
    from ..data.opening import open_dataset

    reading = reading_of(options)
    trained = record.get("recipe", {})
    for name in ("classes", "void", "colors"):
        # Recipes have empty lists where nothing is stated; `open_dataset` has None.
        if reading[name] is None and trained.get(name):
            reading[name] = trained[name]
    if folders and any(folders.values()):
        reading.update(folders)
    elif options.data == trained.get("data"):
        reading.update(images=trained.get("images"), masks=trained.get("masks"))
    if reading["intensity"] is None and record.get("intensity"):
        reading["intensity"] = IntensityRange.from_lists(record["intensity"])
    data = open_dataset(options.data, split=split_of(options), **reading)
    for note in data.notes:
        print(f"note: {note}", file=sys.stderr)
    return data

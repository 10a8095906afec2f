"""A file for each object, as in the 2018 Data Science Bowl: `ID/images/ID.png` with `ID/masks/*.png`.

Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl", Nature Methods 2019. Also
read is `images/ID.png` with a folder of files for each image, `masks/ID/*.png`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from ....classes import Classes
from ....images.header import read_header
from ....images.reading import read_mask
from ....masks import Masks
from ....ops.phrases import counted
from ....segmentation import Segmentation
from ...dataset import Dataset, Record
from ...recognition.class_names import GivenClasses, GivenColors, GivenVoid
from ...recognition.class_spec import read_class_spec
from ...recognition.pairs import images_by_folder
from ...recognition.path_words import FolderMeaning, folder_meaning
from ...recognition.splits import canonical_split, check_split, draw_records, order_splits
from ..label_map import classes_of_objects


@dataclass(frozen=True)
class ObjectFileReader:
    """Reads the ground truth of a record from a mask file for each of its objects, which may overlap."""

    classes: Classes

    def __call__(self, record: Record) -> Segmentation:
        size = read_header(record.image).size
        masks = [Masks.from_lengths([], size)]
        for name in json.loads(record.annotations):
            pixels = read_mask(Path(name))
            inside = pixels > 0 if pixels.ndim == 2 else (pixels > 0).any(axis=2)
            if inside.shape != size:
                raise ValueError(
                    f"{record.image} is {size[1]}x{size[0]}, but its mask {name} is "
                    f"{inside.shape[1]}x{inside.shape[0]}: they must have the same size"
                )
            if inside.any():
                masks.append(Masks.from_dense(torch.from_numpy(inside)[None]))
        thing = 1 - (self.classes.background or 0)
        labels = torch.full((len(masks) - 1,), thing, dtype=torch.int64)
        return Segmentation(self.classes, labels, masks=Masks.joined(masks))


class _Located(NamedTuple):
    """An image, the files of its objects, and its split."""

    image: Path
    objects: list[Path]
    split: str | None


def detect(path: Path) -> str | None:
    """Describe the files of objects below a folder; None if there are none."""
    if not path.is_dir():
        return None
    located, _ = _locate(path)
    if not located:
        return None
    number = sum(len(one.objects) for one in located)
    return f"a mask for each object: {counted(number, 'mask')} of {counted(len(located), 'image')}"


def available(path: Path) -> tuple[str, ...]:
    """List the splits that `read` accepts."""
    return order_splits(_splits(_need(path)[0])) or ("train", "val")


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """Read a split; each file is an object, its pixels are those that are not 0.

    Args:
        path: the folder.
        split: "train", "val", …, None for everything.
        classes: the name of the objects, or two, the background's first.
        void: must be None.
        colors: must be None.

    Raises:
        ValueError: there are no such files, or several kinds of objects are named.
    """
    if void is not None or colors is not None:
        raise ValueError("a file for each object has no mask values: leave --void and --colors out")
    located, without = _need(path)
    named = classes_of_objects(read_class_spec(path, classes))
    if len(named) != 2:
        raise ValueError(f"{path} has a mask for each object and no classes: name one, not {', '.join(named.names)}")
    own = _splits(located)
    split = check_split(split, own, path)
    records = [_record(path, one) for one in located if split is None or not own or one.split == split]
    kept, note = draw_records(records, split, own, path)
    notes = [detect(path) or "", *note]
    if without:
        notes.append(f"{counted(len(without), 'image has', 'images have')} no folder of masks: left out")
    return Dataset(named, kept, canonical_split(split), "object-files", tuple(notes), ObjectFileReader(named))


def _record(root: Path, located: _Located) -> Record:
    files = json.dumps([str(file) for file in located.objects])
    return Record.below(root.absolute(), located.image, annotations=files.encode())


def _splits(located: Sequence[_Located]) -> set[str]:
    return {one.split for one in located if one.split}


def _need(path: Path) -> tuple[list[_Located], list[Path]]:
    located, without = _locate(path)
    if not located:
        raise ValueError(f"{path} holds no file for each object: wanted ID/images/ID.png with ID/masks/*.png")
    return located, without


def _locate(path: Path) -> tuple[list[_Located], list[Path]]:
    """Images with the files of their objects, and images without such a folder."""
    folders = images_by_folder(path)
    meanings = {folder: folder_meaning(folder.relative_to(path.absolute()).parts) for folder in folders}
    masks_by_place: dict[tuple[str | None, tuple[str, ...]], Path] = {}
    for folder, meaning in meanings.items():
        if meaning.role == "mask":
            masks_by_place[meaning.split, meaning.rest] = folder
    located: list[_Located] = []
    without: list[Path] = []
    for folder, meaning in meanings.items():
        if meaning.role == "mask":
            continue
        for image in folders[folder]:
            masks = _folder_of_objects(image, folders, meaning, masks_by_place)
            if masks is None or any(file.stem == image.stem for file in folders[masks]):
                without.append(image)
            else:
                located.append(_Located(image, folders[masks], meaning.split))
    return sorted(located), without


def _folder_of_objects(
    image: Path,
    folders: Mapping[Path, list[Path]],
    meaning: FolderMeaning,
    masks_by_place: dict[tuple[str | None, tuple[str, ...]], Path],
) -> Path | None:
    """The folder of masks of one image: that of its own folder if it lies there alone, or one of its name."""
    if len(folders[image.parent]) == 1 and meaning.rest:
        here = masks_by_place.get((meaning.split, meaning.rest))
        if here is not None and (len(folders[here]) > 1 or image.stem == image.parent.parent.name):
            return here
    named = folder_meaning((image.stem,)).rest
    return masks_by_place.get((meaning.split, (*meaning.rest, *named))) if named else None

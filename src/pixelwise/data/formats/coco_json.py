"""What all of COCO's JSON files have in common: images, annotations and categories, from whomever they come."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ...classes import Classes
from ...images.header import MAX_PIXELS
from ...ops.phrases import few
from ..dataset import Record
from ..recognition.class_names import GivenClasses
from ..recognition.path_words import SPLIT_NAMES
from ..recognition.splits import check_split, draw_records, order_splits

KEYS = (b'"images"', b'"annotations"', b'"categories"')


class CocoJson:
    """One JSON file, checked as far as its structure goes.

    Args:
        file: the file.
        root: the data set's folder, below which the images lie.
        what: which of COCO's formats it should be, for errors.

    Attributes:
        images, annotations, categories: its three lists of objects.
        info: what it says of itself; empty where it says nothing.

    Raises:
        ValueError: it is no JSON, or has not these lists.
    """

    def __init__(self, file: Path, root: Path, what: str) -> None:
        self.file, self.root, self.what = file, root, what
        try:
            found = json.loads(file.read_bytes())
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{file} is no JSON: {error}; is it whole?") from error
        self.check(isinstance(found, dict), "holds no object at its top")
        for key in ("images", "annotations", "categories"):
            whole = isinstance(found.get(key), list) and all(isinstance(item, dict) for item in found[key])
            self.check(whole, f'has no list of objects called "{key}"')
        self.images, self.annotations, self.categories = found["images"], found["annotations"], found["categories"]
        self.info: dict[str, Any] = found["info"] if isinstance(found.get("info"), dict) else {}

    def check(self, fine: bool, what: str) -> None:
        """Raises a ValueError that names the file, unless all is fine."""
        if not fine:
            raise ValueError(f"{self.file} {what}: this is not COCO's format of {self.what}")

    def sizes(self) -> dict[Any, tuple[int, int]]:
        """Height and width of each image, by its number."""
        sizes: dict[Any, tuple[int, int]] = {}
        for item in self.images:
            size = (item.get("height"), item.get("width"))
            whole = type(item.get("id")) in (int, str) and isinstance(item.get("file_name"), str)
            if not whole or not all(type(n) is int and n > 0 for n in size) or size[0] * size[1] > MAX_PIXELS:
                self.check(False, f"has a broken entry in images: {str(item)[:200]}")
            self.check(item["id"] not in sizes, f"has two images with the number {item['id']}")
            sizes[item["id"]] = size
        return sizes

    def check_category(self, item: dict[str, Any]) -> tuple[int, str]:
        """The number and the name of one of the categories."""
        key, name = item.get("id"), item.get("name")
        if type(key) is not int or not isinstance(name, str):
            raise ValueError(f"{self.file} has a category without a number or name: {str(item)[:80]}")
        return key, name

    def written(self) -> Classes | None:
        """The classes that we ourselves left in the file, when we wrote it."""
        try:
            return Classes.from_dict(self.info["classes"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def paths(self) -> dict[str, Path]:
        """The image's file for each name in the JSON, in the folder that holds most of them."""
        names = [item["file_name"] for item in self.images]
        for name in names:
            check_below(name, f"{self.file}: the image")
        words = [self.file.stem.partition("_")[2], split_of(self.file) or "", ""]
        folders = [self.file.parent] if self.file.parent != self.root and self.file.name.startswith("_") else []
        for base in (self.root, self.root / "images", self.root / "data", self.file.parent.parent):
            below = (base / word for word in words)
            folders += [place for place in below if place.is_dir() and place.is_relative_to(self.root)]
        counted = [(sum((folder / name).is_file() for name in names[:20]), folder) for folder in dict.fromkeys(folders)]
        folder = max(counted, key=lambda pair: pair[0])[1]
        lost = [name for name in names if not (folder / name).is_file()]
        if lost:
            raise ValueError(f"{self.file} names images that are not in {folder}: {few(lost)}")
        return {name: folder / name for name in names}

    def classes(self, wanted: GivenClasses) -> tuple[Classes, list[str]]:
        """The classes of the ground truth, all or those that are wanted, and what to tell people."""
        raise NotImplementedError

    def records(self, classes: Classes) -> tuple[list[Record], list[Record], list[str]]:
        """A record for each image with ground truth, those without, and notes for the user."""
        raise NotImplementedError


class Contents(NamedTuple):
    """What the JSON files of a split hold: what a `Dataset` has under the same names."""

    classes: Classes
    records: tuple[Record, ...]
    split: str | None
    notes: tuple[str, ...]
    unpaired: tuple[Record, ...]


def splits_of(files: Sequence[tuple[str | None, Path]]) -> tuple[str, ...]:
    """The splits that can be asked for, of files with the split of each."""
    return order_splits({split for split, _ in files if split}) or ("train", "val")


def read_files(
    path: Path,
    files: Sequence[tuple[str | None, Path]],
    split: str | None,
    wanted: GivenClasses,
    opened: Callable[[Path, Path], CocoJson],
    called: str,
) -> Contents:
    """All of a split.

    Args:
        path: the data set's folder, or one JSON file.
        files: its JSON files, with the split of each.
        split: the one that is asked for, None for everything.
        wanted: the categories to keep.
        opened: a file and the data set's folder → what is in the file.
        called: what the notes call the files.

    Raises:
        ValueError: there is no such split, several files are of it, or they differ in their categories.
    """
    root, own = root_of(path), {part for part, _ in files if part}
    split = check_split(split, own, path)
    chosen = [file for part, file in files if split is None or not own or part == split]
    if len(chosen) > 1 and split is not None:
        raise ValueError(f"{few(chosen)} are all {split!r}: name the one you mean instead of the folder")
    records, unpaired, notes = list[Record](), list[Record](), list[str]()
    named = None
    for file in chosen:
        source = opened(file, root)
        classes, said = source.classes(wanted)
        if named not in (None, classes):
            raise ValueError(f"{file} has other categories than {chosen[0]}: open one split at a time")
        named = classes
        some, without, more = source.records(classes)
        source.check(len({record.name for record in some}) == len(some), "names an image twice")
        records, unpaired, notes = records + some, unpaired + without, notes + said + more
    assert named is not None
    kept, note = draw_records(records, split, own, root)
    notes = [f"{called} in {few(file.relative_to(root) for file in chosen)}", *notes, *note]
    return Contents(named, kept, split, tuple(notes), tuple(unpaired))


def check_below(name: str, what: str) -> None:
    """Refuses names of files that would leave the folder that they are looked for in."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in name or "\0" in name:
        raise ValueError(f"{what} {name!r} lies outside the data: name it below the folder")


def root_of(path: Path) -> Path:
    """The data set's folder, where its JSON file may be given instead."""
    return path if path.is_dir() else path.parent.parent if path.parent.name == "annotations" else path.parent


def split_of(file: Path) -> str | None:
    """The split that the name of a JSON file tells."""
    words = [file.parent.name.lower()] if file.name.startswith("_") else re.split(r"[^a-z]+", file.stem.lower())
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)

"""Files of a COCO data set: one JSON file for each split."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from ...classes import Classes
from ...ops.phrases import few
from ..dataset import Record
from ..recognition.class_names import GivenClasses
from ..recognition.path_words import SPLIT_NAMES
from ..recognition.splits import check_split, draw_records, order_splits


class SplitFile(NamedTuple):
    """A JSON file, and the split that its name tells."""

    split: str | None
    file: Path


class AnnotationSource(Protocol):
    """A JSON file, opened."""

    def check(self, valid: bool, fault: str) -> None:
        """Raise a ValueError that names the file and its fault, unless it is valid."""
        ...

    def classes(self, wanted: GivenClasses) -> tuple[Classes, list[str]]:
        """Return the classes of the ground truth, all or those that are wanted, and notes for people."""
        ...

    def records(self, classes: Classes) -> tuple[list[Record], list[Record], list[str]]:
        """Return a record for each image with ground truth, those without, and notes for people."""
        ...


class Contents(NamedTuple):
    """Contents of the JSON files of a split: attributes of a `Dataset`, under the same names."""

    classes: Classes
    records: tuple[Record, ...]
    split: str | None
    notes: tuple[str, ...]
    unpaired: tuple[Record, ...]


@dataclass(frozen=True)
class CocoFiles:
    """Finds and reads the JSON files of one of COCO's formats.

    Attributes:
        title: the name of the format, for notes.
        missing: the end of the error for a path without such files.
        find: lists the files at a path, which may be the data set's folder or one file.
        load: opens a file of the data set in a folder.
    """

    title: str
    missing: str
    find: Callable[[Path], list[Path]]
    load: Callable[[Path, Path], AnnotationSource]

    def detect(self, path: Path) -> str | None:
        """Name the files, if there are any."""
        files = self.find(path)
        return f"{self.title} in {few(file.name for file in files)}" if files else None

    def available(self, path: Path) -> tuple[str, ...]:
        """List the splits that `read` accepts.

        Raises:
            ValueError: there are no such files.
        """
        files = self._need(path)
        splits = {one.split for one in files if one.split}
        if not splits and len(files) == 1 and files[0].file.read_bytes().count(b'"file_name"') == 1:
            return ("train",)  # a single image is all train
        return order_splits(splits) or ("train", "val")

    def read(self, path: Path, split: str | None, wanted: GivenClasses) -> Contents:
        """Read a split.

        Args:
            path: the data set's folder, or one JSON file.
            split: "train", "val", …; None for everything.
            wanted: the categories to keep.

        Raises:
            ValueError: there is no such split, several files are of it, or they differ in their categories.
        """
        root, files = root_of(path), self._need(path)
        own = {one.split for one in files if one.split}
        split = check_split(split, own, path)
        chosen = [one.file for one in files if split is None or not own or one.split == split]
        if len(chosen) > 1 and split is not None:
            raise ValueError(f"{few(chosen)} are all {split!r}: name the one you mean instead of the folder")
        classes, records, unpaired, notes = self._load_all(chosen, root, wanted)
        kept, note = draw_records(records, split, own, root)
        title = f"{self.title} in {few(file.relative_to(root) for file in chosen)}"
        return Contents(classes, kept, split, (title, *notes, *note), tuple(unpaired))

    def _load_all(
        self, files: Sequence[Path], root: Path, wanted: GivenClasses
    ) -> tuple[Classes, list[Record], list[Record], list[str]]:
        """Classes, records, records without ground truth and notes of all files."""
        named: Classes | None = None
        records, unpaired, notes = list[Record](), list[Record](), list[str]()
        for file in files:
            source = self.load(file, root)
            classes, notes_on_classes = source.classes(wanted)
            if named not in (None, classes):
                raise ValueError(f"{file} has other categories than {files[0]}: open one split at a time")
            named = classes
            paired, without, notes_on_records = source.records(classes)
            source.check(len({record.name for record in paired}) == len(paired), "names an image twice")
            records += paired
            unpaired += without
            notes += notes_on_classes + notes_on_records
        assert named is not None
        return named, records, unpaired, notes

    def _need(self, path: Path) -> list[SplitFile]:
        files = self.find(path)
        if not files:
            raise ValueError(f"{path} holds no {self.missing}")
        root = root_of(path)
        return [SplitFile(split_of(file) or _split_of_folder(file, root), file) for file in files]


def root_of(path: Path) -> Path:
    """The data set's folder, if the path is that or one of its JSON files."""
    if path.is_dir():
        return path
    return path.parent.parent if path.parent.name == "annotations" else path.parent


def split_of(file: Path) -> str | None:
    """The split that the name of a JSON file tells; of Roboflow's, which all have one name, that of the folder."""
    if file.name.startswith("_"):
        words = [file.parent.name.lower()]
    else:
        words = re.split(r"[^a-z]+", file.stem.lower())
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)


def _split_of_folder(file: Path, root: Path) -> str | None:
    """The split that the folders of a JSON file tell, as train/result.json."""
    folders = file.relative_to(root).parts[:-1]
    return next((SPLIT_NAMES[name.lower()] for name in folders if name.lower() in SPLIT_NAMES), None)

"""Where the images and labels of a YOLO data set lie, and what its classes are called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ...classes import Classes
from ...images.file_names import list_images
from ...ops.phrases import few
from ..recognition import class_names, class_spec
from ..recognition.class_names import GivenClasses
from ..recognition.path_words import SPLIT_NAMES
from ..recognition.text_lists import read_lines

NO_LABELS = ("classes.txt", "notes.txt", "readme.txt")
"""Texts that may lie among the labels and are none."""


class Source:
    """What `data.yaml` says, or what the folders say where there is none.

    Attributes:
        file: `data.yaml`, or None.
        root: the folder of the data.
        splits: the images of each.
        undivided: the images, where there are no splits.
        notes: what people should know.
    """

    def __init__(self, path: Path) -> None:
        self.file, self.notes = find_yaml(path), list[str]()
        self.root = (path if path.is_dir() else path.parent).resolve()
        self.splits: dict[str, list[Path]] = {}
        self.undivided: list[Path] = []
        self.names: list[str] | None = None
        if self.file is None:
            self._look()
            return
        said = _load(self.file)
        self.names = _names(self.file, said)
        base = self._base(said.get("path"))
        for key, value in said.items():
            if key in SPLIT_NAMES and value:
                places = value if isinstance(value, list) else [value]
                self.splits[SPLIT_NAMES[key]] = [image for place in places for image in self._images(base, key, place)]
        if not self.splits:
            raise ValueError(f"{self.file} names no images: wanted lines like train: images/train and val: images/val")
        if self.splits.get("train") and self.splits.get("train") == self.splits.get("val"):
            self.notes.append("train and val are the same images, as the file says: scores will be too good")

    def classes(self, wanted: GivenClasses) -> tuple[list[str], Classes]:
        """The name of each number, and the classes of the ground truth."""
        every = self.names
        known = class_spec.read_class_spec(self.root, wanted if every is None else None).classes
        own = [] if known is None else [name for k, name in enumerate(known.names) if k != known.background]
        if every is None:
            if known is None:
                raise ValueError(
                    f"{self.root} has labels, but no data.yaml that names the classes: write one with lines like "
                    "train: images/train, val: images/val and names: [cell, debris], or give --classes"
                )
            return own, class_names.object_classes(own, None if known.background is None else known, str(self.root))
        if wanted is None and known is not None and own == every and (self.root / "classes.json").is_file():
            return every, known
        return every, class_names.object_classes(every, wanted, str(self.file or self.root))

    def _look(self) -> None:
        folder = self.root / "images"
        if not folder.is_dir() or not any(self.root.glob("labels/**/*.txt")):
            raise ValueError(
                f"{self.root} is not laid out like YOLO: wanted data.yaml, with train, val and names, beside images/ "
                "and labels/"
            )
        below = {
            SPLIT_NAMES[place.name.lower()]: place for place in folder.iterdir() if place.name.lower() in SPLIT_NAMES
        }
        self.splits = {split: self._folder(place) for split, place in below.items() if place.is_dir()}
        self.undivided = [] if self.splits else self._folder(folder)

    def _base(self, said: Any) -> Path:
        """The folder that paths count from; the file's own, where `path` means a folder on somebody else's disk."""
        base = self.root / said if isinstance(said, str) else self.root
        return base if self._holds(base) and base.is_dir() else self.root

    def _holds(self, place: Path) -> bool:
        return ".." not in place.parts and place.is_relative_to(self.root)

    def _images(self, base: Path, key: str, said: Any) -> list[Path]:
        """The images of a folder or of a list of images."""
        if not isinstance(said, str):
            raise ValueError(f"{self.file}: {key} is a {type(said).__name__}: wanted a folder, or several in a list")
        place = self._find([base], said)
        if place is None:
            outside = " (it lies outside the data, which are never left)" if (base / said).exists() else ""
            raise ValueError(f"{self.file}: {key} is {said!r}, but there is no {base / said}{outside}")
        if place.is_dir():
            return self._folder(place)
        listed = read_lines(place) if place.suffix == ".txt" else [said]
        images = [self._find([place.parent, base], line) for line in listed]
        lost = [line for line, image in zip(listed, images, strict=True) if image is None]
        if lost:
            raise ValueError(f"{place} lists images that are not there or lie outside the data: {few(lost)}")
        return [image for image in images if image is not None]

    def _find(self, bases: Sequence[Path], said: str) -> Path | None:
        """A path inside the data; `../` at its beginning is left out where that helps, as Roboflow's files need it."""
        places = [base / text for text in (said, re.sub(r"^(\.\./)+", "", said)) for base in bases]
        return next((place for place in places if self._holds(place) and place.exists()), None)

    def _folder(self, folder: Path) -> list[Path]:
        """The images of a folder and those below it."""
        images = list_images(folder.rglob("*"))
        labels = label_of(self.root, folder / "any").parent
        if labels != folder and labels.is_dir():
            known = {label_of(self.root, image) for image in images}
            texts = sorted(text for text in labels.rglob("*.txt") if text.name not in NO_LABELS)
            lost = [text.relative_to(self.root) for text in texts if text not in known]
            if lost:
                raise ValueError(f"{self.root}: these labels have no image in {folder}: {few(lost)}")
        return images


def label_of(root: Path, image: Path) -> Path:
    """Where the label of an image lies: `labels` instead of the last `images`, or beside it where there is none."""
    parts = list(image.relative_to(root).with_suffix(".txt").parts)
    if "images" in parts[:-1]:
        parts[len(parts) - 2 - parts[-2::-1].index("images")] = "labels"
    return root.joinpath(*parts)


def find_yaml(path: Path) -> Path | None:
    """The file itself, or the one of a folder that names classes and images."""
    if path.is_file():
        return path if path.suffix.lower() in (".yaml", ".yml") else None
    files = [path / "data.yaml", *sorted(path.glob("*.y*ml"))]
    return next((file for file in files if file.is_file() and _is_yolo(file)), None)


def _is_yolo(file: Path) -> bool:
    text = file.read_bytes()
    return (
        re.search(rb"(?m)^names\s*:", text) is not None and re.search(rb"(?m)^(train|val|test)\s*:", text) is not None
    )


def _load(file: Path) -> dict[str, Any]:
    try:
        said = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"{file} is no YAML: {error}") from None
    if not isinstance(said, dict):
        raise ValueError(f"{file} holds no lines like train: images/train and names: [cell]")
    return said


def _names(file: Path, said: Mapping[str, Any]) -> list[str]:
    names = said.get("names")
    if isinstance(names, dict) and sorted(map(str, names)) == sorted(map(str, range(len(names)))):
        names = [names.get(k, names.get(str(k))) for k in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(name, str | int) for name in names):
        raise ValueError(f"{file}: names must name each class, as [cell, debris] or {{0: cell, 1: debris}}")
    texts = [str(name).strip() for name in names]
    if len(set(texts)) < len(texts):
        raise ValueError(
            f"{file}: names has the same name twice: {few(sorted({t for t in texts if texts.count(t) > 1}))}"
        )
    if said.get("nc", len(texts)) != len(texts):
        raise ValueError(f"{file}: nc is not {len(texts)}, the number of names: one of the two is wrong")
    return texts

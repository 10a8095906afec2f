"""Sources of YOLO data: the images and labels that `data.yaml` or the folders name, and the names of the classes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ...classes import Classes
from ...images.file_names import list_images
from ...ops.phrases import few
from ..recognition.class_names import GivenClasses, object_classes
from ..recognition.class_spec import read_class_spec
from ..recognition.path_words import SPLIT_NAMES
from ..recognition.text_lists import read_lines

NO_LABELS = ("classes.txt", "notes.txt", "readme.txt")
"""Texts that may lie among the labels without being labels."""


class YoloSource:
    """Contents of `data.yaml`, or of the folders if there is none.

    Args:
        path: the data set's folder, or `data.yaml`.

    Attributes:
        file: `data.yaml`, or None.
        root: the folder of the data.
        splits: the images of each split.
        undivided: the images, if there are no splits.
        names: the name of each class, if `data.yaml` gives them.
        notes: sentences for people.

    Raises:
        ValueError: the file or the folders are not laid out like YOLO.
    """

    def __init__(self, path: Path) -> None:
        self.file, self.notes = find_yaml(path), list[str]()
        self.root = (path if path.is_dir() else path.parent).resolve()
        self.splits: dict[str, list[Path]] = {}
        self.undivided: list[Path] = []
        self.names: list[str] | None = None
        if self.file is None:
            self._read_folders()
        else:
            self._read_yaml(self.file)

    def images(self, split: str | None) -> list[Path]:
        """The images of a split; all, each of them once, if it is None or the data have no splits."""
        if split is not None and split in self.splits:
            parts = [self.splits[split]]
        else:
            parts = list(self.splits.values()) or [self.undivided]
        return list(dict.fromkeys(image for part in parts for image in part))

    def classes(self, wanted: GivenClasses) -> tuple[list[str], Classes]:
        """Return the name of each number, and the classes of the ground truth.

        Raises:
            ValueError: nothing names the classes, or a wanted one is none of them.
        """
        if self.names is None:
            return self._classes_beside(wanted)
        # `write` leaves classes.json beside data.yaml, which also tells the background and the colours.
        written = read_class_spec(self.root).classes
        is_ours = written is not None and (self.root / "classes.json").is_file() and _objects(written) == self.names
        if wanted is None and written is not None and is_ours:
            return self.names, written
        return self.names, object_classes(self.names, wanted, str(self.file or self.root))

    def _classes_beside(self, wanted: GivenClasses) -> tuple[list[str], Classes]:
        """Classes that are stated, or named by a file beside the data, if there is no `data.yaml`."""
        named = read_class_spec(self.root, wanted).classes
        if named is None:
            raise ValueError(
                f"{self.root} has labels, but no data.yaml that names the classes: write one with lines like "
                "train: images/train, val: images/val and names: [cell, debris], or give --classes"
            )
        objects = _objects(named)
        return objects, object_classes(objects, None if named.background is None else named, str(self.root))

    def _read_yaml(self, file: Path) -> None:
        content = _load(file)
        self.names = _class_names(file, content)
        base = self._base(content.get("path"))
        for key, value in content.items():
            if key in SPLIT_NAMES and value:
                places = value if isinstance(value, list) else [value]
                if SPLIT_NAMES[key] == "test" and not any(self._exists(base, place) for place in places):
                    self.notes.append(f"{key} is {value}, which is not there: left out")
                    continue
                self.splits[SPLIT_NAMES[key]] = [image for place in places for image in self._images(base, key, place)]
        if not self.splits:
            raise ValueError(f"{file} names no images: wanted lines like train: images/train and val: images/val")
        if self.splits.get("train") and self.splits.get("train") == self.splits.get("val"):
            self.notes.append("train and val are the same images, as the file says: scores will be too good")

    def _read_folders(self) -> None:
        folder = self.root / "images"
        if not folder.is_dir() or not any(self.root.glob("labels/**/*.txt")):
            raise ValueError(
                f"{self.root} is not laid out like YOLO: wanted data.yaml, with train, val and names, beside images/ "
                "and labels/"
            )
        for place in folder.iterdir():
            split = SPLIT_NAMES.get(place.name.lower())
            if split and place.is_dir():
                self.splits[split] = self._folder(place)
        if not self.splits:
            self.undivided = self._folder(folder)

    def _base(self, path: Any) -> Path:
        """The folder that paths count from: the file's own, if `path` means a folder on somebody else's disk."""
        base = self.root / path if isinstance(path, str) else self.root
        return base if self._holds(base) and base.is_dir() else self.root

    def _holds(self, place: Path) -> bool:
        """Tell if a place lies in the data, which are never left."""
        return ".." not in place.parts and place.is_relative_to(self.root)

    def _images(self, base: Path, key: str, place: Any) -> list[Path]:
        """The images of a folder, of a list of images, or one image, as `data.yaml` names it."""
        if not isinstance(place, str):
            raise ValueError(f"{self.file}: {key} is a {type(place).__name__}: wanted a folder, or several in a list")
        path = self._find([base], place)
        if path is None:
            outside = " (it lies outside the data, which are never left)" if (base / place).exists() else ""
            raise ValueError(f"{self.file}: {key} is {place!r}, but there is no {base / place}{outside}")
        if path.is_dir():
            return self._folder(path)
        images: list[Path] = []
        lost: list[str] = []
        for line in read_lines(path) if path.suffix == ".txt" else [place]:
            image = self._find([path.parent, base], line)
            if image is None:
                lost.append(line)
            else:
                images.append(image)
        if lost:
            raise ValueError(f"{path} lists images that are not there or lie outside the data: {few(lost)}")
        return images

    def _exists(self, base: Path, said: Any) -> bool:
        """Whether a place is there, in the data or outside; what is no text is left to `_images`."""
        return not isinstance(said, str) or self._find([base], said) is not None or (base / said).exists()

    def _find(self, bases: Sequence[Path], text: str) -> Path | None:
        """A path inside the data; `../` at its beginning is left out if that helps, as Roboflow's files need it."""
        for relative in (text, re.sub(r"^(\.\./)+", "", text)):
            for base in bases:
                place = base / relative
                if self._holds(place) and place.exists():
                    return place
        return None

    def _folder(self, folder: Path) -> list[Path]:
        """The images of a folder and those below it.

        Raises:
            ValueError: a label has no image.
        """
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
    """The label's file of an image: in `labels` instead of the last `images`, or beside it if there is none."""
    parts = list(image.relative_to(root).with_suffix(".txt").parts)
    for k in reversed(range(len(parts) - 1)):
        if parts[k] == "images":
            parts[k] = "labels"
            break
    return root.joinpath(*parts)


def find_yaml(path: Path) -> Path | None:
    """Find the file that names classes and images: the path itself, or a file in the folder."""
    if path.is_file():
        return path if path.suffix.lower() in (".yaml", ".yml") else None
    files = [path / "data.yaml", *sorted(path.glob("*.y*ml"))]
    return next((file for file in files if file.is_file() and _is_yolo(file)), None)


def _is_yolo(file: Path) -> bool:
    text = file.read_bytes()
    names_classes = re.search(rb"(?m)^names\s*:", text) is not None
    return names_classes and re.search(rb"(?m)^(train|val|test)\s*:", text) is not None


def _load(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"{file} is no YAML: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{file} holds no lines like train: images/train and names: [cell]")
    return content


def _class_names(file: Path, content: Mapping[str, Any]) -> list[str]:
    """The names of the classes, which the file lists, or gives by number."""
    given = content.get("names")
    if isinstance(given, dict):
        given = _in_order(given)
    if not isinstance(given, list) or not given or not all(isinstance(name, str | int) for name in given):
        raise ValueError(f"{file}: names must name each class, as [cell, debris] or {{0: cell, 1: debris}}")
    names = [str(name).strip() for name in given]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{file}: names has the same name twice: {few(repeated)}")
    if content.get("nc", len(names)) != len(names):
        raise ValueError(f"{file}: nc is not {len(names)}, the number of names: one of the two is wrong")
    return names


def _in_order(names: Mapping[Any, Any]) -> list[Any] | None:
    """The names in the order of their numbers; None if these are not 0, 1, 2, …"""
    if sorted(map(str, names)) != sorted(map(str, range(len(names)))):
        return None
    return [names.get(k, names.get(str(k))) for k in range(len(names))]


def _objects(classes: Classes) -> list[str]:
    """The names but the background's."""
    return [name for k, name in enumerate(classes.names) if k != classes.background]

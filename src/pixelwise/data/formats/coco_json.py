"""One of COCO's JSON files: images, annotations and categories, as all of its formats have them."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ...classes import Classes
from ...images.header import MAX_PIXELS, read_header
from ...ops.phrases import counted, few
from ...types import Size
from ..dataset import Record
from ..recognition.class_names import GivenClasses
from ..recognition.image_finder import ImageFinder
from .coco_files import split_of

KEYS = (b'"images"', b'"annotations"', b'"categories"')
"""Keys that occur in every such file."""

_WHOLE = ("id", "image_id", "category_id", "height", "width", "iscrowd")
"""Keys whose values are whole numbers (ids may also be texts)."""

COUNTED_NAMES = 20
"""To find the folder of the images, at most so many names are looked up in each."""


class CocoJson(ABC):
    """One JSON file whose structure is checked.

    Args:
        file: the file.
        root: the data set's folder, below which the images lie.
        content: which of COCO's formats it should be, for errors.

    Attributes:
        images, annotations, categories: its three lists of objects.
        info: its description of itself; empty if it has none.
        path_notes: notes about images that were found elsewhere than the file says, once `paths` was called.

    Raises:
        ValueError: it is not JSON, or lacks one of these lists.
    """

    def __init__(self, file: Path, root: Path, content: str) -> None:
        self.file, self.root, self.content = file, root, content
        try:
            whole = json.loads(file.read_bytes())
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{file} is no JSON: {error}; is it whole?") from error
        self.check(isinstance(whole, dict), "holds no object at its top")
        self.images = self._list(whole, "images")
        self.annotations = self._list(whole, "annotations")
        self.categories = self._list(whole, "categories")
        for item in (*self.images, *self.annotations, *self.categories):
            _make_whole(item)
        self.path_notes: list[str] = []
        self.info: dict[str, Any] = whole["info"] if isinstance(whole.get("info"), dict) else {}

    @abstractmethod
    def classes(self, wanted: GivenClasses) -> tuple[Classes, list[str]]:
        """Return the classes of the ground truth, all or those that are wanted, and notes for people."""

    @abstractmethod
    def records(self, classes: Classes) -> tuple[list[Record], list[Record], list[str]]:
        """Return a record for each image with ground truth, those without, and notes for people."""

    def check(self, valid: bool, fault: str) -> None:
        """Raise a ValueError that names the file and its fault, unless it is valid."""
        if not valid:
            raise ValueError(f"{self.file} {fault}: this is not COCO's format of {self.content}")

    def sizes(self) -> dict[Any, Size]:
        """Height and width of each image, by its id; those of its file where the JSON states none."""
        sizes: dict[Any, Size] = {}
        for item in self.images:
            self.check(_is_image(item), f"has a broken entry in images: {str(item)[:200]}")
        without_size = [item for item in self.images if item.get("height") is None]
        paths = self.paths() if without_size else {}
        for item in without_size:
            item["height"], item["width"] = read_header(paths[item["file_name"]]).size
        for item in self.images:
            self.check(item["id"] not in sizes, f"has two images with the number {item['id']}")
            sizes[item["id"]] = (item["height"], item["width"])
        return sizes

    def check_category(self, item: dict[str, Any]) -> tuple[int, str]:
        """Return the id and the name of a category.

        Raises:
            ValueError: it lacks one of them.
        """
        key, name = item.get("id"), item.get("name")
        if type(key) is not int or not isinstance(name, str):
            raise ValueError(f"{self.file} has a category without a number or name: {str(item)[:80]}")
        return key, name

    def own_classes(self) -> Classes | None:
        """Return the classes that pixelwise left in the file when it wrote it; None if it did not."""
        try:
            return Classes.from_dict(self.info["classes"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def paths(self) -> dict[str, Path]:
        """The image's file for each name in the JSON, in the folder that holds most of them.

        Names that are not in there, such as absolute paths of another machine, are looked for below the data set's
        folder by the end of their path.

        Raises:
            ValueError: some are not there, or may be several files.
        """
        names = [item["file_name"] for item in self.images]
        folder = max(self._image_folders(), key=lambda place: _count_files(place, names))
        paths: dict[str, Path] = {}
        missing = []
        for name in names:
            path = folder / name.replace("\\", "/")
            if is_below(name) and path.is_file():
                paths[name] = path
            else:
                missing.append(name)
        if missing:
            paths |= self._search(missing, folder)
        return paths

    def _search(self, names: list[str], folder: Path) -> dict[str, Path]:
        """Find images that are not in the folder of the others."""
        finder = ImageFinder(self.root)
        paths: dict[str, Path] = {}
        lost = []
        for name in names:
            path = finder.find(name, self.file)
            if path is None:
                lost.append(name)
            else:
                paths[name] = path
        for name in lost:
            check_below(name, f"{self.file}: the image")
        if lost:
            raise ValueError(f"{self.file} names images that are not in {folder}: {few(lost)}")
        first = names[0]
        self.path_notes = [
            f"{counted(len(names), 'image is', 'images are')} elsewhere than {self.file.name} says: {first} was found "
            f"as {paths[first].relative_to(self.root)}"
        ]
        return paths

    def _list(self, whole: dict[str, Any], key: str) -> list[dict[str, Any]]:
        items = whole.get(key)
        valid = isinstance(items, list) and all(isinstance(item, dict) for item in items)
        self.check(valid, f'has no list of objects called "{key}"')
        assert isinstance(items, list)
        return items

    def _image_folders(self) -> list[Path]:
        """Folders that may hold the images, the likeliest first."""
        folders: list[Path] = []
        if self.file.parent != self.root and self.file.name.startswith("_"):  # Roboflow's, among its images
            folders.append(self.file.parent)
        words = [self.file.stem.partition("_")[2], split_of(self.file) or "", ""]
        own = self.file.parent
        for base in (self.root, self.root / "images", self.root / "data", own, own / "images", own.parent):
            for word in words:
                place = base / word
                if place.is_dir() and place.is_relative_to(self.root):
                    folders.append(place)
        return folders


def check_below(name: str, subject: str) -> None:
    """Refuse the name of a file that would lead out of the folder that it is looked for in.

    Raises:
        ValueError: it would; the error begins with `subject`.
    """
    if not is_below(name):
        raise ValueError(f"{subject} {name!r} lies outside the data: name it below the folder")


def is_below(name: str) -> bool:
    """Tell if the name of a file stays in the folder that it is looked for in."""
    path = PurePosixPath(name.replace("\\", "/"))
    return not (path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name)


def _is_image(item: dict[str, Any]) -> bool:
    """Tell if an entry of `images` has an id, a file, and either a size that can be read or none."""
    if type(item.get("id")) not in (int, str) or not isinstance(item.get("file_name"), str):
        return False
    height, width = item.get("height"), item.get("width")
    if height is None and width is None:
        return True
    if type(height) is not int or type(width) is not int:
        return False
    return height > 0 and width > 0 and height * width <= MAX_PIXELS


def _make_whole(item: dict[str, Any]) -> None:
    """Turn 1.0 into 1 and NaN into nothing, where only whole numbers can be: pandas writes them so."""
    for key in _WHOLE:
        value = item.get(key)
        if isinstance(value, float):
            if math.isnan(value):
                item[key] = None
            elif value.is_integer():
                item[key] = int(value)


def _count_files(folder: Path, names: Sequence[str]) -> int:
    inside = [name.replace("\\", "/") for name in names[:COUNTED_NAMES] if is_below(name)]
    return sum((folder / name).is_file() for name in inside)

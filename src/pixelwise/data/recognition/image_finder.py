"""Search for the image files that annotations name, below the data set's folder only.

Annotation files keep the paths of the machine, or of the server, on which they were made. An image is found by the
longest end of its path that lies below the data set's folder; nothing outside that folder is ever opened.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from ...images.file_names import list_images

_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the name of an uploaded file."""


class ImageFinder:
    """Index of the image files below a folder.

    Args:
        root: the folder of the data set.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images = list_images(file for file in root.rglob("*") if file.is_file())
        self._indices: list[tuple[Callable[[str], str], dict[str, list[Path]]]] = []
        # From the strictest comparison of file names to the loosest.
        for simplified in (_same, str.casefold, _without_prefix, _stem):
            index = defaultdict(list)
            for image in self.images:
                index[simplified(_normal(image.name))].append(image)
            self._indices.append((simplified, dict(index)))

    def find(self, name: str, beside: Path) -> Path | None:
        """Find the image that an annotation file names.

        Args:
            name: the image's name, path or URL, as it is written in the annotation file.
            beside: the annotation file; among images of the same name, the one whose folders are most like its own is
                chosen.

        Returns:
            The file; None if there is no such image.

        Raises:
            ValueError: several files fit equally well.
        """
        parts = path_parts(name)
        if not parts:
            return None
        for simplified, index in self._indices:
            candidates = index.get(simplified(parts[-1]), [])
            if candidates:
                return self._best(candidates, parts, beside, name)
        return None

    def _best(self, candidates: list[Path], parts: tuple[str, ...], beside: Path, name: str) -> Path:
        if len(candidates) == 1:
            return candidates[0]
        scores = {image: self._likeness(image, parts, beside) for image in candidates}
        best = max(scores.values())
        chosen = [image for image in candidates if scores[image] == best]
        if len(chosen) > 1:
            raise ValueError(
                f"{beside} names the image {name!r}, which may be {chosen[0]} or {chosen[1]}: "
                "give the images different names, or open one of the folders"
            )
        return chosen[0]

    def _likeness(self, image: Path, parts: tuple[str, ...], beside: Path) -> tuple[int, int, int]:
        """Measure how well a file fits: length of the common end, number of common folders, same folder or not."""
        folders = tuple(_normal(part) for part in image.relative_to(self.root).parts[:-1])
        tail = 0
        for own, given in zip(reversed(folders), reversed(parts[:-1]), strict=False):
            if own != given:
                break
            tail += 1
        own_folders = {_normal(part) for part in beside.relative_to(self.root).parts[:-1]}
        return tail, len(own_folders & set(folders)), int(image.parent == beside.parent)


def path_parts(name: str) -> tuple[str, ...]:
    """Split a path or URL of any system into its parts, without drive, server and `..`.

    >>> path_parts("C:\\\\photos\\\\a.jpg")
    ('photos', 'a.jpg')
    >>> path_parts("/data/local-files/?d=photos/a%20b.jpg")
    ('photos', 'a b.jpg')
    """
    text = name.replace("\\", "/").replace("\0", "")
    if "?d=" in text:  # Label Studio's local storage
        text = unquote(text.partition("?d=")[2])
    elif "://" in text or text.startswith("/data/"):
        text = unquote(text.partition("?")[0])
    parts = [part for part in PurePosixPath(_normal(text)).parts if part not in ("/", "..", ".")]
    if parts and re.fullmatch(r"[A-Za-z]+:", parts[0]):
        parts = parts[1:]
    return tuple(parts)


def _normal(text: str) -> str:
    """Composed Unicode: macOS writes names decomposed."""
    return unicodedata.normalize("NFC", text)


def _same(name: str) -> str:
    return name


def _without_prefix(name: str) -> str:
    return _UPLOAD_PREFIX.sub("", name.casefold())


def _stem(name: str) -> str:
    return PurePosixPath(name.casefold()).stem

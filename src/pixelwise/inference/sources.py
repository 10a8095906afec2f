"""Finding the images that files, folders and patterns name."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..images.file_names import CAMERA_SUFFIXES, HEIC_SUFFIXES, IMAGE_SUFFIXES, file_not_found
from ..images.modern_formats import HEIC_REMEDY, can_read_heic
from ..ops.phrases import few

MASK_ENDING = re.compile(r"(?i)[_\-. ](masks?|labels?|gt|seg|segmentation)$")
"""The endings of the names of masks that lie beside their images."""

File = tuple[Path, Path]
"""The folder that the name of an image is relative to, and the path of the image."""


class Sources(NamedTuple):
    """The files that sources name.

    Attributes:
        images: the images by the names of their results.
        masks: masks beside images, left out of folders.
        unreadable: images in folders that cannot be read here: HEIC without its decoder, raw data of cameras.
    """

    images: dict[str, Path]
    masks: tuple[Path, ...]
    unreadable: tuple[Path, ...]


def find_images(sources: Iterable[str | os.PathLike[str]], out: Path, formats: Iterable[str] = ()) -> Sources:
    """Find the images that the sources name, leaving out masks and earlier results.

    Args:
        sources: files, folders (with everything below them), and patterns.
        out: the folder of the results: what lies below it is an earlier result. Of a source that itself lies below
            it, only the folders of the formats hold earlier results.
        formats: the names of these folders.

    Returns:
        The images, and the files in folders that were left out.

    Raises:
        FileNotFoundError: a source does not exist.
        ValueError: there are no images at all, or two with the same name.
    """
    images: dict[str, Path] = {}
    masks: list[Path] = []
    unreadable: list[Path] = []
    for source in map(Path, sources):
        files = _without_results(list(_expanded(source)), source, out.resolve(), formats)
        if source.is_dir():
            files, masks_here = _without_masks(files)
            masks += masks_here
            unreadable += _unreadable(source)
        number_before = len(images)
        for base, path in files:
            name = path.relative_to(base).with_suffix("").as_posix()
            if images.setdefault(name, path).resolve() != path.resolve():
                raise ValueError(_name_clash(name, images[name], path))
        if source.is_dir() and len(images) == number_before:
            others = f"; {describe_unreadable(unreadable)}" if unreadable else ""
            raise ValueError(f"{source} holds no images ({', '.join(IMAGE_SUFFIXES)}){others}")
    if not images:
        raise ValueError("there are no images to predict: name files, folders or patterns")
    return Sources(images, tuple(masks), tuple(unreadable))


def describe_unreadable(files: Iterable[Path]) -> str:
    """Count and name images that cannot be read, by kind, with the remedy: "left out: 1 HEIC (a.heic; …)"."""
    by_kind: dict[str, list[str]] = {}
    for file in files:
        suffix = file.suffix.lower()
        by_kind.setdefault(CAMERA_SUFFIXES.get(suffix, "HEIC"), []).append(file.name)
    parts = []
    for kind, names in by_kind.items():
        remedy = HEIC_REMEDY if kind == "HEIC" else "raw data of a camera: develop them first"
        parts.append(f"{len(names)} {kind} ({few(names)}; {remedy})")
    return f"left out: {', '.join(parts)}"


def _unreadable(folder: Path) -> list[Path]:
    """The images of a folder that cannot be read here, sorted."""
    suffixes = set(CAMERA_SUFFIXES)
    if not can_read_heic():
        suffixes.update(HEIC_SUFFIXES)
    return [path for path in sorted(folder.rglob("*")) if _is_shown_file(path, folder, suffixes)]


def _name_clash(name: str, first: Path, second: Path) -> str:
    """Describe two images whose results would have the same name, and how to tell them apart."""
    advice = "give the folder of both"
    if first.parent == second.parent:
        advice = f"name one kind only, '{second.parent}/*{first.suffix}'"
    return f"{first} and {second} would both be written as {name!r}: {advice}, or predict them into two folders"


def _without_results(files: list[File], source: Path, out: Path, formats: Iterable[str]) -> list[File]:
    """Leave out the results of earlier predictions, unless one of them is named itself."""
    if source.is_file():
        return files
    source_is_below_out = out in (source.resolve() / "any").parents
    folders = {out / format for format in formats} if source_is_below_out else {out}
    return [(base, path) for base, path in files if not folders.intersection(path.resolve().parents)]


def _without_masks(files: list[File]) -> tuple[list[File], list[Path]]:
    """Leave out the masks of images beside them.

    Returns:
        The other files, and the masks.
    """
    masks = _masks([path for _, path in files])
    images = [(base, path) for base, path in files if path not in masks]
    return images, [path for _, path in files if path in masks]


def _masks(paths: Iterable[Path]) -> set[Path]:
    """Find the PNGs that are masks of an image beside them: a.png of a.jpg, a_mask.png of a.png."""
    by_stem: dict[Path, list[Path]] = {}
    for path in paths:
        by_stem.setdefault(path.with_suffix(""), []).append(path)
    masks = set()
    for stem, same_stem in by_stem.items():
        pngs = [path for path in same_stem if path.suffix.lower() == ".png"]
        beside_image = len(pngs) == 1 and len(same_stem) == 2
        image_stem = stem.with_name(MASK_ENDING.sub("", stem.name) or stem.name)
        if beside_image or (image_stem != stem and image_stem in by_stem):
            masks.update(pngs)
    return masks


def _expanded(source: Path) -> Iterator[File]:
    """Expand a file, folder or pattern into its images."""
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if _looks_like_an_image(path, source):
                yield source, path
    elif source.exists():
        yield source.parent, source
    elif glob.has_magic(str(source)):
        parts = source.parts
        first_magic = next(n for n, part in enumerate(parts) if glob.has_magic(part))
        base = Path(*parts[:first_magic])
        matches = sorted(base.glob("/".join(parts[first_magic:])))
        if not matches:
            raise FileNotFoundError(f"no file fits the pattern {source}")
        for path in matches:
            if _looks_like_an_image(path, base):
                yield base, path
    else:
        raise file_not_found(source)


def _looks_like_an_image(path: Path, base: Path) -> bool:
    suffixes = set(IMAGE_SUFFIXES)
    if can_read_heic():
        suffixes.update(HEIC_SUFFIXES)
    return _is_shown_file(path, base, suffixes)


def _is_shown_file(path: Path, base: Path, suffixes: set[str]) -> bool:
    """True for a file with one of the suffixes that is not hidden below `base`."""
    if path.suffix.lower() not in suffixes:
        return False
    hidden = any(part.startswith(".") for part in path.relative_to(base).parts)
    return not hidden and path.is_file()

"""Image files of drawn images, and their splits: of the annotations, of folders, or of lists of names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ....ops.phrases import few
from ...recognition.image_finder import ImageFinder
from ...recognition.pairs import Pair, Pairs
from ...recognition.path_words import folder_meaning
from ...recognition.splits import canonical_split, listed_splits
from .drawn_images import Drawings, DrawnImage


class LocatedImage(NamedTuple):
    """A drawn image, its file, and the splits that it is in; none if the data have no splits."""

    drawn: DrawnImage
    file: Path
    splits: tuple[str, ...]


def locate_images(drawings: Drawings) -> tuple[list[LocatedImage], list[Path]]:
    """Find the file and the splits of each drawn image.

    Returns:
        All images of the drawings, and the image files beside them that no annotation file names.

    Raises:
        ValueError: an image is not there, or is annotated more than once.
    """
    finder = ImageFinder(drawings.root)
    located, lost = list[LocatedImage](), list[DrawnImage]()
    for drawn in drawings.images:
        file = _find(finder, drawn)
        if file is None:
            lost.append(drawn)
        else:
            split = _split_of(drawings, drawn, file)
            located.append(LocatedImage(drawn, file, (split,) if split else ()))
    if lost:
        raise ValueError(
            f"{lost[0].source} names images that are not below {drawings.root}: {few(drawn.name for drawn in lost)}; "
            "put the images beside their annotations, or open the folder that holds both"
        )
    _check_once(located)
    unlabelled = _unlabelled(finder.images, {item.file for item in located})
    if not any(item.splits for item in located):
        located = _with_lists(drawings.root, located)
    return located, unlabelled


def _unlabelled(images: list[Path], used: set[Path]) -> list[Path]:
    """The images without annotations in the folders of those that have some."""
    folders = {file.parent for file in used}
    return [image for image in images if image.parent in folders and image not in used]


def _find(finder: ImageFinder, drawn: DrawnImage) -> Path | None:
    file = finder.find(drawn.name, drawn.source)
    if file is None and drawn.other_name is not None:
        file = finder.find(drawn.other_name, drawn.source)
    return file


def _with_lists(root: Path, located: list[LocatedImage]) -> list[LocatedImage]:
    """Add the splits of lists of names such as `train.txt` and `val.txt`, if there are any."""
    pairs = Pairs(root.absolute(), tuple(Pair(item.file.absolute(), item.file) for item in located), "")
    lists = listed_splits(pairs)
    listed: list[LocatedImage] = []
    for pair, item in zip(pairs.pairs, located, strict=True):
        splits = tuple(split for split, members in lists.items() if pair in members)
        listed.append(item._replace(splits=splits))
    return listed


def _check_once(located: list[LocatedImage]) -> None:
    sources: dict[Path, list[Path]] = {}
    for item in located:
        sources.setdefault(item.file, []).append(item.drawn.source)
    for file, found in sources.items():
        if len(found) > 1:
            raise ValueError(
                f"{file} is annotated {len(found)} times, in {few(dict.fromkeys(found))}: keep one of them"
            )


def _split_of(drawings: Drawings, drawn: DrawnImage, image: Path) -> str | None:
    """The split that the annotation file states, or that the folders of the image or of the file tell."""
    if drawn.split is not None:
        return canonical_split(drawn.split)
    source = drawn.source.relative_to(drawings.root)
    places: list[Sequence[str]] = [
        image.relative_to(drawings.root).parts[:-1],
        source.with_suffix("").parts if drawings.named_files else source.parts[:-1],
    ]
    for parts in places:
        split = folder_meaning(parts).split
        if split is not None:
            return split
    return None

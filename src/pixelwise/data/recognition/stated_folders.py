"""Pairs of images and masks in folders that are stated by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ...images.file_names import file_not_found
from ...ops.phrases import few
from .name_matching import match_names
from .pairs import Pair, Pairs, images_by_folder
from .path_words import folder_meaning

_Place = tuple[tuple[str, ...], tuple[str, ...]]
"""The folders above and below a stated folder, which images and their masks share."""


def pairs_in_stated_folders(root: Path, images: str | os.PathLike[str], masks: str | os.PathLike[str]) -> Pairs:
    """Pair the images of one folder with the masks of another by the names of files.

    A folder is stated by its name or the last parts of its path, and stands for all folders of this name below the
    root: `images` is both `training/images` and `test/images`, and images are paired with the masks beside them. It may
    also lie elsewhere.

    Raises:
        FileNotFoundError: there is no such folder, or no images in it.
        ValueError: no mask has the name of an image, or names are ambiguous.
    """
    image_folders, mask_folders = _places(root, Path(images)), _places(root, Path(masks))
    pairs: list[Pair] = []
    unpaired: list[Path] = []
    orphans: list[Path] = []
    notes: list[str] = []
    for place, files in image_folders.items():
        if place not in mask_folders:
            notes.append(f"{files[0].parent} has no folder {masks} beside it: left out")
            continue
        matches = match_names(files, mask_folders[place])
        split = folder_meaning((*place[0], *place[1])).split
        pairs += [Pair(image, mask, split) for image, mask in matches.pairs]
        unpaired += matches.unpaired
        orphans += matches.orphans
    if not pairs:
        image, mask = next(iter(image_folders.values()))[0], next(iter(mask_folders.values()))[0]
        raise ValueError(
            f"no mask has the name of an image: {image}, but {mask}; rename them, or list the pairs in train.txt, "
            "two paths a line"
        )
    if orphans:
        notes.append(f"masks without an image were left out: {few(mask.name for mask in orphans)}")
    ordered = tuple(sorted(pairs, key=lambda pair: pair.image))
    layout = f"images in {images} and masks in {masks}, as stated: {ordered[0].image.name} with {ordered[0].mask.name}"
    return Pairs(root.absolute(), ordered, layout, tuple(unpaired), tuple(notes))


def _places(root: Path, stated: Path) -> Mapping[_Place, list[Path]]:
    """The images in all folders of a stated name, and in those below them."""
    places: dict[_Place, list[Path]] = {}
    for folder, files in images_by_folder(root).items():
        parts = folder.relative_to(root.absolute()).parts
        for end in range(len(stated.parts), len(parts) + 1):
            begin = end - len(stated.parts)
            if parts[begin:end] == stated.parts:
                places[parts[:begin], parts[end:]] = files
                break
    if places:
        return places
    outside = root / stated if (root / stated).is_dir() else stated
    if not outside.is_dir():
        raise file_not_found(root / stated)
    places = {((), folder.relative_to(outside.absolute()).parts): f for folder, f in images_by_folder(outside).items()}
    if not places:
        raise FileNotFoundError(f"{outside} holds no images")
    return places

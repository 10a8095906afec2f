"""Folders of images and of masks whose names alone do not tell that they belong together: the names of files do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...images.header import read_header
from ...ops.phrases import few
from .masks.mask_scan import MAX_COLORS, scan
from .name_matching import match_names
from .path_words import FolderMeaning, folder_meaning

Folders = Mapping[Path, list[Path]]
"""The images in each folder."""


def loose_partners(folders: Folders, root: Path) -> list[tuple[Path, Path]]:
    """Find folders of images, each with a folder of masks: one of both has a usual name, and names of files match.

    Raises:
        ValueError: several folders fit equally well.
    """
    meanings = {folder: folder_meaning(folder.relative_to(root.absolute()).parts) for folder in folders}
    if any(meaning.role == "mask" for meaning in meanings.values()):
        partners = _images_of_masks(folders, meanings)
    else:
        partners = _masks_of_images(folders, meanings)
    masks_of: dict[Path, Path] = {}
    for images, masks in partners:
        if images in masks_of:
            raise ValueError(several_could_hold("the masks", images, (masks_of[images], masks)))
        masks_of[images] = masks
    return partners


def several_could_hold(what: str, images: Path, rivals: Iterable[Path]) -> str:
    """The error for folders that could all hold the same."""
    return (
        f"{few(rivals)} could each hold {what} of {images}: state which, as --images {images.name} --masks FOLDER, "
        "or move the others away"
    )


def could_be_masks(files: Sequence[Path]) -> bool:
    """Tell whether the first files look like masks: no JPEG, and few values or colours."""
    for file in files[:3]:
        if read_header(file).kind == "JPEG":
            return False
        found = scan([file])
        if max(len(found.numbers), len(found.colors)) > MAX_COLORS:
            return False
    return bool(files)


def _images_of_masks(folders: Folders, meanings: Mapping[Path, FolderMeaning]) -> list[tuple[Path, Path]]:
    """For each folder that is called masks, the closest folder of images with the same names."""
    partners = []
    for masks, meaning in meanings.items():
        if meaning.role != "mask":
            continue
        candidates = [
            folder
            for folder, other in meanings.items()
            if other.role != "mask" and _splits_agree(meaning, other) and _matched(folders[folder], folders[masks])
        ]
        if not candidates:
            continue
        ranks = {folder: (meanings[folder].role != "image", -_shared_parents(folder, masks)) for folder in candidates}
        best = [folder for folder in candidates if ranks[folder] == min(ranks.values())]
        if len(best) > 1:
            raise ValueError(
                f"{few(best)} could each hold the images of {masks}: state which, as --images FOLDER "
                f"--masks {masks.name}, or move the others away"
            )
        partners.append((best[0], masks))
    return partners


def _masks_of_images(folders: Folders, meanings: Mapping[Path, FolderMeaning]) -> list[tuple[Path, Path]]:
    """For each folder that is called images, the folder whose files have the same names and look like masks."""
    partners = []
    for images, meaning in meanings.items():
        if meaning.role != "image":
            continue
        candidates = [
            folder
            for folder, other in meanings.items()
            if other.role is None
            and _splits_agree(meaning, other)
            and 2 * _matched(folders[images], folders[folder]) >= len(folders[images])
            and could_be_masks(folders[folder])
        ]
        closest = max((_shared_parents(folder, images) for folder in candidates), default=0)
        best = [folder for folder in candidates if _shared_parents(folder, images) == closest]
        if len(best) > 1:
            raise ValueError(several_could_hold("the masks", images, best))
        partners += [(images, masks) for masks in best]
    return partners


def _matched(images: list[Path], masks: list[Path]) -> int:
    """How many images match a mask; 0 where names are ambiguous."""
    try:
        return len(match_names(images, masks).pairs)
    except ValueError:
        return 0


def _splits_agree(one: FolderMeaning, other: FolderMeaning) -> bool:
    return one.split is None or other.split is None or one.split == other.split


def _shared_parents(one: Path, other: Path) -> int:
    """The number of folders that both lie in."""
    return len(set(one.parents) & set(other.parents))

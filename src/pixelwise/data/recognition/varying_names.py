"""Matching of images with masks by the part of their names that varies: image_0 with mask_0, 100 with 100_lab."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from ...ops.phrases import few
from .path_words import is_mask_word

_SEPARATORS = re.compile(r"[^0-9a-z]+")
_LETTERS_OR_DIGITS = re.compile(r"\d+|[a-z]+")

_MASK_SUFFIXES = (".png", ".gif", ".bmp", ".tif", ".tiff")
"""Suffixes of files without lossy compression, as masks have them."""

Match = tuple[Path, Path]
"""An image and its mask."""


def match_varying(images: Sequence[Path], masks: Sequence[Path]) -> list[Match]:
    """Match images with masks after the words are removed that all names of one side share and the other side lacks.

    Names are cut into words at separators; if nothing matches, also between letters and digits, whose leading zeros
    are then ignored. Numbers are never removed, and a name that has nothing left matches none.

    Raises:
        ValueError: several masks match an image, or several images match a mask.
    """
    for words in (_words, _finer_words):
        matches = _match_words(images, masks, words)
        if matches:
            return matches
    return []


def match_in_one_folder(files: Sequence[Path]) -> list[Match]:
    """Match images with masks in the same folder: masks have a word such as "mask", or else another suffix than images.

    Suffixes decide only where each image matches a mask, and where images are JPEG files and masks are not.
    """
    masks = [file for file in files if any(map(is_mask_word, _finer_words(file.stem)))]
    marked = set(masks)
    matches = match_varying([file for file in files if file not in marked], masks)
    if matches:
        return matches
    photos = [file for file in files if file.suffix.lower() in (".jpg", ".jpeg")]
    others = [file for file in files if file.suffix.lower() in _MASK_SUFFIXES]
    if len(photos) != len(others) or len(photos) + len(others) < len(files):
        return []
    matches = match_varying(photos, others)
    return matches if len(matches) == len(photos) else []


def _match_words(images: Sequence[Path], masks: Sequence[Path], words: Callable[[str], list[str]]) -> list[Match]:
    image_words = {image: words(image.stem) for image in images}
    mask_words = {mask: words(mask.stem) for mask in masks}
    images_by_key = _by_key(image_words, _only_shared_by(image_words.values(), mask_words.values()))
    masks_by_key = _by_key(mask_words, _only_shared_by(mask_words.values(), image_words.values()))
    matches = []
    for key, same_images in images_by_key.items():
        same_masks = masks_by_key.get(key, [])
        if not same_masks:
            continue
        if len(same_masks) > 1:
            rivals = few(mask.name for mask in same_masks)
            raise ValueError(
                f"several masks in {same_masks[0].parent} could be that of {same_images[0]}: {rivals}; move all but "
                "one away, or list the pairs in train.txt, two paths a line"
            )
        if len(same_images) > 1:
            rivals = few(image.name for image in same_images)
            raise ValueError(
                f"{same_masks[0]} could be the mask of several images in {same_images[0].parent}: {rivals}; rename "
                "them, or list the pairs in train.txt, two paths a line"
            )
        matches.append((same_images[0], same_masks[0]))
    return matches


def _only_shared_by(own: Collection[list[str]], others: Collection[list[str]]) -> set[str]:
    """Words, but no numbers, that each of a side's own names has, and none of the others."""
    if not own:
        return set()
    shared = set.intersection(*map(set, own))
    foreign = set().union(*others)
    return {word for word in shared if word not in foreign and not word.isdigit()}


def _by_key(words: dict[Path, list[str]], removed: set[str]) -> dict[tuple[str, ...], list[Path]]:
    groups: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    for file, its_words in words.items():
        key = tuple(word for word in its_words if word not in removed)
        if key:
            groups[key].append(file)
    return groups


def _words(stem: str) -> list[str]:
    return [word for word in _SEPARATORS.split(stem.lower()) if word]


def _finer_words(stem: str) -> list[str]:
    parts = _LETTERS_OR_DIGITS.findall(stem.lower())
    return [part.lstrip("0") or "0" if part.isdigit() else part for part in parts]

"""Words in the names of folders and files: which of them mean images, masks or a split."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
"""Usual names of splits, and the name of each in pixelwise."""

_IMAGE = "images?|imgs?|pictures?|photos?|frames|inputs?|leftimg8bit"
_MASK = (
    "masks?|labels?|annotations?|annots?|gt|gtfine|ground|truth|groundtruth|segmentations?|seg|targets?|labelids|"
    "trimaps?|msks?|lbls?"
)
_MASK_IN_NAMES = re.compile(f"{_MASK}|lab|matte|manual|anno")
_GLUED = re.compile(f"({'|'.join(SPLIT_NAMES)})({_IMAGE}|{_MASK})")  # as in trainmasks
_SEPARATORS = re.compile(r"[_\-. ]+")
_CAPITALS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # between the words of PedMasks, PNGImages
_MASK_ENDING = re.compile(
    r"(?i)([_\-. ](mask|masks|label|labels|gt|seg|segmentation|annotation|groundtruth|truth|l))+$"
)
_MASK_START = re.compile(r"(?i)^(mask|label|gt|seg)[_\-. ]")
_IMAGE_ENDING = re.compile(r"(?i)[_\-. ](image|img|leftimg8bit|sat|rgb|photo)$")


class FolderMeaning(NamedTuple):
    """Meaning of a folder, by the words of its path.

    Attributes:
        role: "image" or "mask", the kind of files that it should hold; None if no word tells.
        split: "train", "val" or "test", or None.
        rest: the other words, which must be the same for images and their masks.
    """

    role: str | None
    split: str | None
    rest: tuple[str, ...]


def folder_meaning(parts: Sequence[str]) -> FolderMeaning:
    """Interpret the parts of a folder's path below the data set's folder."""
    role = split = None
    rest = []
    for word in _words(parts):
        if word in SPLIT_NAMES:
            split = SPLIT_NAMES[word]
        elif re.fullmatch(_MASK, word):
            role = "mask"
        elif re.fullmatch(_IMAGE, word):
            role = role or "image"
        else:
            rest.append(word)
    return FolderMeaning(role, split, tuple(rest))


def plain_mask_name(stem: str) -> str:
    """The name of a mask's file without words such as `_mask` at its end or start."""
    return _MASK_START.sub("", _MASK_ENDING.sub("", stem))


def plain_image_name(stem: str) -> str:
    """The name of an image's file without words such as `_image` at its end."""
    return _IMAGE_ENDING.sub("", stem)


def is_mask_word(word: str) -> bool:
    """Tell whether a word in the name of a file, in lower case, means a mask."""
    return _MASK_IN_NAMES.fullmatch(word) is not None


def _words(parts: Sequence[str]) -> list[str]:
    words: list[str] = []
    for part in parts:
        for word in _SEPARATORS.split(part):
            glued = _GLUED.fullmatch(word.lower())
            if glued:
                words += glued.groups()
            elif word:
                words += _words_between_capitals(word)
    return words


def _words_between_capitals(word: str) -> list[str]:
    """The words of PNGImages or PedMasks, if one of them has a meaning; otherwise the word as it is."""
    pieces = _CAPITALS.sub(" ", word).lower().split()
    if not _has_meaning(word.lower()) and any(map(_has_meaning, pieces)):
        return pieces
    return [word.lower()]


def _has_meaning(word: str) -> bool:
    return word in SPLIT_NAMES or re.fullmatch(f"{_IMAGE}|{_MASK}", word) is not None

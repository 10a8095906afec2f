"""Types of flags: text in, value out, or an error that says what is allowed."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

from ..classes import Classes
from ..data.recognition.known_classes import known_classes
from ..images.intensity import IntensityRange
from ..ops.names import suggest
from ..training.options import OptionError, mapping
from .known_names import CRF_FIELDS, CRFS

SHOWN = 20
"""An error lists all names that are allowed if there are no more than this."""

DEVICE_NAMES = "auto, cpu, cuda, cuda:N or mps"
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?|mps")


def whole(minimum: int) -> Callable[[str], int]:
    """Make the type of whole numbers from `minimum` on."""

    def convert(text: str) -> int:
        if not re.fullmatch(r"-?\d+", text) or int(text) < minimum:
            raise ArgumentTypeError(f"is {text!r}: it must be a whole number, {minimum} or more")
        return int(text)

    return convert


def number(requirement: str, is_allowed: Callable[[float], bool]) -> Callable[[str], float]:
    """Make the type of numbers within some range.

    Args:
        requirement: the range in words, "a share from 0 to below 1".
        is_allowed: whether a number lies in it; False for nan.
    """

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not is_allowed(value):
            raise ArgumentTypeError(f"is {text!r}: it must be {requirement}")
        return value

    return convert


def one_of(names: Sequence[str]) -> Callable[[str], str]:
    """Make the type of these names."""

    def convert(text: str) -> str:
        if text not in names:
            raise ArgumentTypeError(refusal(text, names))
        return text

    return convert


def refusal(text: str, names: Sequence[str]) -> str:
    """The end of an error for a name that is none of `names`; it follows the name of the flag.

    >>> refusal("bf61", ("fp32", "bf16"))
    "is 'bf61': it must be one of fp32, bf16 (did you mean 'bf16'?)"
    """
    if len(names) > SHOWN:
        return f"is {text!r}: there is no such name; {suggest(text, names)}"
    near = get_close_matches(text.lower(), names, 1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"is {text!r}: it must be one of {', '.join(names)}{hint}"


def some_of(names: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """Make the type of one or several of these names, separated by commas."""
    convert_one = one_of(names)

    def convert(text: str) -> tuple[str, ...]:
        return tuple(convert_one(part) for part in split(text))

    return convert


def split(text: str) -> tuple[str, ...]:
    """Split text at its commas.

    >>> split("overlay, table")
    ('overlay', 'table')
    """
    return tuple(part.strip() for part in text.split(","))


def device(text: str) -> str:
    """Check the name of a device; whether there is such a device here is checked when it is used."""
    if not _DEVICE.fullmatch(text):
        raise ArgumentTypeError(f"is {text!r}: it must be {DEVICE_NAMES}")
    return text


def scales(text: str) -> tuple[float, ...]:
    """Convert "0.75,1,1.25" to factors above 0."""
    positive = number("numbers above 0 like 0.75,1,1.25", lambda value: 0 < value < math.inf)
    try:
        return tuple(positive(part) for part in split(text))
    except ArgumentTypeError:
        raise ArgumentTypeError(f"is {text!r}: it must be numbers above 0 like 0.75,1,1.25") from None


def mask_values(text: str) -> tuple[int, ...]:
    """Convert "0,255" to values of mask pixels."""
    parts = split(text)
    if not all(re.fullmatch(r"\d{1,5}", part) and int(part) < 1 << 16 for part in parts):
        raise ArgumentTypeError(f"is {text!r}: it must be mask values from 0 to 65535, like 255 or 0,255")
    return tuple(int(part) for part in parts)


def intensity(text: str) -> IntensityRange:
    """Convert "0,3000" to an intensity range."""
    try:
        return IntensityRange.parse(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def image_size(text: str) -> tuple[int, int]:
    """Convert "512" or "512x1024" to height and width, pixels."""
    match = re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*))?", text)
    if not match:
        raise ArgumentTypeError(f"is {text!r}: it must be 512 or 512x1024, height first, pixels")
    return int(match[1]), int(match[2] or match[1])


def crf(text: str) -> str:
    """Check the name of CRF parameters and the keys of changes to them: "deeplabv2-voc,steps=5"."""
    for place, part in enumerate(split(text)):
        key, equals, value = part.partition("=")
        key = key.strip()
        if not equals and place == 0 and part:
            one_of(CRFS)(part)
        elif equals and key not in CRF_FIELDS:
            raise ArgumentTypeError(f"has the key {key!r}: {suggest(key, CRF_FIELDS)}")
        elif part and key != "normalization" and not _is_number(value):
            raise ArgumentTypeError(f"has {part!r}: write KEY=NUMBER, with commas between")
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def constructor_arguments(text: str) -> dict[str, Any]:
    """Convert "output_stride=8,auxiliary=true" to arguments of a method's constructor."""
    try:
        return mapping("arguments", text)
    except OptionError as error:
        raise ArgumentTypeError(error.text) from None


def class_names(text: str) -> Classes:
    """Convert "background,cell", or the name of a well-known data set, to classes."""
    if "," not in text:
        try:
            return known_classes(text)
        except ValueError as error:
            raise ArgumentTypeError(f"is {text!r}: {error}") from None
    names = split(text)
    return Classes(names, background=names.index("background") if "background" in names else None)

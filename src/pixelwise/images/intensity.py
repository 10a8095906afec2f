"""The intensity range of images with more than 8 bits: which stored values become 0 and 255."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

Limits = tuple[float, float]
"""The values that become 0 and 255."""

FORM = "LOW,HIGH with LOW below HIGH, or three of them for red, green and blue: 0,3000 or 0,3000;0,2800;0,2500"


@dataclass(frozen=True)
class IntensityRange:
    """A linear conversion of stored values to 8 bits: the low value becomes 0, the high one 255, others are clipped.

    It holds for images of 10 to 32 bits and of floating point; images of 8 bits are read as they are.

    Attributes:
        limits: (low, high) of all channels, or three of them, of red, green and blue.
        stated: whether a person chose it, rather than the data or a model.

    Raises:
        ValueError: there are not one or three pairs of finite numbers, or a low value is not below its high one.

    >>> IntensityRange.parse("112,2890").limits
    ((112.0, 2890.0),)
    """

    limits: tuple[Limits, ...]
    stated: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.limits) not in (1, 3) or not all(map(_is_valid, self.limits)):
            raise ValueError(f"is {str(self)!r}: it must be {FORM}")

    @classmethod
    def parse(cls, text: str) -> IntensityRange:
        """Convert "0,3000", or "0,3000;0,2800;0,2500" for red, green and blue; the result counts as stated.

        Raises:
            ValueError: the text says something else.
        """
        try:
            pairs = [_numbers(part) for part in text.split(";")]
            return cls.from_lists(pairs, stated=True)
        except ValueError:
            raise ValueError(f"is {text!r}: it must be {FORM}") from None

    @classmethod
    def from_lists(cls, pairs: Sequence[Sequence[float]], *, stated: bool = False) -> IntensityRange:
        """Make the range of one or three pairs, as `to_lists` gives them."""
        limits: list[Limits] = []
        for pair in pairs:
            low, high = pair
            limits.append((float(low), float(high)))
        return cls(tuple(limits), stated)

    @classmethod
    def window(cls, centre: float, width: float) -> IntensityRange:
        """Make the range of a window, as radiology states it: from `centre - width / 2` to `centre + width / 2`."""
        return cls(((centre - width / 2, centre + width / 2),), stated=True)

    def to_lists(self) -> list[list[float]]:
        """Return the pairs as lists, for JSON."""
        return [list(pair) for pair in self.limits]

    def __str__(self) -> str:
        """The range as `parse` reads it."""
        return ";".join(f"{low:.7g},{high:.7g}" for low, high in self.limits)

    def in_words(self) -> str:
        """Describe the range for people: "112 to 2890", or the same for red, green and blue."""
        texts = [f"{low:.5g} to {high:.5g}" for low, high in self.limits]
        if len(texts) == 1:
            return texts[0]
        return f"{texts[0]} (red), {texts[1]} (green), {texts[2]} (blue)"


def as_intensity(value: IntensityRange | str | Sequence[float] | None) -> IntensityRange | None:
    """Convert what a person states: a range, its text, or a pair of numbers.

    Raises:
        ValueError: it is no range; the message follows the word "intensity".
    """
    if value is None:
        return None
    try:
        if isinstance(value, str):
            return IntensityRange.parse(value)
        if isinstance(value, IntensityRange):
            return IntensityRange(value.limits, stated=True)
        return IntensityRange.from_lists([value], stated=True)
    except (TypeError, ValueError) as error:
        text = str(error) if str(error).startswith("is ") else f"is {value!r}: it must be {FORM}"
        raise ValueError(f"intensity {text}") from None


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",")]


def _is_valid(pair: Limits) -> bool:
    low, high = pair
    return math.isfinite(low) and math.isfinite(high) and low < high

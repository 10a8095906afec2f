"""What the numbers and colours in masks mean: recognised where that is safe, said in words, and held to afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ...classes import MAX_CLASSES, VOID, Classes, Color
from ...images.header import read_header, read_palette
from ...images.reading import read_mask
from ...ops.phrases import few
from ...types import Array
from .class_names import make_classes, two_classes
from .class_spec import ClassSpec

SCANNED_MASKS = 200
SCANNED_PIXELS = 60_000_000
"""To learn what masks hold, at most so many of them are read, evenly spaced, and about so many pixels in all."""

_UNKNOWN = 254
_MANY = 64


@dataclass(frozen=True)
class MaskValues:
    """How the numbers of masks become classes.

    Attributes:
        classes: what they become.
        values: (value in the mask, class or VOID), of masks that hold numbers or the indices of a palette.
        colors: (colour in the mask, class or VOID), of masks that are images; then `values` are not looked at.
    """

    classes: Classes
    values: tuple[tuple[int, int], ...] = ()
    colors: tuple[tuple[Color, int], ...] = ()

    def class_map(self, path: Path) -> Tensor:
        """(H, W) uint8: the class of each pixel of a mask's file, 255 where it is void.

        Raises:
            FileNotFoundError, ValueError: the file cannot be read, or holds a value that means nothing.
        """
        found = read_mask(path)
        class_map = self._from_colors(path, found) if self.colors else self._from_values(path, found)
        return torch.from_numpy(class_map)

    def _from_values(self, path: Path, found: Array) -> Array:
        if found.ndim == 3:
            raise ValueError(f"{path} is a mask in colours, unlike the others: state --colors name=r,g,b;…")
        known = dict(self.values)
        if found.dtype != np.uint8:
            low, high = int(found.min()), int(found.max())
            if low < 0 or high > 65535:
                raise ValueError(f"{path} holds {low if low < 0 else high}: a mask holds 0 to 65535")
            found = found.astype(np.uint16)
        size = 256 if found.dtype == np.uint8 else 65536
        table = np.full(size, _UNKNOWN, np.uint8)
        for value, k in known.items():
            if value < size:
                table[value] = k
        class_map = cv2.LUT(found, table) if size == 256 else table[found]
        if not set(range(size)) <= set(known):
            suspects = np.unique(found[class_map == _UNKNOWN]).tolist()
            wrong = [value for value in suspects if value not in known]
            if wrong:
                raise ValueError(
                    f"{path} holds {few(wrong)}, which {'are no classes' if len(wrong) > 1 else 'is no class'}: "
                    f"allowed are {self._allowed()}; name all classes with --classes, or say --void {wrong[0]}"
                )
        return np.asarray(class_map)

    def _allowed(self) -> str:
        return few((f"{v} ({self.classes.names[k] if k != VOID else 'void'})" for v, k in sorted(self.values)), 12)

    def _from_colors(self, path: Path, found: Array) -> Array:
        packed = pack(path, found)
        class_map = np.full(packed.shape, _UNKNOWN, np.uint8)
        unknown = np.ones(packed.shape, bool)
        for color, k in self.colors:
            here = packed == _number(color)
            class_map[here] = k
            unknown &= ~here
        if unknown.any():
            color = _color(int(packed[unknown][0]))
            close = min(self.colors, key=lambda pair: sum((a - b) ** 2 for a, b in zip(pair[0], color, strict=True)))
            raise ValueError(
                f"{path} holds the colour {color} at {int(unknown.sum())} pixels, which means nothing: "
                f"the nearest known one is {close[0]}; state it with --colors, or save masks as PNG, edges unblurred"
            )
        return class_map


def recognise(masks: Sequence[Path], stated: ClassSpec) -> tuple[MaskValues, tuple[str, ...]]:
    """What the numbers in these masks mean, and what to tell people about it.

    255 is void, unless masks hold nothing but 0 and 255, which are then two classes (an error, where more are named and
    nobody said that 255 is void). In turn: colours as stated; 0 and
    255; 0 and 1; numbers 0 to C - 1; numbers 1 to C (one is taken off); as many values as there are names, in ascending
    order; grey edges between 0 and 255, cut in the middle. Anything else is an error.

    Raises:
        ValueError: there are no masks, they hold one value only, values that do not fit the stated classes, or so many
            that they cannot be classes.
    """
    if not masks:
        raise ValueError("there are no masks to learn the classes from")
    if stated.colors:
        colors = dict(stated.colors)
        classes = stated.classes or Classes.numbered(len(set(colors.values()) - {VOID}))
        read = few((f"{c} as {classes.names[k]!r}" if k != VOID else f"{c} as void" for c, k in colors.items()), 12)
        return MaskValues(classes, colors=stated.colors), (f"mask colours are read {stated.source}: {read}",)
    chosen = evenly(masks)
    numbers, shades, first = scan(chosen)
    values, notes = _from_colors(shades, first, stated) if shades else _from_numbers(numbers, first, stated)
    seen = f"what masks hold was learnt from {len(chosen)} of the {len(masks)}, evenly spaced"
    return values, notes + ((seen,) if len(chosen) < len(masks) else ())


def pack(path: Path, found: Array) -> Array:
    """(H, W) int32: red, green and blue of each pixel in one number; of palette masks, the indices' colours."""
    if found.ndim == 3:
        red, green, blue = (found[..., k].astype(np.int32) for k in range(3))
        return np.asarray((red << 16) + (green << 8) + blue)
    palette = read_palette(path)
    grey = palette or tuple((v, v, v) for v in range(256))
    table = np.array([_number(color) for color in grey] + [-1] * (65536 - len(grey)), np.int32)
    return np.asarray(table[found.clip(0, 65535)])


def _number(color: Color) -> int:
    return (color[0] << 16) + (color[1] << 8) + color[2]


def _color(number: int) -> Color:
    return number >> 16, number >> 8 & 255, number & 255


def evenly(masks: Sequence[Path]) -> list[Path]:
    """So many of the masks that looking at them all is quick, at even steps."""
    height, width = read_header(masks[0]).size
    number = min(len(masks), SCANNED_MASKS, max(20, SCANNED_PIXELS // (height * width)))
    return [masks[k * len(masks) // number] for k in range(number)]


def scan(masks: Sequence[Path]) -> tuple[Counter[int], Counter[Color], dict[int | Color, Path]]:
    """How many pixels hold each value, each colour (none where no mask is in colours), the first file of each."""
    numbers: Counter[int] = Counter()
    colors: Counter[Color] = Counter()
    first: dict[int | Color, Path] = {}
    for path in masks:
        found = read_mask(path)
        if found.ndim == 3:
            packed, pixels = np.unique(pack(path, found), return_counts=True)
            shades = [_color(number) for number in packed[: 4 * _MANY].tolist()]
            colors.update(dict(zip(shades, pixels.tolist(), strict=False)))
            first = {**dict.fromkeys(shades, path), **first}
        else:
            values, pixels = _count(found)
            numbers.update(dict(zip(values.tolist(), pixels.tolist(), strict=True)))
            first = {**dict.fromkeys(values.tolist(), path), **first}
    if colors:
        colors.update({(v, v, v): n for v, n in numbers.items() if v < 256})
        first |= {(v, v, v): first[v] for v in numbers}
    return numbers, colors, first


def _count(found: Array) -> tuple[Array, Array]:
    if found.dtype != np.uint8:
        return np.unique(found, return_counts=True)
    pixels = np.bincount(found.ravel(), minlength=256)
    return pixels.nonzero()[0], pixels[pixels > 0]


def _from_colors(
    counts: Counter[Color], first: dict[int | Color, Path], stated: ClassSpec
) -> tuple[MaskValues, tuple[str, ...]]:
    found = sorted(counts)
    if len(found) > _MANY:
        raise ValueError(
            f"{first[found[1]]}: the masks hold more than {_MANY} different colours, so that edges are blurred "
            'or this is no mask: save masks as PNG without smoothing, or state --colors "name=r,g,b;name=r,g,b"'
        )
    if stated.classes is not None:
        names = [*stated.classes.names, *("void",) * len(found)]
        example = ";".join(f"{n}={r},{g},{b}" for n, (r, g, b) in zip(names, found, strict=False))
        more = f"; void is no class: there are {len(found)} colours" if len(found) > len(stated.classes) else ""
        raise ValueError(
            f"{first[found[0]]}: the masks are in colours ({few(found, 12)}), and nobody said which is which class: "
            f'state it, for example --colors "{example}"{more}'
        )
    pair = ("background", "foreground") if len(found) == 2 and found[0] == (0, 0, 0) else ()
    classes = make_classes(pair or ["#%02x%02x%02x" % color for color in found], colors=found)  # noqa: UP031
    read = few((f"{color} as {name!r}" for color, name in zip(found, classes.names, strict=True)), 12)
    note = f'masks are in colours: read {read}; name them with --colors "name=r,g,b;…"'
    return MaskValues(classes, colors=tuple((color, k) for k, color in enumerate(found))), (note,)


def _from_numbers(
    counts: Counter[int], first: dict[int | Color, Path], stated: ClassSpec
) -> tuple[MaskValues, tuple[str, ...]]:
    """The classes, which value is which, and in words what the masks hold and how that is read."""
    void = set(stated.void)
    body = sorted(set(counts) - void)
    if not body:
        raise ValueError(
            f"{next(iter(first.values()))}: the masks hold nothing but {_and(sorted(void))}, which is void"
        )
    found = (
        _given(stated)
        or _two(body, counts, stated.classes)
        or _named(body, counts, void, first, stated.classes)
        or _unnamed(body, void, first)
    )
    found, left = _without(found, void)
    known = {255: VOID} | found.values | dict.fromkeys(void, VOID)
    wrong = sorted(set(counts) - set(known))
    if wrong:
        raise ValueError(
            f"{first[wrong[0]]} holds {few(wrong)}, which means nothing: known are {few(sorted(known), 12)}; "
            f"name all classes, or say --void {wrong[0]}"
        )
    read = few((f"{v} as {found.classes.names[k]!r}" for v, k in found.values.items() if v in counts), 12)
    voids = sorted(v for v in counts if known[v] == VOID)
    source = f" ({stated.source})" if stated.source else "; name them with --classes"
    notes = [f"masks hold {found.held or _and(sorted(counts))}: read {found.how or read}{source}"]
    if voids:
        notes.append(f"{_and(voids)} is void: not learnt, not counted")
    if left:
        notes.append(f"{few(left)} is no class, because its value is void")
    return MaskValues(found.classes, tuple(sorted(known.items()))), tuple(notes)


@dataclass(frozen=True)
class _Reading:
    """One way to read masks: the classes, which value is which, how that is called, and what the masks hold."""

    classes: Classes
    values: dict[int, int]
    how: str = ""
    held: str = ""


def _given(stated: ClassSpec) -> _Reading | None:
    return _Reading(stated.classes, dict(stated.values)) if stated.classes and stated.values else None


def _without(found: _Reading, void: set[int]) -> tuple[_Reading, list[str]]:
    """The same without the classes all of whose values are void, and the names of these."""
    values = {v: k for v, k in found.values.items() if v not in void}
    kept = sorted(set(values.values()))
    left = [name for k, name in enumerate(found.classes.names) if k not in kept]
    if not left:
        return found, left
    values = {v: kept.index(k) for v, k in values.items()}
    return replace(found, classes=found.classes.select(kept), values=values), left


def _two(body: list[int], counts: Counter[int], names: Classes | None) -> _Reading | None:
    """Masks of two classes: 0 and 255, with or without grey edges, or 0 and 1."""
    if names is not None and len(names) > 2:
        return None
    two = two_classes() if names is None else names if len(names) == 2 else two_classes(names.names[0])
    if 255 in body and set(body) <= {0, 255}:
        return _Reading(two, {0: 0, 255: 1})
    if set(body) <= {0, 1, 255} and (names is not None or 1 in body):
        return _Reading(two, {0: 0, 1: 1})
    if held := _grey_edges(body, counts):
        how = f"below 128 as {two.names[0]!r}, the rest as {two.names[1]!r}"
        return _Reading(two, {v: int(v >= 128) for v in range(256)}, how, held)
    return None


def _grey_edges(body: list[int], counts: Counter[int]) -> str:
    """In words what masks of 0 and 255 with grey edges hold, dark and bright ones; nothing where they are no such."""
    between = sum(counts[v] for v in body if 32 <= v < 224)
    bright = any(224 <= v < 255 for v in body)
    if not {0, 255} <= set(body) or body[-1] > 255 or len(body) <= 16 or not bright or between >= 0.05 * counts.total():
        return ""
    grey = sum(counts[v] for v in body if 0 < v < 255) / counts.total()
    return f"0 and 255, and grey edges ({grey:.1%} of the pixels)"


def _named(
    body: list[int], counts: Counter[int], void: set[int], first: dict[int | Color, Path], names: Classes | None
) -> _Reading | None:
    """Masks of as many classes as somebody named."""
    if names is None:
        return None
    number, plain = len(names), [v for v in body if v != 255]
    high = max(plain, default=0)
    held = "0 and 255" if body == [0, 255] else _grey_edges(body, counts) if number <= high else ""
    if held and number not in (len(body), len(plain)):
        raise ValueError(
            f"{first[255]}: {number} names ({few(names.names)}), but the masks hold 2 values ({held}): give 2 names, "
            "or one, that of 255, and 0 is the background" + ("; or say --void 255" if body == [0, 255] else "")
        )
    if (0 in void and 0 < high <= number) or (0 not in body and high == number):
        return _Reading(names, {v: v - 1 for v in range(1, number + 1)}, _shifted(number))
    if high < number:
        return _Reading(names, {v: v for v in range(number)}, "as they are")
    if number in (len(body), len(plain)):
        chosen = body if number == len(body) else plain
        read = few((f"{v} as {name!r}" for v, name in zip(chosen, names.names, strict=True)), 12)
        return _Reading(names, {v: k for k, v in enumerate(chosen)}, f"in ascending order, {read}")
    wrong = next(v for v in plain if v >= number)
    raise ValueError(
        f"{first[wrong]} holds {wrong}, but the {number} classes are numbered 0 to {number - 1} and 255 is void: "
        f"name all classes, or say --void {wrong}"
    )


def _unnamed(body: list[int], void: set[int], first: dict[int | Color, Path]) -> _Reading:
    """Masks whose classes nobody named: they are numbered."""
    plain = [v for v in body if v != 255]
    if plain in ([], [0]):
        raise ValueError(
            f"{first[body[0]]}: the masks hold nothing but {_and(body)}: there is nothing to tell apart; "
            "is this the folder of the masks?"
        )
    high = plain[-1]
    if len(plain) > MAX_CLASSES * 3 // 4 or high > 65535:
        raise ValueError(
            f"{first[plain[1]]}: the masks hold {len(body)} different values, too many for classes: is this a grey "
            "image, or a mask with blurred edges (JPEG)? Save masks as PNG; say --format label-map where each "
            "object has a number of its own"
        )
    if 0 in void or plain == list(range(1, high + 1)):
        return _Reading(Classes.numbered(high), {v: v - 1 for v in range(1, high + 1)}, _shifted(high))
    if high >= 3 * len(body):
        how = f"as classes 0 to {len(body) - 1}, in ascending order"
        return _Reading(Classes.numbered(len(body)), {v: k for k, v in enumerate(body)}, how)
    return _Reading(Classes.numbered(high + 1), {v: v for v in range(high + 1)}, "as class numbers")


def _shifted(number: int) -> str:
    return f"as classes 0 to {number - 1}, shifted by one: there is no 0"


def _and(values: Sequence[int]) -> str:
    return " and ".join(map(str, values)) if len(values) < 3 else few(values, 12)

"""Recognition of mask values: the meaning of numbers and colours, where it is safe, explained in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ....classes import MAX_CLASSES, VOID, Classes
from ....images.header import read_header
from ....ops.phrases import few
from ..class_names import make_classes, two_classes
from ..class_spec import ClassSpec
from .mask_scan import MAX_COLORS, MaskScan, scan, spread
from .mask_values import MaskValues
from .object_numbers import could_be_objects
from .soft_edges import are_soft_edges

Recognised = tuple[MaskValues, tuple[str, ...]]
"""The meaning of mask values, and notes for people that explain it."""


def recognise(masks: Sequence[Path], spec: ClassSpec) -> Recognised:
    """Recognise what the numbers or colours in these masks mean, and explain it.

    255 is void, unless masks hold nothing but 0 and 255, which are then two classes (an error, where more are named and
    nobody said that 255 is void). In turn: colours as stated; 0 and 255; 0 and 1; numbers 0 to C - 1; numbers 1 to C
    (one is subtracted); as many values as there are names, in ascending order; grey edges between 0 and 255, cut in the
    middle. Anything else is an error.

    Raises:
        ValueError: there are no masks, or they hold only one value, values that do not fit the stated classes, or so
            many values that they cannot be classes.
    """
    if not masks:
        raise ValueError("there are no masks to learn the classes from")
    if spec.colors:
        return _stated_colors(spec)
    chosen = spread(masks)
    found = scan(chosen)
    values, notes = _from_colors(found, spec) if found.colors else _from_numbers(found, spec, chosen)
    if len(chosen) < len(masks):
        notes = (*notes, f"what masks hold was learnt from {len(chosen)} of the {len(masks)}, evenly spaced")
    return values, notes


def _stated_colors(spec: ClassSpec) -> Recognised:
    colors = dict(spec.colors)
    classes = spec.classes or Classes.numbered(len(set(colors.values()) - {VOID}))
    names = dict(enumerate(map(repr, classes.names))) | {VOID: "void"}
    read = few((f"{color} as {names[k]}" for color, k in colors.items()), 12)
    return MaskValues(classes, colors=spec.colors), (f"mask colours are read {spec.source}: {read}",)


def _from_colors(scan: MaskScan, spec: ClassSpec) -> Recognised:
    """Masks in colours that nobody named: each colour is a class."""
    colors = sorted(scan.colors)
    if len(colors) > MAX_COLORS:
        raise ValueError(
            f"{scan.first[colors[1]]}: the masks hold more than {MAX_COLORS} different colours, so that edges are "
            'blurred or this is no mask: save masks as PNG without smoothing, or state --colors "name=r,g,b;name=r,g,b"'
        )
    if spec.classes is not None:
        names = [*spec.classes.names, *("void",) * len(colors)]
        example = ";".join(f"{name}={r},{g},{b}" for name, (r, g, b) in zip(names, colors, strict=False))
        more = f"; void is no class: there are {len(colors)} colours" if len(colors) > len(spec.classes) else ""
        raise ValueError(
            f"{scan.first[colors[0]]}: the masks are in colours ({few(colors, 12)}), and nobody said which is which "
            f'class: state it, for example --colors "{example}"{more}'
        )
    if len(colors) == 2 and colors[0] == (0, 0, 0):
        names = ["background", "foreground"]
    else:
        names = ["#%02x%02x%02x" % color for color in colors]  # noqa: UP031
    classes = make_classes(names, colors=colors)
    read = few((f"{color} as {name!r}" for color, name in zip(colors, names, strict=True)), 12)
    note = f'masks are in colours: read {read}; name them with --colors "name=r,g,b;…"'
    return MaskValues(classes, colors=tuple((color, k) for k, color in enumerate(colors))), (note,)


@dataclass(frozen=True)
class _Reading:
    """One way to read masks of numbers.

    Attributes:
        classes: the classes.
        values: the class of each value.
        how: how values become classes, in words; empty to list them.
        held: what the masks hold, in words; empty to list the values.
    """

    classes: Classes
    values: dict[int, int]
    how: str = ""
    held: str = ""


@dataclass(frozen=True)
class _Numbers:
    """Numbers in masks.

    Attributes:
        values: the numbers in ascending order, without those that are stated to be void.
        counts: pixels with each number, with those that are void.
        void: numbers that are stated to be void.
        first: the first file with each number.
        masks: the files.
    """

    values: list[int]
    counts: Counter[int]
    void: set[int]
    first: dict[int, Path]

    masks: Sequence[Path] = ()

    @property
    def usual(self) -> list[int]:
        """The values but 255, which is void by custom."""
        return [v for v in self.values if v != 255]

    @cached_property
    def grey_edges(self) -> str:
        """Describe masks of 0 and 255 with grey edges, dark and bright ones; empty if they are not such masks."""
        body, total = self.values, self.counts.total()
        if not {0, 255} <= set(body) or body[-1] > 255 or len(body) < 3:
            return ""
        between = sum(self.counts[v] for v in body if 32 <= v < 224)
        bright = any(224 <= v < 255 for v in body)
        many = len(body) > 16 and bright and between < 0.05 * total
        levels = [v for v in body if 0 < v < 255]
        if not many and (len(levels) == 1 or not are_soft_edges(self.masks, levels, 0, 255)):
            return ""
        grey = sum(self.counts[v] for v in levels) / total
        return f"0 and 255, and grey edges ({grey:.1%} of the pixels)"

    @cached_property
    def jpeg(self) -> Path | None:
        """The first mask that is a JPEG file; None if there is none."""
        return next((path for path in self.masks if read_header(path).kind == "JPEG"), None)

    @cached_property
    def jpeg_noise(self) -> str:
        """Describe masks of 0 and 255 with the noise of JPEG around both; empty if they are not such masks."""
        body, total = self.values, self.counts.total()
        between = sum(self.counts[v] for v in body if 32 <= v < 224)
        if self.jpeg is None or body[0] > 8 or not 247 <= body[-1] <= 255 or between >= 0.05 * total:
            return ""
        noise = sum(self.counts[v] for v in body if 0 < v < 255) / total
        return f"0 and 255 with the noise of JPEG ({noise:.1%} of the pixels)"


def _from_numbers(scan: MaskScan, spec: ClassSpec, masks: Sequence[Path]) -> Recognised:
    """Masks of numbers."""
    void = set(spec.void)
    first = {number: scan.first[number] for number in scan.numbers}
    numbers = _Numbers(sorted(set(scan.numbers) - void), scan.numbers, void, first, masks)
    if not numbers.values:
        raise ValueError(
            f"{next(iter(first.values()))}: the masks hold nothing but {_list(sorted(void))}, which is void"
        )
    _check_jpeg(numbers)
    reading, dropped = _without_void(_read_numbers(numbers, spec), void)
    known = {255: VOID} | reading.values | dict.fromkeys(void, VOID)
    wrong = sorted(set(scan.numbers) - set(known))
    if wrong:
        raise ValueError(
            f"{first[wrong[0]]} holds {few(wrong)}, which means nothing: known are {few(sorted(known), 12)}; "
            f"name all classes, or say --void {wrong[0]}"
        )
    return MaskValues(reading.classes, tuple(sorted(known.items()))), _explain(reading, dropped, known, numbers, spec)


def _check_jpeg(numbers: _Numbers) -> None:
    """Refuse JPEG files, whose compression changes class numbers, unless they hold only black and white."""
    if numbers.jpeg is not None and numbers.values != [0, 255] and not (numbers.grey_edges or numbers.jpeg_noise):
        raise ValueError(
            f"{numbers.jpeg} is a JPEG, whose compression turns class numbers into others close by (these masks hold "
            f"{_list(numbers.values)}): save masks as PNG from their source, because the numbers cannot be restored"
        )


def _has_one_edge_level(numbers: _Numbers) -> bool:
    """Tell whether masks hold 0, 255 and one grey level that occurs only along the borders between both."""
    low, *levels = numbers.values
    if low != 0 or len(levels) != 2 or levels[1] != 255:
        return False
    return are_soft_edges(numbers.masks, levels[:1], 0, 255)


def _read_numbers(numbers: _Numbers, spec: ClassSpec) -> _Reading:
    """The first way to read masks that fits."""
    names = spec.classes
    if names is not None and spec.values:
        return _Reading(names, dict(spec.values))
    if names is None or len(names) <= 2:
        two = _two_values(numbers, names)
        if two:
            return two
    return _unnamed(numbers) if names is None else _named(numbers, names)


def _explain(
    reading: _Reading, dropped: list[str], known: dict[int, int], numbers: _Numbers, spec: ClassSpec
) -> tuple[str, ...]:
    """Explain in sentences what masks hold, how that is read, and what is void."""
    names = reading.classes.names
    read = few((f"{v} as {names[k]!r}" for v, k in reading.values.items() if v in numbers.counts), 12)
    source = f" ({spec.source})" if spec.source else "; name them with --classes"
    held = reading.held or _list(sorted(numbers.counts))
    notes = [f"masks hold {held}: read {reading.how or read}{source}"]
    voids = sorted(v for v in numbers.counts if known[v] == VOID)
    if voids:
        notes.append(f"{_list(voids)} is void: not learnt, not counted")
    if spec.classes is None and len(reading.classes) > 2 and could_be_objects(numbers.masks):
        notes.append(
            "the numbers of each mask run from 1 without a gap, and each is one region: if they count objects, say "
            "--format label-map"
        )
    if dropped:
        notes.append(f"{few(dropped)} is no class, because its value is void")
    return tuple(notes)


def _without_void(reading: _Reading, void: set[int]) -> tuple[_Reading, list[str]]:
    """The reading without classes all of whose values are void, and the names of these classes."""
    values = {v: k for v, k in reading.values.items() if v not in void}
    kept = sorted(set(values.values()))
    dropped = [name for k, name in enumerate(reading.classes.names) if k not in kept]
    if not dropped:
        return reading, dropped
    renumbered = {v: kept.index(k) for v, k in values.items()}
    return replace(reading, classes=reading.classes.select(kept), values=renumbered), dropped


def _two_values(numbers: _Numbers, names: Classes | None) -> _Reading | None:
    """Masks of two classes: 0 and 255, with or without grey edges, or 0 and 1."""
    if names is None:
        two = two_classes()
    elif len(names) == 1:
        two = two_classes(names.names[0])
    else:
        two = names
    values = set(numbers.values)
    if 255 in values and values <= {0, 255}:
        return _Reading(two, {0: 0, 255: 1})
    if values <= {0, 1, 255} and (names is not None or 1 in values):
        return _Reading(two, {0: 0, 1: 1})
    held = numbers.grey_edges or numbers.jpeg_noise
    if names is not None and not held and _has_one_edge_level(numbers):
        held = f"0 and 255, and {numbers.values[1]} along their borders"
    if held:
        how = f"below 128 as {two.names[0]!r}, the rest as {two.names[1]!r}"
        return _Reading(two, {v: int(v >= 128) for v in range(256)}, how, held)
    return None


def _named(numbers: _Numbers, names: Classes) -> _Reading:
    """Masks of as many classes as there are names."""
    number, values, usual = len(names), numbers.values, numbers.usual
    highest = max(usual, default=0)
    _check_not_two(numbers, names, highest)
    starts_at_one = (0 in numbers.void and 0 < highest <= number) or (0 not in values and highest == number)
    if starts_at_one:
        return _Reading(names, {v: v - 1 for v in range(1, number + 1)}, _shifted(number))
    if highest < number:
        return _Reading(names, {v: v for v in range(number)}, "as they are")
    for chosen in (values, usual):
        if number == len(chosen):
            return _in_order(chosen, names)
    wrong = next(v for v in usual if v >= number)
    raise ValueError(
        f"{numbers.first[wrong]} holds {wrong}, but the {number} classes are numbered 0 to {number - 1} and 255 is "
        f"void: name all classes, or say --void {wrong}"
    )


def _in_order(values: list[int], names: Classes) -> _Reading:
    """Read as many values as there are names, in ascending order."""
    read = few((f"{v} as {name!r}" for v, name in zip(values, names.names, strict=True)), 12)
    return _Reading(names, {v: k for k, v in enumerate(values)}, f"in ascending order, {read}")


def _check_not_two(numbers: _Numbers, names: Classes, highest: int) -> None:
    """Refuse several names for masks of 0 and 255, with or without grey edges: is 255 a class or void?"""
    two_values = numbers.values == [0, 255]
    held = ""
    if two_values:
        held = "0 and 255"
    elif len(names) <= highest:
        held = numbers.grey_edges
    if held and len(names) not in (len(numbers.values), len(numbers.usual)):
        raise ValueError(
            f"{numbers.first[255]}: {len(names)} names ({few(names.names)}), but the masks hold 2 values ({held}): "
            "give 2 names, or one, that of 255, and 0 is the background" + ("; or say --void 255" if two_values else "")
        )


def _unnamed(numbers: _Numbers) -> _Reading:
    """Masks whose classes nobody named: they are numbered."""
    if _has_one_edge_level(numbers):
        level = numbers.values[1]
        raise ValueError(
            f"{numbers.first[level]}: {level} occurs only along the borders between 0 and 255: is it a soft edge or a "
            "class? Name the classes: two for a soft edge, which is cut in the middle, or three"
        )
    values, usual, first = numbers.values, numbers.usual, numbers.first
    if usual in ([], [0]):
        raise ValueError(
            f"{first[values[0]]}: the masks hold nothing but {_list(values)}: there is nothing to tell apart; "
            "is this the folder of the masks?"
        )
    highest = usual[-1]
    if len(usual) > MAX_CLASSES * 3 // 4 or highest > 65535:
        raise ValueError(
            f"{first[usual[1]]}: the masks hold {len(values)} different values, too many for classes: is this a grey "
            "image, or a mask with blurred edges (JPEG)? Save masks as PNG; say --format label-map where each "
            "object has a number of its own"
        )
    if 0 in numbers.void or usual == list(range(1, highest + 1)):
        return _Reading(Classes.numbered(highest), {v: v - 1 for v in range(1, highest + 1)}, _shifted(highest))
    if highest >= 3 * len(values):
        how = f"as classes 0 to {len(values) - 1}, in ascending order"
        return _Reading(Classes.numbered(len(values)), {v: k for k, v in enumerate(values)}, how)
    return _Reading(Classes.numbered(highest + 1), {v: v for v in range(highest + 1)}, "as class numbers")


def _shifted(number: int) -> str:
    return f"as classes 0 to {number - 1}, shifted by one: there is no 0"


def _list(values: Sequence[int]) -> str:
    return " and ".join(map(str, values)) if len(values) < 3 else few(values, 12)

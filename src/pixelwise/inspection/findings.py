"""What is wrong with a data set, or worth knowing, in words: with the reason and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from ..classes import Classes
from ..data.dataset import Dataset
from ..ops.phrases import counted, few
from .survey import Array, Look, areas, same_images

Twins = Sequence[tuple[Look, Look, float]]

LISTED = 20
"""So many broken files are described one by one."""

LEVELS = ("error", "warning", "note")

TINY = 16
"""Objects of fewer pixels than that are tiny: 4×4, a cell of the coarsest grids that networks work on."""

SPECKS = 50
"""A class in more tiny parts an image than that is taken for void that nobody declared."""

RARE = 0.01
"""Classes with a smaller share of the pixels than that are rare."""


@dataclass(frozen=True)
class Finding:
    """Something about the data that somebody should know.

    Attributes:
        level: "error" (the data cannot be used as they are, or scores would be wrong), "warning" or "note".
        kind: what it is, in one word.
        text: what was found, and what to do about it.
        images: the names of those concerned, after their split.
    """

    level: str
    kind: str
    text: str
    images: tuple[str, ...] = ()


def findings(parts: Mapping[str, Dataset], looks: Sequence[Look], twins: Twins, imgsz: int) -> tuple[Finding, ...]:
    """Everything that was noticed, errors first.

    Args:
        parts: the splits.
        looks: what `survey` told of them.
        twins: what `alike_across_splits` told.
        imgsz: side of the training crops, pixels.
    """
    classes = next(iter(parts.values())).classes
    found = [*broken(looks), *_faulty(looks), *_duplicates(looks, twins), *_class_findings(classes, parts, looks)]
    found += _size_findings(classes, looks, imgsz)
    notes = dict.fromkeys(note for part in parts.values() for note in part.notes)
    found += [Finding("note", "reading", note) for note in notes]
    return tuple(sorted(found, key=lambda finding: LEVELS.index(finding.level)))


def broken(looks: Sequence[Look]) -> Iterator[Finding]:
    """Images and masks that cannot be used: the first few one by one, the others together."""
    faulty = [one for one in looks if one.problem]
    for one in faulty[:LISTED]:
        yield Finding("error", one.problem, one.message, (f"{one.split}: {one.name}",))
    if faulty[LISTED:]:
        rest = faulty[LISTED:]
        text = f"{len(rest)} more cannot be read, or have no mask or one that does not fit: {_names(rest)}"
        yield _about("error", "unreadable", text, rest)


def _faulty(looks: Sequence[Look]) -> Iterator[Finding]:
    """Annotations that contradict each other: errors one by one, then of each kind the first and how many more."""
    every = [(one, fault) for one in looks for fault in one.faults]
    for kind in dict.fromkeys(fault.kind for _, fault in every):
        alike = [(one, fault) for one, fault in every if fault.kind == kind]
        first = alike[: LISTED if alike[0][1].level == "error" else 1]
        rest = [one for one, _ in alike[len(first) :]]
        for one, fault in first[: None if not rest else -1]:
            yield _about(fault.level, kind, fault.text, [one])
        if rest:
            (one, fault), more = first[-1], counted(len(rest), "more image")
            yield _about(fault.level, kind, f"{fault.text}. So in {more}: {_names(rest)}", [one, *rest])


def _duplicates(looks: Sequence[Look], twins: Twins) -> Iterator[Finding]:
    """The same image twice."""
    groups = same_images(looks)
    across = [group for group in groups if len({one.split for one in group}) > 1]
    within = [group for group in groups if group not in across]
    for level, group_list, where, fix in (
        ("error", across, "in more than one split", "scores on them say nothing; keep each in one split only"),
        ("warning", within, "more than once in a split", "they count twice; keep one of each"),
    ):
        if group_list:
            every = [one for group in group_list for one in group]
            differ = sum(
                len({b"" if one.pixels is None else one.pixels.tobytes() for one in g}) > 1 for g in group_list
            )
            masks = f" ({differ} of them with different masks)" if differ else ""
            pairs = _first(" = ".join(f"{one.name} ({one.split})" for one in group) for group in group_list)
            number = counted(len(group_list), "image is", "images are")
            text = f"{number} {where}{masks}: {pairs}. Their pixels are equal: {fix}"
            yield _about(level, "duplicate", text, every)
    if twins:
        pairs = _first(f"{a.name} ({a.split}) ~ {b.name} ({b.split})" for a, b, _ in twins)
        number = counted(len(twins), "image looks", "images look")
        text = (
            f"{number} like one of an earlier split: {pairs}. If they show the same scene, scores "
            "on them are too good; keep such images in one split"
        )
        yield _about("warning", "alike", text, [one for _, one, _ in twins])


def _class_findings(classes: Classes, parts: Iterable[str], looks: Sequence[Look]) -> Iterator[Finding]:
    """Images without objects, classes that are missing or rare."""
    masked = [one for one in looks if one.pixels is not None]
    unknown = [one for one in masked if not _pixels(one).any()]
    if unknown:
        number = counted(len(unknown), "image teaches nothing", "images teach nothing")
        text = f"{number}, void everywhere: {_names(unknown)}. Better left out"
        yield _about("warning", "void", text, unknown)
    if classes.background is not None:
        empty = [one for one in masked if _pixels(one).any() and not np.delete(_pixels(one), classes.background).any()]
        if empty:
            text = (
                f"no object is in {len(empty)} of {counted(len(masked), 'image')}: {_names(empty)}. "
                "That is fine if it is true (they teach what is not an object); if not, their masks are missing"
            )
            yield _about("warning" if len(empty) > len(masked) / 2 else "note", "empty", text, empty)
    totals = {
        split: sum((_pixels(one) for one in masked if one.split == split), np.zeros(len(classes))) for split in parts
    }
    for split in parts:
        held = {label for one in masked if one.split == split for label in _held(one)}
        absent = [name for label, name in enumerate(classes.names) if label not in held]
        if absent:
            fix = "they cannot be learnt" if split == "train" else "nothing can be said of them there"
            yield Finding(
                "warning", "absent", f"no pixel in {split} is {few(absent)}: {fix}; leave out the class or add images"
            )
    every = np.sum(list(totals.values()), axis=0)
    share = every / max(1, every.sum())
    rare = [f"{name} {part:.2%}" for name, part in zip(classes.names, share, strict=True) if 0 < part < RARE]
    if rare:
        text = f"rare by pixels: {few(rare)}. Training with --balance rare draws images that hold them more often"
        yield Finding("note", "rare", text)


def _size_findings(classes: Classes, looks: Sequence[Look], imgsz: int) -> Iterator[Finding]:
    """Objects and images of unfortunate sizes."""
    for label, name in enumerate(classes.names):
        sizes, number = areas(looks, label), sum(one.pixels is not None for one in looks)
        if len(sizes) > SPECKS * number and np.median(sizes) < TINY:
            text = (
                f"{name!r} lies in specks, {len(sizes) / number:.0f} an image, half of them of {np.median(sizes):.0f} "
                "pixels or fewer, as borders and unlabelled pixels do: if it means nothing, declare its value --void"
            )
            yield Finding("warning", "specks", text)
    speckled = [one for one in looks if one.objects is not None and (one.objects[:, 1] < TINY).any()]
    if speckled:
        sizes = np.concatenate([one.objects[:, 1] for one in looks if one.objects is not None])
        tiny = int((sizes < TINY).sum())
        of = counted(len(sizes), "object")
        text = (
            f"{tiny} of {of} ({tiny / len(sizes):.1%}) {'has' if tiny == 1 else 'have'} fewer than {TINY} pixels: "
            f"{_names(speckled)}. Remove them if they are slips of the brush; else enlarge the images (--resize)"
        )
        yield _about("warning" if tiny > 0.01 * len(sizes) else "note", "tiny", text, speckled)
    small = [one for one in looks if one.size and min(one.size) < imgsz]
    if small:
        short = counted(len(small), "image has", "images have")
        text = (
            f"{short} a side shorter than the training crop of {imgsz} pixels: {_names(small)}. "
            "They are padded with void; a smaller --imgsz or a larger --resize wastes less"
        )
        yield _about("note", "small", text, small)


def _held(one: Look) -> list[int]:
    assert one.classes is not None
    return np.flatnonzero(one.classes).tolist()


def _pixels(one: Look) -> Array:
    assert one.pixels is not None
    return one.pixels


def _names(looks: Iterable[Look]) -> str:
    return _first(one.name for one in looks)


def _first(things: Iterable[str]) -> str:
    first = list(islice(things, 4))
    return ", ".join(first[:3]) + (", …" if len(first) > 3 else "")


def _about(level: str, kind: str, text: str, looks: Iterable[Look]) -> Finding:
    return Finding(level, kind, text, tuple(f"{one.split}: {one.name}" for one in looks))

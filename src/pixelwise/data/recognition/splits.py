"""Which images are for training and which for validation: as folders or lists say, or else drawn by their names."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath

from ...ops.phrases import counted, few
from ..dataset import Record
from .pairs import SPLITS, Pair, Pairs, read_lines, text_files

VALIDATION_SHARE = 0.2
"""The share of the images that is kept for validation where the data have no splits of their own."""


def canonical(split: str | None) -> str | None:
    """`train`, `val` or `test` for what people call these; any other name as it is."""
    return split if split is None else SPLITS.get(split.lower(), split)


def ordered(splits: Iterable[str]) -> tuple[str, ...]:
    """Train, val, test, and then the others by name."""
    return tuple(sorted(splits, key=lambda name: (("train", "val", "test", name).index(name), name)))


def checked(split: str | None, own: Collection[str], where: Path) -> str | None:
    """A split by the name that it has here, if the data have splits of their `own` one of them.

    Raises:
        ValueError: there is no such split.
    """
    split = canonical(split)
    if split is not None and own and split not in own:
        raise ValueError(f"{where} has no split {split!r}; there are: {', '.join(ordered(own))}")
    return split


def choose(found: Pairs, split: str | None) -> tuple[tuple[Pair, ...], str | None]:
    """The pairs of one split, and what to tell people about how they were split.

    Folders and list files decide; where there are none, every image is drawn by a hash of its name: a fifth is "val",
    the rest "train", the same ones each time.

    Raises:
        ValueError: there is no such split.
    """
    by_split = {} if split is None else _by_split(found)
    split = checked(split, by_split, found.root)
    if split is None:
        return found.pairs, None
    if not by_split:
        called = {found.name(pair): pair for pair in found.pairs}
        chosen, note = hashed(list(called), split, found.root)
        return tuple(called[name] for name in chosen), note
    return by_split[split], None


def hashed(names: Sequence[str], split: str, root: Path) -> tuple[list[str], str]:
    """The names of "train" or "val" of data without splits, drawn by a hash of the names, and a note of it."""
    if split not in ("train", "val"):
        raise ValueError(f"{root} has no splits of its own: say train or val, which are then drawn, not {split!r}")
    ranked = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    held_out = set(ranked[: max(1, round(VALIDATION_SHARE * len(ranked)))] if len(ranked) > 1 else [])
    note = (
        f"the data have no splits: {len(held_out)} of {counted(len(ranked), 'image')} "
        f"{'is' if len(held_out) == 1 else 'are'} kept for validation, "
        "chosen by a hash of their names"
    )
    return [name for name in names if (name in held_out) == (split == "val")], note


def drawn(
    records: Sequence[Record], split: str | None, own: Collection[str], root: Path
) -> tuple[tuple[Record, ...], tuple[str, ...]]:
    """The records of a split, drawn as `hashed` does, with its note; all where the data have splits of their `own`."""
    if split is None or own:
        return tuple(records), ()
    names, note = hashed([record.name for record in records], split, root)
    kept = set(names)
    return tuple(record for record in records if record.name in kept), (note,)


def names(found: Pairs) -> tuple[str, ...]:
    """The names of the splits that `choose` knows: train and val where the data have none of their own.

    A single image is all train.
    """
    return tuple(_by_split(found)) or ("train", "val")[: len(found.pairs)]


def _by_split(found: Pairs) -> dict[str, tuple[Pair, ...]]:
    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in found.pairs:
        if pair.split:
            groups[pair.split].append(pair)
    chosen = groups or _listed_splits(found)
    return {name: tuple(chosen[name]) for name in ordered(chosen)}


def _listed_splits(found: Pairs) -> dict[str, list[Pair]]:
    """Lists of names, one a line, in the root or in `splits/`: train.txt, val.txt, …"""
    known: dict[str, Pair] = {}
    for pair in found.pairs:
        relative = found.name(pair)
        for name in (relative, relative.partition("/")[2], pair.image.stem):
            known.setdefault(name, pair)
    groups: dict[str, list[Pair]] = {}
    for path in text_files(found.root, ".txt"):
        listed = [PurePosixPath(line.split()[0]) for line in read_lines(path)]
        names = [str(name) if str(name) in known else str(name.with_suffix("")) for name in listed]
        there = [known[name] for name in names if name in known]
        lost = [name for name in names if name not in known]
        split = SPLITS.get(path.stem.lower(), path.stem)
        if lost and (there or path.stem.lower() in SPLITS):
            raise ValueError(f"{path} lists images that are not there, or have no mask: {few(lost)}")
        if there:
            groups[split] = list(dict.fromkeys(there))
    return groups

"""Splits of a data set: as folders or lists say, or else drawn by a hash of the images' names."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath

from ...ops.phrases import counted, few
from ..dataset import Record
from .pairs import Pair, Pairs
from .path_words import SPLIT_NAMES
from .text_lists import list_files, read_lines

VALIDATION_SHARE = 0.2
"""The share of the images that is kept for validation where the data have no splits of their own."""

_FIRST = ("train", "val", "test")


def canonical_split(split: str | None) -> str | None:
    """Translate a usual name of a split to `train`, `val` or `test`; other names stay as they are."""
    if split is None:
        return None
    return SPLIT_NAMES.get(split.lower(), split)


def order_splits(splits: Iterable[str]) -> tuple[str, ...]:
    """Order splits: train, val, test, and then the others by name."""
    return tuple(sorted(splits, key=lambda name: ((*_FIRST, name).index(name), name)))


def check_split(split: str | None, own: Collection[str], where: Path) -> str | None:
    """Return the canonical name of a split, and check that the data have it, if they have splits of their `own`.

    Raises:
        ValueError: there is no such split.
    """
    split = canonical_split(split)
    if split is not None and own and split not in own:
        raise ValueError(f"{where} has no split {split!r}; there are: {', '.join(order_splits(own))}")
    return split


def pairs_of_split(pairs: Pairs, split: str | None) -> tuple[tuple[Pair, ...], str | None]:
    """Select the pairs of one split, and describe how it was drawn, if it was.

    Folders and list files decide; where there are none, every image is drawn by a hash of its name: a fifth is "val",
    the rest "train", the same ones each time.

    Raises:
        ValueError: there is no such split.
    """
    by_split = {} if split is None else _by_split(pairs)
    split = check_split(split, by_split, pairs.root)
    if split is None:
        return pairs.pairs, None
    if by_split:
        return by_split[split], None
    by_name = {pairs.name(pair): pair for pair in pairs.pairs}
    chosen, note = draw_names(list(by_name), split, pairs.root)
    return tuple(by_name[name] for name in chosen), note


def splits_of_pairs(pairs: Pairs) -> tuple[str, ...]:
    """List the splits that `pairs_of_split` knows: train and val where the data have none of their own.

    A single image is all train.
    """
    return tuple(_by_split(pairs)) or ("train", "val")[: len(pairs.pairs)]


def draw_names(names: Sequence[str], split: str, root: Path) -> tuple[list[str], str]:
    """Draw "train" or "val" of data without splits by a hash of the names; also a note that says so.

    Raises:
        ValueError: the split is another one.
    """
    if split not in ("train", "val"):
        raise ValueError(f"{root} has no splits of its own: say train or val, which are then drawn, not {split!r}")
    ranked = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    number = max(1, round(VALIDATION_SHARE * len(ranked))) if len(ranked) > 1 else 0
    held_out = set(ranked[:number])
    note = (
        f"the data have no splits: {len(held_out)} of {counted(len(ranked), 'image')} "
        f"{'is' if len(held_out) == 1 else 'are'} kept for validation, "
        "chosen by a hash of their names"
    )
    return [name for name in names if (name in held_out) == (split == "val")], note


def draw_records(
    records: Sequence[Record], split: str | None, own: Collection[str], root: Path
) -> tuple[tuple[Record, ...], tuple[str, ...]]:
    """Draw the records of a split as `draw_names` does, with its note; all if the data have splits of their `own`."""
    if split is None or own:
        return tuple(records), ()
    names, note = draw_names([record.name for record in records], split, root)
    kept = set(names)
    return tuple(record for record in records if record.name in kept), (note,)


def _by_split(pairs: Pairs) -> dict[str, tuple[Pair, ...]]:
    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs.pairs:
        if pair.split:
            groups[pair.split].append(pair)
    chosen = groups or listed_splits(pairs)
    return {name: tuple(chosen[name]) for name in order_splits(chosen)}


def listed_splits(pairs: Pairs) -> dict[str, list[Pair]]:
    """Splits by lists of names, one a line, in the root or in `splits/`: train.txt, val.txt, …"""
    known = _by_any_name(pairs)
    groups: dict[str, list[Pair]] = {}
    for path in list_files(pairs.root, ".txt"):
        names = [_listed_name(line, known) for line in read_lines(path)]
        there = [known[name] for name in names if name in known]
        lost = [name for name in names if name not in known]
        # A text of which no line names an image is not a list, unless it is called like a split.
        if lost and (there or path.stem.lower() in SPLIT_NAMES):
            raise ValueError(f"{path} lists images that are not there, or have no mask: {few(lost)}")
        if there:
            groups[SPLIT_NAMES.get(path.stem.lower(), path.stem)] = list(dict.fromkeys(there))
    return groups


def _by_any_name(pairs: Pairs) -> dict[str, Pair]:
    """Pairs by their path below the root, below the first folder, and by the name alone."""
    known: dict[str, Pair] = {}
    for pair in pairs.pairs:
        relative = pairs.name(pair)
        for name in (relative, relative.partition("/")[2], pair.image.stem):
            known.setdefault(name, pair)
    return known


def _listed_name(line: str, known: Collection[str]) -> str:
    """The name in a line of a list; without its suffix, unless names have dots."""
    name = PurePosixPath(line.split()[0])
    return str(name) if str(name) in known else str(name.with_suffix(""))

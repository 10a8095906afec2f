"""Renaming of tensors from the names of another library to ours, complete in both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from torch import Tensor

SHOWN = 5
"""Names listed in an error; the rest is counted."""


@dataclass(frozen=True)
class Table:
    """The names that a library gives to the tensors of one of our models.

    Attributes:
        architecture: our name of the model.
        made_by: how to make the model that these weights fit, for errors.
        prefixes: the start of their name → the start of ours; the longest start that fits is used.
        dropped: the start of a name that may be left out if the model has no place for it → the reason.
        demands: arguments of the constructor with which the model must have been made.
        changes: the start of our name → function from their tensor to ours, where the order or number of rows differs.
    """

    architecture: str
    made_by: str
    prefixes: Mapping[str, str]
    dropped: Mapping[str, str]
    demands: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)

    def rename(self, theirs: Mapping[str, Any], ours: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Rename the tensors of a state dict.

        Args:
            theirs: a state dict of their library.
            ours: the state dict of the model to be filled.

        Returns:
            The tensors under our names; and each entry that is not used → the reason.

        Raises:
            ValueError: a tensor of theirs has no place in the model or is not finite, one of the model's is not filled,
                two fill the same one, or a shape differs; each is named.
        """
        renamed: dict[str, Tensor] = {}
        source: dict[str, str] = {}
        unused: dict[str, str] = {}
        problems = []
        for key, value in theirs.items():
            name = self.ours(key)
            reason = self._reason_unused(key, value)
            if not isinstance(value, Tensor) or (reason and name not in ours):
                unused[key] = reason
                continue
            value = self.changed(name, value)
            problem = _problem(key, value, name, ours, source)
            if problem or name is None:
                problems.append(problem)
                continue
            renamed[name] = value
            source[name] = key
        # Names without a place usually have counterparts that are not filled: reporting them once is enough.
        problems = problems or _unfilled(renamed, ours)
        if problems:
            more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
            raise ValueError(f"{'; '.join(problems[:SHOWN])}{more}. These weights fit {self.made_by}")
        return renamed, unused

    def likeness(self, theirs: Mapping[str, Any]) -> float:
        """The share of the table's rows that a state dict uses; 0 if one of its tensors is not in the table."""
        keys = [key for key, value in theirs.items() if isinstance(value, Tensor)]
        for key in keys:
            if self.ours(key) is None and not key.startswith(tuple(self.dropped)):
                return 0
        used = 0
        for start in self.prefixes:
            used += any(key.startswith(start) for key in keys)
        return used / len(self.prefixes)

    def ours(self, key: str) -> str | None:
        """Our name of one of their tensors, or None if it is not in the table."""
        fitting = [start for start in self.prefixes if key.startswith(start)]
        if not fitting:
            return None
        start = max(fitting, key=len)
        return self.prefixes[start] + key.removeprefix(start)

    def changed(self, name: str | None, value: Tensor) -> Tensor:
        """Apply the change of `changes` that belongs to a tensor, given our name of it."""
        for start, change in self.changes.items():
            if name is not None and name.startswith(start):
                return change(value)
        return value

    def _reason_unused(self, key: str, value: Any) -> str:
        """The reason for leaving an entry out if the model has no place for it; empty if there is none."""
        for start, reason in self.dropped.items():
            if key.startswith(start):
                return reason
        return "" if isinstance(value, Tensor) else f"not a tensor but {type(value).__name__}"


def _problem(key: str, value: Tensor, name: str | None, ours: Mapping[str, Tensor], source: Mapping[str, str]) -> str:
    """Describe the reason that keeps a tensor of theirs from filling one of ours; empty if there is none.

    Args:
        key, value: their name and tensor.
        name: our name, None if it is not in the table.
        ours: the state dict of the model.
        source: our names that are filled already → their names.
    """
    if name is None or name not in ours:
        return f"{key} {tuple(value.shape)} has no place in the model"
    if name in source:
        return f"{key} and {source[name]} are both {name}"
    if value.shape != ours[name].shape:
        return f"{key} is {tuple(value.shape)}, but {name} is {tuple(ours[name].shape)}"
    if value.is_floating_point() and not bool(value.isfinite().all()):
        return f"{key} holds numbers that are not finite"
    return ""


def _unfilled(renamed: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> list[str]:
    """A sentence for each tensor of the model that is missing; older files do not have the counters of batches."""
    missing = [name for name in ours if name not in renamed and not name.endswith(".num_batches_tracked")]
    return [f"{name} {tuple(ours[name].shape)} is not filled" for name in missing]


def rows(theirs: str, ours: str, **places: Mapping[Any, Any] | Iterable[Any]) -> dict[str, str]:
    """Write out rows of a `Table` that differ in a number or a part of their names only.

    Args:
        theirs, ours: the start of a name in either library, with places in braces.
        places: for each place, what they write there → what we write; a sequence where both write the same.

    Returns:
        The start of their name → the start of ours, a row for each combination of what stands in the places.

    >>> rows("up{n}.", "up.{n}.", n={1: 0, 2: 1})
    {'up1.': 'up.0.', 'up2.': 'up.1.'}
    >>> rows("head.{part}", "{part}", part={"conv.": "last.0.", "cls.": "head."})
    {'head.conv.': 'last.0.', 'head.cls.': 'head.'}
    >>> rows("layer{stage}.{n}.", "stages.{stage}.{n}.", stage=[3], n=range(2))
    {'layer3.0.': 'stages.3.0.', 'layer3.1.': 'stages.3.1.'}
    """
    choices = []
    for values in places.values():
        choices.append(list(values.items()) if isinstance(values, Mapping) else [(value, value) for value in values])
    table = {}
    for pairs in product(*choices):
        left, right = {}, {}
        for place, (their_part, our_part) in zip(places, pairs, strict=True):
            left[place], right[place] = their_part, our_part
        table[theirs.format(**left)] = ours.format(**right)
    return table

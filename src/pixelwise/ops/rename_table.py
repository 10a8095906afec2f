"""The engine of renaming: from somebody else's names of tensors to ours, nothing lost on either side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from torch import Tensor

SHOWN = 5
"""So many names stand in an error, the rest is counted."""


@dataclass(frozen=True)
class Table:
    """How a library names the tensors of one of our models.

    Attributes:
        architecture: our name of the model.
        made_by: how to make the model that these weights fit, for errors.
        prefixes: the start of their name → the start of ours; the longest that fits counts.
        dropped: the start of a name that we have no use for where the model has no place for it → why.
        demands: arguments of the constructor that the model must have been made with.
        changes: the start of our name → what makes our tensor of theirs, where rows have another order or are missing.
    """

    architecture: str
    made_by: str
    prefixes: Mapping[str, str]
    dropped: Mapping[str, str]
    demands: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)

    def rename(self, theirs: Mapping[str, Any], ours: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
        """The tensors under our names; and each entry that is not used, with the reason.

        Args:
            theirs: a state dict of their library.
            ours: the state dict of the model to be filled.

        Raises:
            ValueError: a tensor of theirs has no place in the model, one of the model's is not filled, two fill the
                same, or a shape differs; each is named.
        """
        found: dict[str, Tensor] = {}
        source: dict[str, str] = {}
        unused: dict[str, str] = {}
        problems = []
        for key, value in theirs.items():
            name = self.ours(key)
            reason = next((why for start, why in self.dropped.items() if key.startswith(start)), None)
            if (reason and name not in ours) or not isinstance(value, Tensor):
                unused[key] = reason or f"not a tensor but {type(value).__name__}"
                continue
            value = self.changed(name, value)
            if name is None or name not in ours:
                problems.append(f"{key} {tuple(value.shape)} has no place in the model")
            elif name in found:
                problems.append(f"{key} and {source[name]} are both {name}")
            elif value.shape != ours[name].shape:
                problems.append(f"{key} is {tuple(value.shape)}, but {name} is {tuple(ours[name].shape)}")
            elif value.is_floating_point() and not bool(value.isfinite().all()):
                problems.append(f"{key} holds numbers that are not finite")
            else:
                found[name], source[name] = value, key
        counters = {name for name in ours if name.endswith(".num_batches_tracked")}  # older files have none
        missing = ours.keys() - found.keys() - counters
        if not problems:
            problems = [f"{name} {tuple(ours[name].shape)} is not filled" for name in ours if name in missing]
        if problems:
            more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
            raise ValueError(f"{'; '.join(problems[:SHOWN])}{more}. These weights fit {self.made_by}")
        return found, unused

    def likeness(self, theirs: Mapping[str, Any]) -> float:
        """The share of the table that a state dict uses; 0 where one of its tensors has no name in it."""
        keys = [key for key, value in theirs.items() if isinstance(value, Tensor)]
        if not all(self.ours(key) or key.startswith(tuple(self.dropped)) for key in keys):
            return 0
        return sum(any(key.startswith(start) for key in keys) for start in self.prefixes) / len(self.prefixes)

    def ours(self, key: str) -> str | None:
        """Our name of one of their tensors, if there is one."""
        fitting = [start for start in self.prefixes if key.startswith(start)]
        if not fitting:
            return None
        start = max(fitting, key=len)
        return self.prefixes[start] + key.removeprefix(start)

    def changed(self, name: str | None, value: Tensor) -> Tensor:
        """Their tensor as ours of this name is."""
        return next((change(value) for start, change in self.changes.items() if name and name.startswith(start)), value)


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

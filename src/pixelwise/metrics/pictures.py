"""What all metrics do that keep something of every picture."""

from __future__ import annotations

from typing import Any

import torch

from ..classes import Classes
from ..segmentation import Segmentation


def check_pair(found: Segmentation, truth: Segmentation, classes: Classes) -> None:
    """That a result can be scored against a truth.

    Raises:
        ValueError: for results of another size, or with another number of classes.
    """
    if found.size != truth.size:
        raise ValueError(
            f"the result is {found.size[1]}x{found.size[0]}, the truth {truth.size[1]}x{truth.size[0]}: "
            "results must have the size of the original picture"
        )
    for what, given in (("result", found), ("truth", truth)):
        if len(given.classes) != len(classes):
            raise ValueError(f"the {what} has {len(given.classes)} classes, but {len(classes)} are counted")


def of_all_processes(*lists: list[Any]) -> tuple[list[Any], ...]:
    """Each list followed by those of the other processes of a `torch.distributed` run, in the order of their ranks."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return lists
    states: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(states, lists)
    return tuple([entry for state in states for entry in state[k]] for k in range(len(lists)))

"""Timing on a machine that others use too.

A repeat counts only where other processes used little of the processors while it ran: that is what /proc/stat says less
what this process used itself. Where there is no /proc/stat every repeat counts.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypedDict

import numpy as np

STAT = Path("/proc/stat")
SHARE = float(os.environ.get("QUIET_SHARE", "0.1"))
"""Processors that others may use while a repeat runs; 1.1 suits single-threaded subjects beside one busy process."""


class Timing(TypedDict):
    """Seconds a call: `med` of the wall clock, `cpu` of processor time, `min`; `n` quiet repeats, `noisy` under 3."""

    med: float
    cpu: float
    min: float
    n: int
    noisy: bool


def measure(call: Callable[[], object], budget: float = 3.0) -> Timing:
    """How long a call takes.

    Args:
        call: what is timed; it runs a few times before.
        budget: seconds of repeats wanted; four times as many are spent where others keep the machine busy.
    """
    return compare({"": call}, budget)[""]


def compare(calls: Mapping[str, Callable[[], object]], budget: float = 3.0) -> dict[str, Timing]:
    """How long each call takes, in turns, so that whatever slows the machine down slows all of them.

    Args:
        calls: what is timed, by name.
        budget: seconds of repeats wanted for each.
    """
    repeats = {name: _repeats(call, budget / 8) for name, call in calls.items()}
    blocks: dict[str, list[tuple[float, float, bool]]] = {name: [] for name in calls}
    end = time.perf_counter() + 4 * budget * len(calls)
    for turn in range(64):
        for name, call in calls.items():
            blocks[name].append(_block(call, repeats[name]))
        quiet = min(sum(ok for _, _, ok in done) for done in blocks.values())
        if quiet >= 8 or (turn >= 7 and time.perf_counter() > end):
            break
    return {name: _timing(done) for name, done in blocks.items()}


def _repeats(call: Callable[[], object], seconds: float) -> int:
    """How many calls make a block of that length."""
    call()
    start = time.perf_counter()
    call()
    return max(1, round(seconds / max(time.perf_counter() - start, 1e-7)))


def _block(call: Callable[[], object], repeats: int) -> tuple[float, float, bool]:
    """Wall clock and processor time a call, and whether the machine was quiet."""
    others, own, start = _busy(), _own(), time.perf_counter()
    for _ in range(repeats):
        call()
    wall, own = time.perf_counter() - start, _own() - own
    quiet = _busy() - others - own < SHARE * wall + 0.02
    return wall / repeats, own / repeats, quiet


def _timing(blocks: list[tuple[float, float, bool]]) -> Timing:
    good = [block for block in blocks if block[2]]
    noisy = len(good) < 3
    # Where it was never quiet, the fastest third is the nearest there is.
    used = np.array(sorted(blocks)[: max(1, len(blocks) // 3)] if noisy else good)
    wall, cpu, _ = np.median(used, axis=0)
    return Timing(med=float(wall), cpu=float(cpu), min=min(b[0] for b in blocks), n=len(good), noisy=noisy)


def _busy() -> float:
    """Seconds that all processors together worked since the machine was started; steal counts as work."""
    if not STAT.exists():
        return 0.0
    user, nice, system, _, _, irq, soft, steal = map(int, STAT.read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    """Seconds of processor time that this process and its children used."""
    uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)

"""Masks as run lengths and from polygons, as COCO defines both.

Run lengths go down the columns, from the left one to the right one, and begin with a run of zeros (which may be empty).
As text, each number from the fourth on is the difference to the one two before it, in characters of 5 bits, the low
ones first, with a bit that says whether more follow (Lin et al., "Microsoft COCO", 2014, and its `maskApi`). They are
decoded here rather than by that C code, which trusts its input.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..masks import Masks

Array = NDArray[Any]
_MOST_CHARACTERS = 12


def runs_to_text(runs: Sequence[int]) -> str:
    """Lengths of runs → COCO's compressed text."""
    text = bytearray()
    for k, run in enumerate(runs):
        rest = run - runs[k - 2] if k > 2 else run
        while True:
            low, rest = rest & 31, rest >> 5
            done = rest == (-1 if low & 16 else 0)
            text.append(48 + low + (0 if done else 32))
            if done:
                break
    return text.decode()


def masks_to_texts(masks: Masks) -> list[bytes]:
    """COCO's compressed text of each mask: `runs_to_text` of its `lengths`, of all masks at once."""
    height, width = masks.size
    mask, column, first, end = masks.runs.cpu().numpy().astype(np.int64).T
    begins, ends = column * height + first, column * height + end
    # Runs that meet at the foot of one column and the head of the next are one.
    joint = (mask[1:] == mask[:-1]) & (begins[1:] == ends[:-1])
    opens, closes = np.append(True, ~joint)[: len(mask)], np.append(~joint, True)[: len(mask)]
    mask, begins, ends = mask[opens], begins[opens], ends[closes]
    number = np.bincount(mask, minlength=len(masks))
    last = np.zeros(len(masks), np.int64)  # where the last run of ones ends
    last[mask] = ends
    rest = (last < height * width) | (number == 0)
    counts = 2 * number + rest
    starts = np.cumsum(counts) - counts
    place = np.arange(len(mask)) * 2 + (starts - 2 * (np.cumsum(number) - number))[mask]
    lengths = np.zeros(int(counts.sum()), np.int64)
    new = np.append(True, mask[1:] != mask[:-1])[: len(mask)]
    lengths[place] = begins - np.where(new, 0, np.roll(ends, 1))
    lengths[place + 1] = ends - begins
    lengths[(starts + counts - 1)[rest]] = (height * width - last)[rest]
    values = lengths.copy()
    values[2:] -= lengths[:-2] * (np.arange(len(lengths)) - np.repeat(starts, counts) > 2)[2:]
    return _in_characters(values, starts, counts)


def _in_characters(values: Array, starts: Array, counts: Array) -> list[bytes]:
    """Numbers → characters of 5 bits each, joined from each of `starts` on, `counts` numbers at a time."""
    bits = np.frexp(values ^ values >> 63)[1]  # of what is not the sign, which takes one more
    characters = bits // 5 + 1
    ends = np.cumsum(characters)
    every = np.repeat(np.arange(len(values)), characters)
    place = np.arange(len(every)) - (ends - characters)[every]
    text = (48 + (values[every] >> 5 * place & 31) + 32 * (place + 1 < characters[every])).astype(np.uint8).tobytes()
    bounds = np.append(0, ends)[np.stack([starts, starts + counts])].T.tolist()
    return [text[begin:end] for begin, end in bounds]


def runs_from_text(text: str) -> list[int]:
    """COCO's compressed text → lengths of runs.

    Raises:
        ValueError: it is no such text.
    """
    runs: list[int] = []
    number = shift = 0
    for character in text:
        low = ord(character) - 48
        if not 0 <= low < 64 or shift >= 5 * _MOST_CHARACTERS:
            raise ValueError(f"this is no run-length text: {text[:20]!r}")
        number |= (low & 31) << shift
        shift += 5
        if not low & 32:
            number -= (1 << shift) if low & 16 else 0
            runs.append(number + (runs[-2] if len(runs) > 2 else 0))
            number = shift = 0
    if shift:
        raise ValueError(f"the run-length text ends within a number: {text[-20:]!r}")
    return runs


def rasterise(polygons: Sequence[Sequence[float]], height: int, width: int) -> list[int]:
    """Polygons, each x1 y1 x2 y2 … in pixels, the origin at the corner of the first pixel → run lengths of their union.

    COCO's own rule for pixels at the border. There are no holes: a polygon inside another adds nothing. An object with
    holes takes run lengths.

    Raises:
        ValueError: a polygon has less than three corners, an odd number of coordinates, or one that is not finite or
            lies further outside than the image is large.
    """
    from pycocotools import mask as coco  # late: only COCO data need it

    for polygon in polygons:
        if not isinstance(polygon, Sequence) or not all(type(value) in (int, float) for value in polygon):
            raise ValueError(f"a polygon is a list of numbers, not {str(polygon)[:60]}")
        if len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(f"a polygon has {len(polygon)} numbers: it takes x and y of three corners or more")
        limits = (width, height)
        for k, value in enumerate(polygon):
            if not math.isfinite(value) or not -limits[k % 2] - 1 <= value <= 2 * limits[k % 2] + 1:
                raise ValueError(f"a corner of a polygon lies at {value}, far outside the image of {width}x{height}")
    parts = coco.frPyObjects([[float(value) for value in polygon] for polygon in polygons], height, width)
    return runs_from_text(coco.merge(parts)["counts"].decode())

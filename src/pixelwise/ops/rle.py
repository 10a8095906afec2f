"""COCO's run-length encoding (RLE) of masks, as lists of lengths and as compressed text.

Runs go down the columns, from the left column to the right one, and start with a run of zeros (which may be empty). In
the text, each number from the fourth on is the difference to the one two before it, written in characters of 5 bits,
the low bits first, with a sixth bit that says whether more follow (Lin et al., "Microsoft COCO", 2014, and its
`maskApi`). Texts are decoded here rather than by that C code, which trusts its input.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..masks import Masks
from ..types import Array

_MAX_CHARACTERS = 12
"""Characters of one number: enough for 60 bits."""


def runs_to_text(runs: Sequence[int]) -> str:
    """Encode the lengths of runs as COCO's compressed text."""
    text = bytearray()
    for k, run in enumerate(runs):
        rest = run - runs[k - 2] if k > 2 else run
        while True:
            low, rest = rest & 31, rest >> 5
            # The fifth bit of the last character is the sign.
            done = rest == (-1 if low & 16 else 0)
            text.append(48 + low + (0 if done else 32))
            if done:
                break
    return text.decode()


def masks_to_texts(masks: Masks) -> list[bytes]:
    """Encode each mask as COCO's compressed text: `runs_to_text` of its `lengths`, vectorised over all masks."""
    height, width = masks.size
    mask, column, first, end = masks.runs.cpu().numpy().astype(np.int64).T
    starts, ends = column * height + first, column * height + end
    # Runs that meet at the foot of one column and the head of the next are one.
    joint = (mask[1:] == mask[:-1]) & (starts[1:] == ends[:-1])
    opens, closes = np.append(True, ~joint)[: len(mask)], np.append(~joint, True)[: len(mask)]
    mask, starts, ends = mask[opens], starts[opens], ends[closes]

    # A mask of n runs of ones has 2n lengths, zeros before ones, and one more where it ends in zeros.
    number = np.bincount(mask, minlength=len(masks))
    last = np.zeros(len(masks), np.int64)  # the end of the last run of ones
    last[mask] = ends
    rest = (last < height * width) | (number == 0)
    counts = 2 * number + rest

    # Places of the lengths of mask m among those of all masks: from offsets[m] on.
    offsets = np.cumsum(counts) - counts
    place = np.arange(len(mask)) * 2 + (offsets - 2 * (np.cumsum(number) - number))[mask]
    lengths = np.zeros(int(counts.sum()), np.int64)
    new = np.append(True, mask[1:] != mask[:-1])[: len(mask)]
    lengths[place] = starts - np.where(new, 0, np.roll(ends, 1))
    lengths[place + 1] = ends - starts
    lengths[(offsets + counts - 1)[rest]] = (height * width - last)[rest]

    values = lengths.copy()
    from_fourth = np.arange(len(lengths)) - np.repeat(offsets, counts) > 2
    values[2:] -= lengths[:-2] * from_fourth[2:]
    return _encode(values, offsets, counts)


def _encode(values: Array, offsets: Array, counts: Array) -> list[bytes]:
    """Encode numbers in characters of 5 bits; text m holds the `counts[m]` values from `offsets[m]` on."""
    bits = np.frexp(values ^ values >> 63)[1]  # significant bits; the sign takes one more
    characters = bits // 5 + 1
    ends = np.cumsum(characters)
    every = np.repeat(np.arange(len(values)), characters)
    place = np.arange(len(every)) - (ends - characters)[every]
    low = values[every] >> 5 * place & 31
    more = place + 1 < characters[every]
    text = (48 + low + 32 * more).astype(np.uint8).tobytes()
    bounds = np.append(0, ends)[np.stack([offsets, offsets + counts])].T.tolist()
    return [text[first:end] for first, end in bounds]


def runs_from_text(text: str) -> list[int]:
    """Decode COCO's compressed text to the lengths of runs.

    Raises:
        ValueError: the text is not a run-length encoding.
    """
    runs: list[int] = []
    number = shift = 0
    for character in text:
        low = ord(character) - 48
        if not 0 <= low < 64 or shift >= 5 * _MAX_CHARACTERS:
            raise ValueError(f"this is no run-length text: {text[:20]!r}")
        number |= (low & 31) << shift
        shift += 5
        if low & 32:
            continue
        if low & 16:
            number -= 1 << shift  # the sign
        runs.append(number + (runs[-2] if len(runs) > 2 else 0))
        number = shift = 0
    if shift:
        raise ValueError(f"the run-length text ends within a number: {text[-20:]!r}")
    return runs

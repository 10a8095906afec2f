"""Label Studio's run lengths of brush strokes: the RGBA pixels of the whole image, packed in bits.

The text of bits is 32 bits for the number of values, 5 bits for the bits of a value less one, four times 4 bits for
the bits of a length less one, and then runs: one bit says whether a run repeats one value or lists its values, two
bits which of the four lengths follows, then the length less one, and the value or the values.
https://github.com/HumanSignal/label-studio-sdk (converter/brush.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....types import Array


class _Bits:
    """Reads whole numbers from bits, the highest first."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def read(self, number: int) -> int:
        """Read a number of so many bits."""
        first, end = self.place, self.place + number
        if end > 8 * len(self.data):
            raise ValueError("the run lengths of a brush end too early")
        self.place = end
        chunk = int.from_bytes(self.data[first // 8 : (end + 7) // 8])
        return chunk >> (-end % 8) & ((1 << number) - 1)


def decode_brush(runs: Sequence[int], height: int, width: int) -> Array:
    """Decode the run lengths of a brush.

    Args:
        runs: bytes, 0 to 255.
        height, width: of the image, pixels.

    Returns:
        (H, W) uint8: how opaque the brush is at each pixel.

    Raises:
        ValueError: they are broken, or of an image of another size.
    """
    try:
        bits = _Bits(bytes(runs))
    except (ValueError, TypeError):
        raise ValueError("the run lengths of a brush are not bytes from 0 to 255") from None
    total, value_bits = bits.read(32), bits.read(5) + 1
    length_bits = [bits.read(4) + 1 for _ in range(4)]
    if total != 4 * height * width or value_bits > 8:
        raise ValueError(
            f"the run lengths of a brush hold {total} values of {value_bits} bits, but the image is {width}x{height} "
            f"and takes {4 * height * width} of 8"
        )
    values = np.zeros(total, np.uint8)
    place = 0
    while place < total:
        repeated = bits.read(1)
        end = place + 1 + bits.read(length_bits[bits.read(2)])
        if end > total:
            raise ValueError("the run lengths of a brush go past the end of the image")
        if repeated:
            values[place:end] = bits.read(value_bits)
        else:
            values[place:end] = [bits.read(value_bits) for _ in range(end - place)]
        place = end
    return values.reshape(height, width, 4)[..., 3]

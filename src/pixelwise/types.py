"""Type aliases that many modules share."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

Size = tuple[int, int]
"""Height and width of an image, pixels."""

Array = NDArray[Any]
"""A NumPy array of any shape and type."""

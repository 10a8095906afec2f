"""Writing PNG files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ..ops.atomic_files import write_bytes
from ..types import Array


def write_png(path: Path, pixels: Array) -> None:
    """Write pixels losslessly; the file appears only when it is complete.

    Args:
        path: the file; its folder is made where there is none.
        pixels: (H, W) uint8 or uint16, written as grey; or (H, W, 3) uint8 RGB.

    Raises:
        ValueError: the pixels cannot be encoded.
    """
    is_grey = pixels.ndim == 2
    bgr = pixels if is_grey else pixels[..., ::-1]
    is_encoded, data = cv2.imencode(".png", np.ascontiguousarray(bgr))
    if not is_encoded:
        raise ValueError(f"cannot make a PNG of {pixels.shape} {pixels.dtype} for {path}")
    write_bytes(path, data.tobytes())

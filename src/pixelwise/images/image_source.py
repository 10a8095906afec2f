"""Conversion of everything that can be given as an image (a path, a PIL image, an array, a tensor) to one tensor."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ..types import Array
from .conversion import on_white
from .decoding import read_image

ImageSource: TypeAlias = "str | os.PathLike[str] | Image.Image | np.ndarray[Any, Any] | Tensor"


def load_image(source: ImageSource) -> Tensor:
    """Load an image from a file or from memory; transparent pixels are blended with white, as in `read_image`.

    Args:
        source: a path, a PIL image of 8 bits per colour, an (H, W) or (H, W, 1 | 3 | 4) uint8 array (grey, RGB, RGBA),
            or a (3, H, W) uint8 tensor (RGB).

    Returns:
        (3, H, W) uint8 RGB.

    Raises:
        TypeError: for anything else, and for values that are not uint8.
        ValueError: for another shape, and for PIL images of more than 8 bits.
        FileNotFoundError, OSError: for a file that cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        return read_image(source)
    if isinstance(source, Image.Image):
        return _from_array(_pixels_of(source))
    if not isinstance(source, np.ndarray | Tensor):
        raise TypeError(f"an image is a path, a PIL image, an array or a tensor, not {type(source).__name__}")
    if source.dtype != (torch.uint8 if isinstance(source, Tensor) else np.uint8):
        raise TypeError(
            f"an image holds uint8 from 0 to 255, not {source.dtype}: multiply [0, 1] by 255 and round first"
        )
    if isinstance(source, Tensor):
        if source.ndim != 3 or len(source) != 3 or not source.numel():
            raise ValueError(f"a tensor must be (3, H, W), RGB, not {tuple(source.shape)}")
        return source
    return _from_array(source)


def _pixels_of(image: Image.Image) -> Array:
    """(H, W, 3 | 4) uint8: the upright RGB or RGBA pixels of a PIL image."""
    if image.mode[0] in "IF":
        raise ValueError(f"a PIL image of mode {image.mode!r} has no full scale: give its path, or 8 bits a colour")
    upright = ImageOps.exif_transpose(image)
    return np.array(upright.convert("RGBA" if upright.has_transparency_data else "RGB"))


def _from_array(pixels: Array) -> Tensor:
    """(H, W) or (H, W, 1 | 3 | 4) uint8 → (3, H, W), of memory that may be written."""
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or not pixels.size:
        raise ValueError(f"an array must be (H, W), or (H, W, 3) RGB, not {pixels.shape}")
    channels = pixels.shape[2]
    if channels == 4:
        pixels = on_white(pixels)
    elif channels == 1:
        pixels = pixels.repeat(3, axis=2)
    pixels = np.ascontiguousarray(pixels)
    if not pixels.flags.writeable:
        pixels = pixels.copy()  # PyTorch warns of tensors over memory that is read-only
    return torch.from_numpy(pixels).permute(2, 0, 1)

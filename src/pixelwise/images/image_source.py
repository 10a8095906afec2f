"""Where images come from: a path, a PIL image, an array or a tensor, all made into one kind of tensor."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias, TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from .decoding import on_white, read_image

ImageSource: TypeAlias = "str | os.PathLike[str] | Image.Image | np.ndarray[Any, Any] | Tensor"
Item = TypeVar("Item")
Value = TypeVar("Value")


def load_image(source: ImageSource) -> Tensor:
    """(3, H, W) uint8 RGB of a path, a PIL image, an (H, W) or (H, W, 1 | 3 | 4) uint8 array, or a (3, H, W) tensor.

    What is transparent lies on white, as in `read_image`.

    Raises:
        TypeError: for anything else, and for numbers that are not uint8.
        ValueError: for another shape.
        OSError: for a file that cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        return read_image(source)
    if isinstance(source, Image.Image):
        if source.mode[0] in "IF":
            raise ValueError(
                f"a PIL image of mode {source.mode!r} has no full scale: give its path, or 8 bits a colour"
            )
        upright = ImageOps.exif_transpose(source)
        return load_image(np.array(upright.convert("RGBA" if upright.has_transparency_data else "RGB")))
    if not isinstance(source, np.ndarray | Tensor):
        raise TypeError(f"an image is a path, a PIL image, an array or a tensor, not {type(source).__name__}")
    if str(source.dtype).removeprefix("torch.") != "uint8":
        raise TypeError(
            f"an image holds uint8 from 0 to 255, not {source.dtype}: multiply [0, 1] by 255 and round first"
        )
    if isinstance(source, Tensor):
        if source.ndim != 3 or len(source) != 3 or not source.numel():
            raise ValueError(f"a tensor must be (3, H, W), RGB, not {tuple(source.shape)}")
        return source
    if source.ndim == 2:
        source = source[:, :, None]
    if source.ndim != 3 or source.shape[2] not in (1, 3, 4) or not source.size:
        raise ValueError(f"an array must be (H, W), or (H, W, 3) RGB, not {source.shape}")
    rgb = on_white(source) if source.shape[2] == 4 else source if source.shape[2] == 3 else source.repeat(3, axis=2)
    rgb = np.ascontiguousarray(rgb)
    return torch.from_numpy(rgb if rgb.flags.writeable else rgb.copy()).permute(2, 0, 1)


def read_ahead(
    items: Sequence[Item], read: Callable[[Item], Value], ahead: int = 2
) -> Iterator[tuple[Item, Callable[[], Value]]]:
    """Each item with a function that gives what `read` made of it, or raises what it raised.

    A second thread reads up to `ahead` items while the caller is busy with the one before.
    """
    with ThreadPoolExecutor(1) as reader:
        waiting: list[Future[Value]] = [reader.submit(read, item) for item in items[:ahead]]
        for n, item in enumerate(items):
            yield item, waiting.pop(0).result
            if n + ahead < len(items):
                waiting.append(reader.submit(read, items[n + ahead]))

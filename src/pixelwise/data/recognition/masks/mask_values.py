"""Mask values: how the numbers or colours in masks become classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ....classes import VOID, Classes, Color
from ....images.header import read_header
from ....images.reading import read_mask
from ....ops.phrases import few
from ....types import Array
from .mask_scan import pack_color, pack_colors, unpack_color

_UNKNOWN = 254
"""Stands for values that mean nothing while a mask is read; no class has this number."""


@dataclass(frozen=True)
class MaskValues:
    """Meaning of the values in masks.

    Attributes:
        classes: the classes.
        values: (value in the mask, class or VOID), for masks of numbers or palette indices.
        colors: (colour in the mask, class or VOID), for masks in colours; `values` are then ignored.
    """

    classes: Classes
    values: tuple[tuple[int, int], ...] = ()
    colors: tuple[tuple[Color, int], ...] = ()

    def class_map(self, path: Path) -> Tensor:
        """(H, W) uint8: the class of each pixel of a mask's file, 255 where it is void.

        Raises:
            FileNotFoundError, ValueError: the file cannot be read, or holds a value that means nothing.
        """
        pixels = read_mask(path)
        class_map = self._from_colors(path, pixels) if self.colors else self._from_numbers(path, pixels)
        return torch.from_numpy(class_map)

    def _from_numbers(self, path: Path, pixels: Array) -> Array:
        if pixels.ndim == 3:
            raise ValueError(f"{path} is a mask in colours, unlike the others: state --colors name=r,g,b;…")
        if pixels.dtype != np.uint8:
            pixels = _as_uint16(path, pixels)
        known = dict(self.values)
        size = 256 if pixels.dtype == np.uint8 else 65536
        table = np.full(size, _UNKNOWN, np.uint8)
        for value, k in known.items():
            if value < size:
                table[value] = k
        class_map = np.asarray(cv2.LUT(pixels, table) if size == 256 else table[pixels])
        if set(range(size)) <= set(known):
            return class_map
        # 254 may also be a number that is known.
        suspects = np.unique(pixels[class_map == _UNKNOWN]).tolist()
        wrong = [value for value in suspects if value not in known]
        if wrong and read_header(path).kind == "JPEG":
            raise ValueError(
                f"{path} is a JPEG, whose compression made {few(wrong)} of class numbers: save masks as PNG"
            )
        if wrong:
            raise ValueError(
                f"{path} holds {few(wrong)}, which {'are no classes' if len(wrong) > 1 else 'is no class'}: "
                f"allowed are {self._allowed()}; name all classes with --classes, or say --void {wrong[0]}"
            )
        return class_map

    def _allowed(self) -> str:
        names = dict(enumerate(self.classes.names)) | {VOID: "void"}
        return few((f"{value} ({names[k]})" for value, k in sorted(self.values)), 12)

    def _from_colors(self, path: Path, pixels: Array) -> Array:
        packed = pack_colors(path, pixels)
        class_map = np.full(packed.shape, _UNKNOWN, np.uint8)
        unknown = np.ones(packed.shape, bool)
        for color, k in self.colors:
            here = packed == pack_color(color)
            class_map[here] = k
            unknown &= ~here
        if unknown.any():
            color = unpack_color(int(packed[unknown][0]))
            nearest = min((known for known, _ in self.colors), key=lambda known: _distance(known, color))
            raise ValueError(
                f"{path} holds the colour {color} at {int(unknown.sum())} pixels, which means nothing: "
                f"the nearest known one is {nearest}; state it with --colors, or save masks as PNG, edges unblurred"
            )
        return class_map


def _as_uint16(path: Path, pixels: Array) -> Array:
    low, high = int(pixels.min()), int(pixels.max())
    if low < 0 or high > 65535:
        raise ValueError(f"{path} holds {low if low < 0 else high}: a mask holds 0 to 65535")
    return pixels.astype(np.uint16)


def _distance(one: Color, other: Color) -> int:
    """The squared distance of two colours."""
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))

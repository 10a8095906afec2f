"""Words in and beside images: labels, captions, and legends that say what the colours mean."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..classes import Color

Pixels: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"
"""(H, W, 3) uint8 RGB."""

Font: TypeAlias = "ImageFont.FreeTypeFont | ImageFont.ImageFont"

SYSTEM_FONTS = ("DejaVuSans.ttf", "Arial Unicode.ttf", "arial.ttf")
"""Where letters come from that Pillow's own font lacks: it has those of ASCII."""

PAPER: Color = (255, 255, 255)
INK: Color = (32, 32, 32)

COVERED = 0.5
"""A label takes no more than this share of the area of its object's box."""


@dataclass(frozen=True)
class Label:
    """Words at an object.

    Attributes:
        box: of the object, or of the largest of its parts, x1 y1 x2 y2, pixels.
        columns: where the first and the last row of its pixels begin.
        texts: what may be said of it, the best first; there is not always room for it.
        color: of the ground that the words stand on.
    """

    box: tuple[int, int, int, int]
    columns: tuple[int, int]
    texts: tuple[str, ...]
    color: Color


def text_size(height: int, width: int) -> int:
    """The height of letters that suits an image of this height and width, pixels; never too small to read."""
    return min(max(12, round(math.sqrt(height * width) / 36)), 64)


def add_legend(image: Pixels, entries: Sequence[tuple[Color, str]]) -> Pixels:
    """The image with a legend below it, on a white ground that is as wide as the image or the longest entry.

    Args:
        image: (H, W, 3) uint8; it stays as it is at the upper left.
        entries: a colour and what it means, each.
    """
    if not entries:
        return image
    size = text_size(*image.shape[:2])
    font, texts = _lettered([text for _, text in entries], size)
    gap = size // 2
    lengths = [round(2 * size + font.getlength(text)) + gap for text in texts]
    width = max(image.shape[1], max(lengths) + gap)
    places, x, y = [], gap, gap
    for length in lengths:
        if x > gap and x + length > width:
            x, y = gap, y + size + gap
        places.append((x, y))
        x += length + gap
    ground = Image.new("RGB", (width, y + size + gap), PAPER)
    draw = ImageDraw.Draw(ground)
    for (x, y), (color, _), text in zip(places, entries, texts, strict=True):
        draw.rectangle((x, y, x + round(1.4 * size), y + size - 1), fill=color, outline=INK)
        draw.text((x + 2 * size, y + size / 2), text, fill=INK, font=font, anchor="lm")
    return stack(image, np.asarray(ground))


def add_caption(image: Pixels, text: str) -> Pixels:
    """The image with a line of text above it, cut short where it does not fit."""
    size = text_size(*image.shape[:2])
    font, (text,) = _lettered([text], size)
    gap, whole, length = size // 3, text, len(text)
    while length > 1 and font.getlength(text) > max(image.shape[1], 8 * size) - 2 * gap:
        length -= 1
        text = whole[:length] + "..."
    width = max(image.shape[1], round(font.getlength(text)) + 2 * gap)
    ground = Image.new("RGB", (width, size + 2 * gap), PAPER)
    ImageDraw.Draw(ground).text((gap, gap + size / 2), text, fill=INK, font=font, anchor="lm")
    return stack(np.asarray(ground), image)


def add_labels(image: Pixels, labels: Sequence[Label]) -> Pixels:
    """The image with a label at each object where there is room: the first that is asked for gets it.

    A label stands on, in or below the pixels of its object, inside the image, and on no other label. It takes no more
    than `COVERED` of the box's area, so that small objects have a shorter one, or none.
    """
    if not labels:
        return image
    height, width = image.shape[:2]
    size = max(10, round(0.75 * text_size(height, width)))
    font, texts = _lettered([text for label in labels for text in label.texts], size)
    canvas, left = Image.fromarray(image), iter(texts)
    draw, taken = ImageDraw.Draw(canvas), np.zeros((0, 4))
    high, gap = round(1.25 * size), max(2, size // 5)
    for label in labels:
        x1, y1, x2, y2 = label.box
        for text in [next(left) for _ in label.texts]:
            wide = math.ceil(font.getlength(text)) + 2 * gap
            if wide * high > COVERED * (x2 - x1) * (y2 - y1) or wide > width:
                continue
            first, last = (min(column, width - wide) for column in label.columns)
            corners = ((first, y1 - high), (first, y1), (last, y2), (last, y2 - high))
            places = [np.array([x, y, x + wide, y + high]) for x, y in corners]
            free = (p for p in places if p[1] >= 0 and p[3] <= height and not _overlaps(p, taken).any())
            if (place := next(free, None)) is not None:
                draw.rectangle((*place[:2].tolist(), *(place[2:] - 1).tolist()), fill=label.color)
                ink = INK if np.dot(label.color, (0.299, 0.587, 0.114)) > 110 else PAPER
                draw.text((place[0] + gap, place[1] + high / 2), text, fill=ink, font=font, anchor="lm")
                taken = np.vstack([taken, place])
                break
    return np.asarray(canvas)


def _overlaps(place: np.ndarray[Any, Any], others: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(N,) whether a box lies on others, (N, 4)."""
    return np.asarray(((place[:2] < others[:, 2:]) & (others[:, :2] < place[2:])).all(1))


def stack(*images: Pixels) -> Pixels:
    """Images below each other, aligned at the left, on white."""
    width = max(image.shape[1] for image in images)
    rows = [np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=255) for p in images]
    return np.concatenate(rows)


def _lettered(texts: Sequence[str], size: int) -> tuple[Font, list[str]]:
    """A font that has the letters of the texts; where there is none, the texts in ASCII."""
    if all(text.isascii() for text in texts):
        return ImageFont.load_default(size), list(texts)
    for name in SYSTEM_FONTS:
        try:
            return ImageFont.truetype(name, size), list(texts)
        except OSError:
            continue
    plain = [unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode() or "?" for text in texts]
    return ImageFont.load_default(size), plain

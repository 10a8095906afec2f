"""Text in and beside images: labels of objects, captions, and legends of the colours."""

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
"""Fonts for letters that Pillow's own font lacks; it has those of ASCII."""

PAPER: Color = (255, 255, 255)
INK: Color = (32, 32, 32)

COVERED = 0.5
"""The largest share of the area of an object's box that its label may cover."""

LUMA = (0.299, 0.587, 0.114)
MIN_LUMA_OF_LIGHT = 110
"""Text on colours of a higher luma is dark, on others white."""


@dataclass(frozen=True)
class Label:
    """A label of an object.

    Attributes:
        box: the box of the object, or of the largest of its parts, x1 y1 x2 y2, pixels.
        columns: the columns where the first and the last row of its pixels begin.
        texts: the possible texts, the best first; the first one for which there is room is drawn.
        color: the background colour of the text.
    """

    box: tuple[int, int, int, int]
    columns: tuple[int, int]
    texts: tuple[str, ...]
    color: Color


def text_size(height: int, width: int) -> int:
    """Return the font size that suits an image of this height and width, pixels; never too small to read."""
    return min(max(12, round(math.sqrt(height * width) / 36)), 64)


def add_legend(image: Pixels, entries: Sequence[tuple[Color, str]]) -> Pixels:
    """Add a legend below an image, on white, as wide as the image or the longest entry.

    Args:
        image: (H, W, 3) uint8; it stays unchanged at the upper left.
        entries: pairs of a colour and its meaning.
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
    """Add a line of text above an image, cut short if it does not fit."""
    size = text_size(*image.shape[:2])
    font, (whole,) = _lettered([text], size)
    gap = size // 3
    shortened, length = whole, len(whole)
    while length > 1 and font.getlength(shortened) > max(image.shape[1], 8 * size) - 2 * gap:
        length -= 1
        shortened = whole[:length] + "..."
    width = max(image.shape[1], round(font.getlength(shortened)) + 2 * gap)
    ground = Image.new("RGB", (width, size + 2 * gap), PAPER)
    ImageDraw.Draw(ground).text((gap, gap + size / 2), shortened, fill=INK, font=font, anchor="lm")
    return stack(np.asarray(ground), image)


def add_labels(image: Pixels, labels: Sequence[Label]) -> Pixels:
    """Draw a label at each object where there is room, in the order of the labels.

    A label stands on, in or below the pixels of its object, inside the image, and on no other label. It takes no more
    than `COVERED` of the area of the object's box, so that small objects get a shorter one, or none.

    Returns:
        (H, W, 3) uint8.
    """
    if not labels:
        return image
    height, width = image.shape[:2]
    size = max(10, round(0.75 * text_size(height, width)))
    every_text = [text for label in labels for text in label.texts]
    font, drawable = _lettered(every_text, size)
    spelled = dict(zip(every_text, drawable, strict=True))
    canvas = Image.fromarray(image)
    draw, occupied = ImageDraw.Draw(canvas), np.zeros((0, 4))
    text_height, gap = round(1.25 * size), max(2, size // 5)
    for label in labels:
        x1, y1, x2, y2 = label.box
        for text in label.texts:
            text_width = math.ceil(font.getlength(spelled[text])) + 2 * gap
            if text_width * text_height > COVERED * (x2 - x1) * (y2 - y1) or text_width > width:
                continue
            place = _free_place(label, (text_width, text_height), (height, width), occupied)
            if place is not None:
                draw.rectangle((*place[:2].tolist(), *(place[2:] - 1).tolist()), fill=label.color)
                ink = INK if np.dot(label.color, LUMA) > MIN_LUMA_OF_LIGHT else PAPER
                middle = place[1] + text_height / 2
                draw.text((place[0] + gap, middle), spelled[text], fill=ink, font=font, anchor="lm")
                occupied = np.vstack([occupied, place])
                break
    return np.asarray(canvas)


def _free_place(
    label: Label, label_size: tuple[int, int], image_size: tuple[int, int], occupied: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any] | None:
    """Find a place for a label: above, at the top of, below or at the bottom of its object.

    Args:
        label: the label.
        label_size: its width and height, pixels.
        image_size: the height and width of the image.
        occupied: (N, 4) the boxes of other labels.

    Returns:
        x1 y1 x2 y2; None if there is no room.
    """
    (wide, high), (height, width) = label_size, image_size
    _, y1, _, y2 = label.box
    top = min(label.columns[0], width - wide)
    bottom = min(label.columns[1], width - wide)
    for x, y in ((top, y1 - high), (top, y1), (bottom, y2), (bottom, y2 - high)):
        place = np.array([x, y, x + wide, y + high])
        if y >= 0 and y + high <= height and not _overlaps(place, occupied).any():
            return place
    return None


def _overlaps(place: np.ndarray[Any, Any], others: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Tell which of the boxes `others`, (N, 4), a box overlaps, (N,)."""
    return np.asarray(((place[:2] < others[:, 2:]) & (others[:, :2] < place[2:])).all(1))


def stack(*images: Pixels) -> Pixels:
    """Stack images vertically, aligned at the left, on white."""
    width = max(image.shape[1] for image in images)
    rows = []
    for image in images:
        space = ((0, 0), (0, width - image.shape[1]), (0, 0))
        rows.append(np.pad(image, space, constant_values=255))
    return np.concatenate(rows)


def _lettered(texts: Sequence[str], size: int) -> tuple[Font, list[str]]:
    """Choose a font that has the letters of the texts; if there is none, spell the texts in ASCII."""
    if all(text.isascii() for text in texts):
        return ImageFont.load_default(size), list(texts)
    for name in SYSTEM_FONTS:
        try:
            return ImageFont.truetype(name, size), list(texts)
        except OSError:
            continue
    spelled = []
    for text in texts:
        decomposed = unicodedata.normalize("NFKD", text)
        spelled.append(decomposed.encode("ascii", "ignore").decode() or "?")
    return ImageFont.load_default(size), spelled

"""Results as images: overlays, boundaries, errors, and several images on one sheet."""

from __future__ import annotations

import colorsys
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from torch import Tensor

from ..classes import VOID, Color
from ..images.reading import ImageSource, load_image
from ..segmentation import Segmentation
from .legend import PAPER, Label, Pixels, add_caption, add_labels, add_legend, stack

# Okabe and Ito's colours, told apart with every common form of colour blindness.
FOUND: Color = (213, 94, 0)
TRUE: Color = (86, 180, 233)
AGREED: Color = (240, 228, 66)
RIGHT: Color = (0, 158, 115)
FALSE_ALARM: Color = (213, 94, 0)
MISSED: Color = (0, 114, 178)
CONFUSED: Color = (240, 228, 66)

Mask = np.ndarray[Any, np.dtype[np.bool_]]

GAP = 8
"""Between the images of a sheet, pixels."""


def draw(
    image: ImageSource,
    result: Segmentation,
    *,
    opacity: float = 0.4,
    outlines: bool = True,
    labels: bool = True,
    legend: bool = True,
) -> Pixels:
    """The image with each segment tinted and outlined in the colour of its class.

    Background and void stay as they are; where there are things among stuff, stuff has no outlines and void is hatched.
    Where the objects of a class are told apart, each has a tint of its own near that colour. Of masks that overlap, the
    smaller lies on top.

    Args:
        image: the image, as `pixelwise.predict` takes it.
        result: what is where in it, found or true.
        opacity: of the tint, 0 to 1.
        outlines: whether segments are outlined, in lines that grow with the image.
        labels: whether objects that are told apart are named, with their scores, where these are below 1; an object
            that is hardly larger than the letters has its score alone, or nothing.
        legend: whether the classes that are present are named below the image, things with their number.

    Returns:
        (H, W, 3) uint8 RGB, or larger with a legend; the image itself stays at the upper left in its own size.
    """
    pixels = _pixels(image, result)
    ids, colors, shown = _segments(result)
    shades = _shades(result.labels.tolist(), colors)
    tinted = pixels.copy()
    seen = shown[ids]
    tinted[seen] = _mixed(pixels[seen], shades[ids[seen]], opacity)
    if outlines:
        edges = _inner_edges(ids, _thickness(*ids.shape)) & _outlined(result, shown)[ids]
        tinted[edges] = colors[ids[edges]]
    if _is_panoptic(result):
        _hatch(tinted, ids == 0)
    if labels:
        tinted = add_labels(tinted, _labels(result, shades))
    return add_legend(tinted, _entries(result)) if legend else tinted


def boundaries(
    image: ImageSource, result: Segmentation, truth: Segmentation | None = None, *, legend: bool = True
) -> Pixels:
    """The image with outlines only: of the segments, or of what was found over what is true.

    Args:
        image: the image, as `pixelwise.predict` takes it.
        result: what was found; its outlines have the colours of the classes where no ground truth is given.
        truth: with it there are three colours: outlines that were found, those that are true, and where both lie.
        legend: whether the colours are explained below the image.
    """
    pixels = _pixels(image, result).copy()
    ids, colors, shown = _segments(result)
    wide = _thickness(*ids.shape)
    edges = _inner_edges(ids, wide) & shown[ids]
    if truth is None:
        pixels[edges] = colors[ids[edges]]
        return add_legend(pixels, _entries(result)) if legend else pixels
    _pixels(image, truth)
    true_ids, _, true_shown = _segments(truth)
    true_edges = _inner_edges(true_ids, wide) & true_shown[true_ids]
    for where, color in ((edges & ~true_edges, FOUND), (true_edges & ~edges, TRUE), (edges & true_edges, AGREED)):
        pixels[where] = color
    return add_legend(pixels, [(FOUND, "found"), (TRUE, "true"), (AGREED, "both")]) if legend else pixels


def errors(
    image: ImageSource, found: Segmentation, truth: Segmentation, *, of: str | None = None, legend: bool = True
) -> Pixels:
    """The image in grey, with what is right and what is wrong in colour; void of the ground truth is left as it is.

    Args:
        image: the image, as `pixelwise.predict` takes it.
        found, truth: of the same classes.
        of: the class to look at: right, false alarm (found but not true), missed (true but not found). Without it all
            classes: false alarms and misses are then with regard to the background, and where two other classes are
            taken for each other they are confused.
        legend: whether the colours are explained below the image, each with its share of the pixels that count.
    """
    if found.classes.names != truth.classes.names:
        raise ValueError(
            f"found has the classes {', '.join(found.classes.names)}, but ground truth {', '.join(truth.classes.names)}"
        )
    pixels = _pixels(image, found)
    _pixels(image, truth)
    found_map, true_map = found.class_map().cpu().numpy(), truth.class_map().cpu().numpy()
    known = true_map != VOID
    if of is not None:
        wanted = truth.classes.index(of)
        found_map, true_map = found_map == wanted, true_map == wanted
        here, there, expected = found_map, true_map, {"right", "false alarm", "missed"}
    else:
        nothing = VOID if truth.classes.background is None else truth.classes.background
        here, there = (found_map != nothing) & (found_map != VOID), true_map != nothing
        expected = {"right", "confused"} if nothing == VOID else {"right", "false alarm", "missed"}
    same = found_map == true_map
    kinds = (
        ("right", RIGHT, here & there & same),
        ("false alarm", FALSE_ALARM, here & ~there),
        ("missed", MISSED, there & ~here),
        ("confused", CONFUSED, here & there & ~same),
    )
    grey = np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    entries = []
    for name, color, where in kinds:
        where = where & known
        grey[where] = _mixed(grey[where], np.array(color), 0.4 if name == "right" else 0.75)
        if name in expected or where.any():
            entries.append((color, f"{name} {where.sum() / max(1, known.sum()):.1%}"))
    return add_legend(grey, entries) if legend else grey


def sheet(
    images: Sequence[Pixels], columns: int | None = None, *, captions: Sequence[str] = (), side: int = 320
) -> Pixels:
    """Several images on one white sheet, each fitted into a square; columns are as wide as their widest image.

    Args:
        images: (H, W, 3) uint8 each, of any sizes.
        columns: how many beside each other; about as many as rows when not given.
        captions: a line above each image, none when empty.
        side: of the squares, pixels.
    """
    if not images:
        raise ValueError("a sheet needs at least one image")
    if captions and len(captions) != len(images):
        raise ValueError(f"{len(captions)} captions for {len(images)} images: give one an image, or none at all")
    columns = columns or math.ceil(math.sqrt(len(images)))
    fitted = [_fitted(one, side) for one in images]
    if captions:
        fitted = [add_caption(one, text) for one, text in zip(fitted, captions, strict=True)]
    widths = [max(one.shape[1] for one in fitted[column::columns]) for column in range(min(columns, len(fitted)))]
    rows = []
    for start in range(0, len(fitted), columns):
        row = fitted[start : start + columns]
        height = max(one.shape[0] for one in row)
        cells = []
        for one, width in zip(row, widths, strict=False):
            space = ((GAP, height - one.shape[0]), (GAP, width - one.shape[1]), (0, 0))
            cells.append(np.pad(one, space, constant_values=PAPER[0]))
        rows.append(np.concatenate(cells, axis=1))
    return np.pad(stack(*rows), ((0, GAP), (0, GAP), (0, 0)), constant_values=PAPER[0])


def _pixels(image: ImageSource, result: Segmentation) -> Pixels:
    pixels: Pixels = load_image(image).permute(1, 2, 0).cpu().numpy()
    if pixels.shape[:2] != result.size:
        (h, w), (rh, rw) = pixels.shape[:2], result.size
        raise ValueError(f"the image is {w}x{h}, but the segmentation {rw}x{rh}: they must agree")
    return pixels


def _segments(result: Segmentation) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], Mask]:
    """(H, W) int32 ids, (N + 1, 3) the colour of each, (N + 1,) whether it is drawn; of masks, the smaller on top."""
    labels = result.labels.cpu().numpy()
    colors = np.zeros((len(labels) + 1, 3), np.uint8)
    colors[1:] = np.array(result.classes.colors, np.uint8)[labels]
    shown = np.zeros(len(labels) + 1, bool)
    shown[1:] = True if result.classes.background is None else labels != result.classes.background
    if result.masks is None:
        return result.panoptic_map().cpu().numpy(), colors, shown
    ids = result.masks.painted(result.areas().argsort(descending=True, stable=True).tolist())
    return ids.cpu().numpy(), colors, shown


def _is_panoptic(result: Segmentation) -> bool:
    """Whether there are things that do not overlap, among stuff perhaps."""
    return result.ids is not None and any(result.classes.things[label] for label in result.labels.tolist())


def _outlined(result: Segmentation, shown: Mask) -> Mask:
    """(N + 1,): which of the segments that are drawn have outlines: all, but of a panoptic result the things."""
    things = np.array(result.classes.things)[result.labels.cpu().numpy()]
    return shown & np.append(False, things) if _is_panoptic(result) else shown


def _hatch(pixels: Pixels, where: Mask) -> None:
    """Light and dark lines, diagonal and faint, that stand out from any image."""
    wide = _thickness(*where.shape)
    rows, columns = np.ogrid[: where.shape[0], : where.shape[1]]
    line = (rows + columns) // wide % 8
    for place, color in ((0, 255), (1, 0)):
        here = where & (line == place)
        pixels[here] = _mixed(pixels[here], np.array([color] * 3), 0.5)


def _shades(labels: Sequence[int], colors: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(N + 1, 3) of (N + 1, 3): the first of a class keeps its colour, others are lighter or darker and near in hue."""
    shades, seen = colors.copy(), Counter[int]()
    for n, label in enumerate(labels):
        if k := seen[label]:
            hue, lightness, saturation = colorsys.rgb_to_hls(*(colors[n + 1] / 255).tolist())
            lightness = min(max(lightness, 0.35), 0.65) + 0.4 * ((0.5 + k * 0.618034) % 1 - 0.5)
            hue += 0.1 * ((0.5 + k * 0.754878) % 1 - 0.5)
            shades[n + 1] = np.rint(255 * np.array(colorsys.hls_to_rgb(hue % 1, lightness, saturation)))
        seen[label] += 1
    return shades


def _labels(result: Segmentation, shades: np.ndarray[Any, Any]) -> list[Label]:
    """The name and the score of each object, the surest first, where objects are told apart."""
    if not _apart(result):
        return []
    classes, scores, labels = result.classes, result.scores.tolist(), result.labels.tolist()
    masks, found = result.as_masks(), []
    for n in sorted(masks.areas().nonzero().flatten().tolist(), key=lambda n: -scores[n]):
        if result.masks is not None or classes.things[labels[n]]:
            name, score = classes.names[labels[n]], f"{scores[n]:.2f}"
            texts = (name,) if min(scores) == 1 else (f"{name} {score}", score)
            r, g, b = shades[n + 1].tolist()
            found.append(Label(*_largest_part(*masks.crop(n)), texts, (r, g, b)))
    return found


def _largest_part(mask: Tensor, corner: tuple[int, int]) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
    """Of the largest connected part of a mask that is not empty: its box, and where its first and last row begin."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.cpu().numpy().astype(np.uint8), connectivity=8)
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    x, y, width, height = stats[largest, :4].tolist()
    first, last = (int((parts[row] == largest).argmax()) for row in (y, y + height - 1))
    left, top = corner
    return (left + x, top + y, left + x + width, top + y + height), (left + first, left + last)


def _apart(result: Segmentation) -> bool:
    """Whether there may be several objects of a class."""
    return result.masks is not None or len(result.labels.unique()) < len(result)


def _entries(result: Segmentation) -> list[tuple[Color, str]]:
    """The classes that are present, in their order; with the number of objects where these are told apart."""
    classes, present = result.classes, Counter(result.labels[result.areas() > 0].tolist())
    separate = _apart(result)
    return [
        (
            classes.colors[label],
            classes.names[label] + (f" ({number})" if separate and classes.things[label] else ""),
        )
        for label, number in sorted(present.items())
        if label != classes.background
    ]


def _thickness(height: int, width: int) -> int:
    """Of lines, pixels: a four-hundredth of the image's side, as the eye sees it."""
    return max(1, round(math.sqrt(height * width) / 400))


def _inner_edges(ids: np.ndarray[Any, Any], thickness: int) -> Mask:
    """(H, W): the pixels of each segment that lie within `thickness` pixels of another; the image's edge is none."""
    values = ids.astype(np.float32)
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * thickness + 1, 2 * thickness + 1))
    edges: Mask = cv2.dilate(values, around) != cv2.erode(values, around)
    return edges


def _mixed(pixels: np.ndarray[Any, Any], color: np.ndarray[Any, Any], opacity: float) -> np.ndarray[Any, Any]:
    mixed: np.ndarray[Any, Any] = np.rint(pixels * (1 - opacity) + color * opacity).astype(np.uint8)
    return mixed


def _fitted(pixels: Pixels, side: int) -> Pixels:
    """Scaled so that the longer side is `side` pixels; what is enlarged keeps its pixels apart."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    fitted: Pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    return fitted

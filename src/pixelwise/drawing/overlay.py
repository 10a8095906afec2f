"""Predictions drawn on images: overlays, boundaries, errors, and sheets of several images."""

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

# The colours of Okabe and Ito, told apart with every common form of colour blindness.
PREDICTED: Color = (213, 94, 0)
TRUTH: Color = (86, 180, 233)
AGREED: Color = (240, 228, 66)

# Very light and very dark, as no colour of `classes.palette` is, so that none is taken for a class; right and confused,
# and false alarm and missed, differ in yellow and blue, which few people confuse.
RIGHT: Color = (190, 255, 255)
FALSE_ALARM: Color = (130, 0, 0)
MISSED: Color = (0, 0, 150)
CONFUSED: Color = (255, 255, 170)

Mask = np.ndarray[Any, np.dtype[np.bool_]]

GAP = 8
"""The space between the images of a sheet, pixels."""

GOLDEN_RATIO, PLASTIC_RATIO = 0.618034, 0.754878
"""Multiples of these, modulo 1, spread evenly: the lightness and the hue of the shades of a class."""


def draw(
    image: ImageSource,
    result: Segmentation,
    *,
    opacity: float = 0.4,
    outlines: bool = True,
    labels: bool = True,
    legend: bool = True,
) -> Pixels:
    """Draw segments on an image, each tinted and outlined in the colour of its class.

    Background and void are left unchanged. In a panoptic result, stuff has no outlines and void is hatched. Different
    objects of a class have different shades of its colour. Where masks overlap, the smaller one lies on top.

    Args:
        image: the image, in any form that `pixelwise.predict` takes.
        result: a prediction or a ground truth.
        opacity: the opacity of the tint, 0 to 1.
        outlines: whether segments are outlined, in lines whose thickness grows with the image.
        labels: whether objects are labelled with their class, and with their score if one is below 1; an object
            hardly larger than the letters gets its score alone, or nothing.
        legend: whether the classes that are present are listed below the image, things with their number.

    Returns:
        (H, W, 3) uint8 RGB, or larger with a legend; the image itself stays at the upper left in its own size.
    """
    pixels = _pixels(image, result)
    ids, colors, shown = _segments(result)
    shades = _shades(result.labels.tolist(), colors)
    tinted = pixels.copy()
    drawn = shown[ids]
    tinted[drawn] = _mixed(pixels[drawn], shades[ids[drawn]], opacity)
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
    """Draw outlines only: those of the segments, or those of a prediction over those of the ground truth.

    Args:
        image: the image, in any form that `pixelwise.predict` takes.
        result: the prediction; without a ground truth, its outlines have the colours of the classes.
        truth: the ground truth; with it there are three colours: predicted outlines, ground-truth outlines, and both.
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
    pixels[edges & ~true_edges] = PREDICTED
    pixels[true_edges & ~edges] = TRUTH
    pixels[edges & true_edges] = AGREED
    entries = [(PREDICTED, "prediction"), (TRUTH, "ground truth"), (AGREED, "both")]
    return add_legend(pixels, entries) if legend else pixels


def errors(
    image: ImageSource, prediction: Segmentation, truth: Segmentation, *, of: str | None = None, legend: bool = True
) -> Pixels:
    """Draw right and wrong pixels in colour on the image in grey; void of the ground truth stays grey.

    Args:
        image: the image, in any form that `pixelwise.predict` takes.
        prediction, truth: a prediction and a ground truth with the same classes.
        of: the class to look at: its pixels are right, false alarms (predicted only) or missed (in the ground truth
            only). By default all classes: false alarms and misses are then with regard to the background, and pixels
            where one class is predicted as another are confused.
        legend: whether the colours are explained below the image, each with its share of the pixels that count.

    Raises:
        ValueError: if the classes or the sizes differ.
    """
    pixels = _pixels(image, prediction)
    _pixels(image, truth)
    known = truth.class_map().cpu().numpy() != VOID
    grey = np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    entries = []
    for name, color, where in error_masks(prediction, truth, of):
        grey[where] = _mixed(grey[where], np.array(color), 0.4 if name == "right" else 0.75)
        entries.append((color, f"{name} {where.sum() / max(1, known.sum()):.1%}"))
    return add_legend(grey, entries) if legend else grey


def error_masks(prediction: Segmentation, truth: Segmentation, of: str | None = None) -> list[tuple[str, Color, Mask]]:
    """Find the right and wrong pixels.

    Args:
        prediction, truth, of: as for `errors`.

    Returns:
        Name, colour and (H, W) bool of each kind that can occur between classes like these, or does occur: "right",
        "false alarm", "missed" and "confused".

    Raises:
        ValueError: if the classes differ.
    """
    if prediction.classes.names != truth.classes.names:
        names, true_names = ", ".join(prediction.classes.names), ", ".join(truth.classes.names)
        raise ValueError(f"the prediction has the classes {names}, but the ground truth {true_names}")
    predicted_map, true_map = prediction.class_map().cpu().numpy(), truth.class_map().cpu().numpy()
    known = true_map != VOID
    if of is not None:
        label = truth.classes.index(of)
        predicted_map, true_map = predicted_map == label, true_map == label
        predicted, true, expected = predicted_map, true_map, {"right", "false alarm", "missed"}
    else:
        background = truth.classes.background
        nothing = VOID if background is None else background
        predicted, true = (predicted_map != nothing) & (predicted_map != VOID), true_map != nothing
        expected = {"right", "confused"} if background is None else {"right", "false alarm", "missed"}
    same = predicted_map == true_map
    kinds = (
        ("right", RIGHT, predicted & true & same),
        ("false alarm", FALSE_ALARM, predicted & ~true),
        ("missed", MISSED, true & ~predicted),
        ("confused", CONFUSED, predicted & true & ~same),
    )
    masks = []
    for name, color, where in kinds:
        if name in expected or (where & known).any():
            masks.append((name, color, where & known))
    return masks


def sheet(
    images: Sequence[Pixels], columns: int | None = None, *, captions: Sequence[str] = (), side: int = 320
) -> Pixels:
    """Arrange images on one white sheet, each fitted into a square; columns are as wide as their widest image.

    Args:
        images: (H, W, 3) uint8 each, of any sizes.
        columns: the number of columns; by default about as many as rows.
        captions: a line above each image; none if empty.
        side: the side of the squares, pixels.

    Raises:
        ValueError: if there is no image, or the number of captions differs from that of images.
    """
    if not images:
        raise ValueError("a sheet needs at least one image")
    if captions and len(captions) != len(images):
        raise ValueError(f"{len(captions)} captions for {len(images)} images: give one an image, or none at all")
    columns = columns or math.ceil(math.sqrt(len(images)))
    fitted = [_fitted(one, side) for one in images]
    if captions:
        fitted = [add_caption(one, text) for one, text in zip(fitted, captions, strict=True)]
    widths = []
    for column in range(min(columns, len(fitted))):
        widths.append(max(one.shape[1] for one in fitted[column::columns]))
    rows = [_row(fitted[start : start + columns], widths) for start in range(0, len(fitted), columns)]
    return np.pad(stack(*rows), ((0, GAP), (0, GAP), (0, 0)), constant_values=PAPER[0])


def _row(images: Sequence[Pixels], widths: Sequence[int]) -> Pixels:
    """Put images side by side, in cells of these widths with a gap above and to the left of each."""
    height = max(one.shape[0] for one in images)
    cells = []
    for one, width in zip(images, widths, strict=False):
        space = ((GAP, height - one.shape[0]), (GAP, width - one.shape[1]), (0, 0))
        cells.append(np.pad(one, space, constant_values=PAPER[0]))
    return np.concatenate(cells, axis=1)


def _pixels(image: ImageSource, result: Segmentation) -> Pixels:
    pixels: Pixels = load_image(image).permute(1, 2, 0).cpu().numpy()
    if pixels.shape[:2] != result.size:
        (h, w), (rh, rw) = pixels.shape[:2], result.size
        raise ValueError(f"the image is {w}x{h}, but the segmentation {rw}x{rh}: they must agree")
    return pixels


def _segments(result: Segmentation) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], Mask]:
    """Return the (H, W) int32 ids, the colour of each id, (N + 1, 3), and whether it is drawn, (N + 1,).

    Where masks overlap, the smaller one is on top.
    """
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
    """Tell whether there are things that cannot overlap."""
    return result.ids is not None and any(result.classes.things[label] for label in result.labels.tolist())


def _outlined(result: Segmentation, shown: Mask) -> Mask:
    """Tell which ids have outlines, (N + 1,): all that are drawn, in a panoptic result the things only."""
    things = np.array(result.classes.things)[result.labels.cpu().numpy()]
    return shown & np.append(False, things) if _is_panoptic(result) else shown


def _hatch(pixels: Pixels, where: Mask) -> None:
    """Draw faint diagonal lines, light and dark, that stand out from any image."""
    wide = _thickness(*where.shape)
    rows, columns = np.ogrid[: where.shape[0], : where.shape[1]]
    line = (rows + columns) // wide % 8
    for place, color in ((0, 255), (1, 0)):
        here = where & (line == place)
        pixels[here] = _mixed(pixels[here], np.array([color] * 3), 0.5)


def _shades(labels: Sequence[int], colors: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Give the segments of a class different shades, (N + 1, 3).

    The first one of a class keeps its colour; the others are lighter or darker, and near in hue.
    """
    shades, numbers = colors.copy(), Counter[int]()
    for n, label in enumerate(labels):
        k = numbers[label]
        if k:
            hue, lightness, saturation = colorsys.rgb_to_hls(*(colors[n + 1] / 255).tolist())
            lightness = min(max(lightness, 0.35), 0.65) + 0.4 * ((0.5 + k * GOLDEN_RATIO) % 1 - 0.5)
            hue += 0.1 * ((0.5 + k * PLASTIC_RATIO) % 1 - 0.5)
            shades[n + 1] = np.rint(255 * np.array(colorsys.hls_to_rgb(hue % 1, lightness, saturation)))
        numbers[label] += 1
    return shades


def _labels(result: Segmentation, shades: np.ndarray[Any, Any]) -> list[Label]:
    """Make a label with name and score for each object, by descending score; none where objects are not told apart."""
    if not _tells_objects_apart(result):
        return []
    classes, scores, classes_of = result.classes, result.scores.tolist(), result.labels.tolist()
    masks = result.as_masks()
    drawn = masks.areas().nonzero().flatten().tolist()
    labels = []
    for n in sorted(drawn, key=lambda n: -scores[n]):
        if result.masks is not None or classes.things[classes_of[n]]:
            name, score = classes.names[classes_of[n]], f"{scores[n]:.2f}"
            # A ground truth has scores of 1, which tell nothing.
            texts = (name,) if min(scores) == 1 else (f"{name} {score}", score)
            r, g, b = shades[n + 1].tolist()
            labels.append(Label(*_largest_part(*masks.crop(n)), texts, (r, g, b)))
    return labels


def _largest_part(mask: Tensor, corner: tuple[int, int]) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
    """Find the largest connected part of a mask that is not empty.

    Args:
        mask: (h, w) bool, cut out of an image.
        corner: x and y of the cut-out in the image.

    Returns:
        Its box, x1 y1 x2 y2, and the columns where its first and its last row begin.
    """
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.cpu().numpy().astype(np.uint8), connectivity=8)
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    x, y, width, height = stats[largest, :4].tolist()
    first = int((parts[y] == largest).argmax())
    last = int((parts[y + height - 1] == largest).argmax())
    left, top = corner
    return (left + x, top + y, left + x + width, top + y + height), (left + first, left + last)


def _tells_objects_apart(result: Segmentation) -> bool:
    """Tell whether there can be several objects of a class."""
    return result.masks is not None or len(result.labels.unique()) < len(result)


def _entries(result: Segmentation) -> list[tuple[Color, str]]:
    """List the classes that are present, in their order, with their number of objects if these are told apart."""
    classes = result.classes
    numbers = Counter(result.labels[result.areas() > 0].tolist())
    with_numbers = _tells_objects_apart(result)
    entries = []
    for label, number in sorted(numbers.items()):
        if label == classes.background:
            continue
        name = classes.names[label]
        if with_numbers and classes.things[label]:
            name = f"{name} ({number})"
        entries.append((classes.colors[label], name))
    return entries


def _thickness(height: int, width: int) -> int:
    """Return the thickness of lines in pixels: a four-hundredth of the side of a square of the same area."""
    return max(1, round(math.sqrt(height * width) / 400))


def _inner_edges(ids: np.ndarray[Any, Any], thickness: int) -> Mask:
    """Mark the pixels of each segment within `thickness` pixels of another, (H, W); the image border is no edge."""
    values = ids.astype(np.float32)
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * thickness + 1, 2 * thickness + 1))
    edges: Mask = cv2.dilate(values, around) != cv2.erode(values, around)
    return edges


def _mixed(pixels: np.ndarray[Any, Any], color: np.ndarray[Any, Any], opacity: float) -> np.ndarray[Any, Any]:
    """Blend a colour over pixels."""
    mixed: np.ndarray[Any, Any] = np.rint(pixels * (1 - opacity) + color * opacity).astype(np.uint8)
    return mixed


def _fitted(pixels: Pixels, side: int) -> Pixels:
    """Scale an image so that its longer side has `side` pixels; enlarged images keep sharp pixels."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    fitted: Pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    return fitted

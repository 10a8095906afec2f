"""Views of one evaluated image side by side: the image, its ground truth, the prediction, and the wrong pixels."""

from __future__ import annotations

from dataclasses import replace

from ..classes import Color
from ..drawing.legend import Pixels, add_legend
from ..drawing.overlay import draw, error_masks, errors, sheet
from ..inference.predictor import Predictor
from ..sample import Sample
from ..segmentation import Segmentation

EXPLANATION = (
    "The image, the ground truth, the prediction, and the wrong pixels: a false alarm is a class predicted where the "
    "ground truth is background, a miss is a class of the ground truth predicted as background, and confused pixels "
    "are predicted as another class. Pixels are compared by their class alone: two objects of a class that are "
    "predicted as one have no wrong pixels."
)

MIN_SIDE, MAX_SIDE = 192, 384
"""The smallest and the largest side of a view, pixels; between these it is that of the image."""


def side_by_side(sample: Sample, predictor: Predictor) -> Pixels:
    """Draw the views of a sample with ground truth, with one legend below them.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    truth = sample.truth
    assert truth is not None
    prediction = replace(predictor(sample.image), classes=truth.classes)
    pixels: Pixels = sample.image.permute(1, 2, 0).numpy()
    views = {
        "image": pixels,
        "ground truth": draw(pixels, truth, labels=False, legend=False),
        "prediction": draw(pixels, prediction, labels=False, legend=False),
        "wrong pixels": errors(pixels, prediction, truth, legend=False),
    }
    side = min(MAX_SIDE, max(MIN_SIDE, *pixels.shape[:2]))
    beside = sheet(list(views.values()), len(views), captions=list(views), side=side)
    return add_legend(beside, legend_entries(prediction, truth))


def legend_entries(prediction: Segmentation, truth: Segmentation) -> list[tuple[Color, str]]:
    """List the colours of the classes that are present, and those of the right and wrong pixels."""
    classes = truth.classes
    present = {*truth.labels.tolist(), *prediction.labels.tolist()}
    entries = []
    for label in sorted(present - {classes.background}):
        entries.append((classes.colors[label], classes.names[label]))
    for name, color, _ in error_masks(prediction, truth):
        entries.append((color, name))
    return entries

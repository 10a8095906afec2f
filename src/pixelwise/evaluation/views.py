"""Views of one evaluated image side by side: the image, its ground truth, the prediction, and the wrong pixels."""

from __future__ import annotations

from dataclasses import replace

from ..classes import Classes
from ..drawing.legend import Pixels, add_legend
from ..drawing.overlay import CONFUSED, FALSE_ALARM, MISSED, RIGHT, draw, errors, sheet
from ..inference.predictor import Predictor
from ..sample import Sample

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
    present = {*truth.labels.tolist(), *prediction.labels.tolist()}
    side = min(MAX_SIDE, max(MIN_SIDE, *pixels.shape[:2]))
    beside = sheet(list(views.values()), len(views), captions=list(views), side=side)
    return add_legend(beside, _legend(truth.classes, present))


def _legend(classes: Classes, present: set[int]) -> list[tuple[tuple[int, int, int], str]]:
    """List the colours of the classes that are present, and those of the wrong pixels that can occur."""
    entries = []
    for label in sorted(present - {classes.background}):
        entries.append((classes.colors[label], classes.names[label]))
    entries.append((RIGHT, "right"))
    if len(classes) > 2:
        entries.append((CONFUSED, "confused"))
    if classes.background is not None:
        entries += [(FALSE_ALARM, "false alarm"), (MISSED, "missed")]
    return entries

"""The segments of an image's ground truth: areas of its objects, and contradictions between its segments."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np

from ..data.dataset import Fault, Record
from ..ops.phrases import counted, few
from ..segmentation import Segmentation
from ..types import Array


def object_areas(truth: Segmentation, class_map: Array) -> Array:
    """Labels and areas of the objects of an image.

    Args:
        truth: its ground truth.
        class_map: (H, W) uint8, the class map of the ground truth.

    Returns:
        (K, 2) int64, label and area in pixels: the segments of things without crowds; where no class is a thing, the
        connected components of each class except the background.
    """
    things = np.array(truth.classes.things)
    if things.any():
        table = np.column_stack([truth.labels.numpy(), truth.areas().numpy()])
        return np.asarray(table[things[table[:, 0]] & ~truth.crowd.numpy()])
    rows: list[tuple[int, int]] = []
    for label in np.unique(class_map).tolist():
        if label < len(things) and label != truth.classes.background:
            is_class = (class_map == label).astype(np.uint8)
            _, _, stats, _ = cv2.connectedComponentsWithStats(is_class, connectivity=8)
            rows += [(label, area) for area in stats[1:, cv2.CC_STAT_AREA].tolist()]  # component 0 is all the rest
    return np.array(rows, np.int64).reshape(-1, 2)


def segment_faults(record: Record, truth: Segmentation) -> list[Fault]:
    """Contradictions between the segments: stuff in several segments, objects that overlap.

    Args:
        record: the image, for the text.
        truth: its ground truth.
    """
    file = record.mask or record.image
    faults = []
    if truth.masks is None:
        repeated = _repeated_stuff(truth)
        if repeated:
            text = f"stuff has several segments in {file}: {few(repeated)}; scores take it for one an image: unite them"
            faults.append(Fault("error", "stuff", text))
    else:
        overlap = _overlap(truth)
        if overlap:
            pixels = counted(overlap, "pixel")
            text = f"objects overlap in {file}, by {pixels}; in a panoptic map a pixel has one segment"
            faults.append(Fault("note", "overlap", text))
    return faults


def _repeated_stuff(truth: Segmentation) -> list[str]:
    """Names of the classes of stuff with several segments, and how many; none where no class is a thing."""
    classes = truth.classes
    if not any(classes.things):
        return []
    numbers = Counter(truth.labels[~truth.crowd].tolist())
    return [f"{classes.names[k]} {n}" for k, n in sorted(numbers.items()) if n > 1 and not classes.things[k]]


def _overlap(truth: Segmentation) -> int:
    """The number of pixels by which the areas of the objects exceed the area of their union."""
    assert truth.masks is not None
    objects = truth.masks.select((~truth.crowd).nonzero().flatten())
    union = objects.united([range(len(objects))])
    return int(objects.areas().sum() - union.areas().sum())

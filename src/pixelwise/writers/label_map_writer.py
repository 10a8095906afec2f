"""Label maps: the number of the segment of each pixel, as a 16-bit PNG, and the class of each number as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..classes import Classes
from ..data.formats.label_map import VOID_ID
from ..images.png import write_png
from ..images.reading import ImageSource
from ..ops.atomic_files import write_text
from ..ops.phrases import counted
from ..segmentation import Segmentation
from .objects_table import object_numbers
from .writer import FilePerImage


class LabelMapWriter(FilePerImage):
    """Write a number for each thing and each class of stuff: 0 is the background, 65535 void.

    A JSON file beside the PNG names the class of each number. Where objects overlap, the one with the highest
    confidence score is visible.
    """

    name = "label-map"
    suffix = ".png"

    def __init__(self, folder: Path, file: Path | None, classes: Classes) -> None:
        super().__init__(folder, file, classes)
        self._hidden = 0
        self._first_hidden = ""

    def add(self, name: str, result: Segmentation, image: ImageSource | None = None) -> None:
        super().add(name, result, image)
        visible = len(result.panoptic_map().unique().nonzero())
        hidden = len(result) - visible
        if hidden and not self._hidden:
            self._first_hidden = name
        self._hidden += hidden

    def write(self, path: Path, result: Segmentation, image: ImageSource | None) -> None:
        """Write the label map of one image, and the class of each of its numbers."""
        numbers, names = number_map(result)
        write_png(path, numbers)
        write_text(path.with_suffix(".json"), json.dumps(names))

    def notes(self) -> list[str]:
        if not self._hidden:
            return []
        number = counted(self._hidden, "object has", "objects have")
        return [f"{number} no pixel in the label map, as others lie on top; the first in {self._first_hidden}"]


def number_map(result: Segmentation) -> tuple[NDArray[np.uint16], dict[int, str]]:
    """Return the numbers of the segments as a map, and the class name of each number that is visible.

    Returns:
        (H, W): the number of the segment that each pixel belongs to, where masks overlap the one with the highest
        score; 0 for the background, and where masks leave it free; 65535 for void, which neither covers, and for
        crowds. And {number: class name}.

    Raises:
        ValueError: there are more objects than 16 bits can number.
    """
    numbers = object_numbers(result)
    if numbers.max(initial=0) >= VOID_ID:
        raise ValueError(f"there are {numbers.max()} objects: a 16-bit label map holds {VOID_ID - 1}")
    # Masks need not cover the image: what they leave free is background, if the classes have one.
    uncovered = 0 if result.masks is not None and result.classes.background is not None else VOID_ID
    of_segments = np.where(result.crowd.cpu().numpy(), VOID_ID, numbers)
    table = np.array([uncovered, *of_segments], np.uint16)
    drawn = table[result.panoptic_map().cpu().numpy()]
    visible = set(np.unique(drawn).tolist())
    names = {}
    for number, label in zip(numbers.tolist(), result.labels.tolist(), strict=True):
        if number and number in visible:
            names[number] = result.classes.names[label]
    return drawn, names

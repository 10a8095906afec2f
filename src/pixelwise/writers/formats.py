"""The table of all formats of result files, each with its writer."""

from __future__ import annotations

from ..ops.names import suggest
from .class_map_writer import ClassMapWriter
from .coco_panoptic_writer import CocoPanopticWriter
from .coco_writer import CocoWriter
from .label_map_writer import LabelMapWriter
from .objects_table import TableWriter
from .overlay_writer import OverlayWriter
from .writer import Writer
from .yolo_writer import YoloWriter

WRITERS: dict[str, type[Writer]] = {
    "overlay": OverlayWriter,
    "class-map": ClassMapWriter,
    "label-map": LabelMapWriter,
    "coco": CocoWriter,
    "coco-panoptic": CocoPanopticWriter,
    "yolo": YoloWriter,
    "table": TableWriter,
}
"""The writer of each format."""

DEFAULT_FORMATS = {
    "semantic": ("overlay", "class-map"),
    "instance": ("overlay", "table"),
    "panoptic": ("overlay", "coco-panoptic"),
}
"""The formats that `predict_files` writes for each task when none are given."""


def writer_of(format: str) -> type[Writer]:
    """Return the writer of a format.

    Raises:
        ValueError: there is no such format.
    """
    if format not in WRITERS:
        raise ValueError(f"there is no format {format!r} for results; {suggest(format, WRITERS)}")
    return WRITERS[format]


def format_of_suffix(suffix: str) -> str | None:
    """Return the format that a suffix stands for, such as "class-map" for ".png"; None if it stands for none."""
    for format, writer in WRITERS.items():
        if suffix.lower() in writer.recognized:
            return format
    return None

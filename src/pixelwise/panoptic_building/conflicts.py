"""Contradictions between the class mask and the objects of an image, or between two objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from ..masks import Masks
from ..types import Array
from .class_mapping import NO_CLASS, ClassMapping


class ConflictKind(StrEnum):
    """The kinds of contradictions, as tables name them."""

    CLASS = "class"
    """The mask says another class than the object."""

    UNCOVERED = "uncovered"
    """The mask says a thing, and no object is there."""

    OVERLAP = "overlap"
    """Another object lies on the object."""

    CLASSLESS = "classless"
    """The mask does not say what the object is."""


@dataclass(frozen=True, eq=False)
class Conflict:
    """A contradiction between the class mask and the objects of an image, or between two objects.

    Attributes:
        kind: what contradicts what.
        text: a description for people.
        where: (H, W) bool, its pixels.
    """

    kind: ConflictKind
    text: str
    where: Array

    @property
    def pixels(self) -> int:
        """The number of its pixels."""
        return int(self.where.sum())


class PaintedObjects(NamedTuple):
    """The objects of an image, those on top painted over the others.

    Attributes:
        ids: (H, W) int32, n + 1 where object n is visible, 0 where there is no object.
        labels: the class of each object; negative for those that were left out.
        crowd: whether each is a crowd.
    """

    ids: Array
    labels: Sequence[int]
    crowd: Sequence[bool]

    def visible_areas(self) -> Array:
        """(N,) the number of visible pixels of each object."""
        return np.bincount(self.ids.ravel(), minlength=len(self.labels) + 1)[1:]


def find_overlaps(objects: PaintedObjects, shapes: Masks, names: Sequence[str]) -> Iterator[Conflict]:
    """Objects that others cover in part; that they cover crowds is no contradiction.

    Args:
        objects: the painted objects.
        shapes: their whole masks.
        names: of the classes.
    """
    areas = shapes.areas().tolist()
    visible_areas = objects.visible_areas().tolist()
    for n, label in enumerate(objects.labels):
        is_covered = visible_areas[n] < areas[n]
        if label >= 0 and is_covered and not objects.crowd[n]:
            where = shapes[n].numpy() & (objects.ids != n + 1)
            text = f"other objects cover {int(where.sum())} of {areas[n]} pixels of {names[label]} (object {n + 1})"
            if not visible_areas[n]:
                text += ": nothing is left of it"
            yield Conflict(ConflictKind.OVERLAP, text, where)


def find_contradictions(objects: PaintedObjects, class_map: Array, mapping: ClassMapping) -> Iterator[Conflict]:
    """Objects whose class the mask knows, where it says another one.

    Args:
        objects: the painted objects.
        class_map: (H, W) class indices of the result, `NO_CLASS` for void.
        mapping: the classes.
    """
    names = mapping.classes.names
    label_of_id = np.array([NO_CLASS, *objects.labels], np.int16)
    # A class that only objects have cannot be in the mask: that something else is there says nothing.
    is_in_masks = np.isin(label_of_id, mapping.from_masks) & (label_of_id >= 0)
    contradicts = is_in_masks[objects.ids] & (class_map >= 0) & (class_map != label_of_id[objects.ids])
    for object_id in np.unique(objects.ids[contradicts]).tolist():
        is_object = objects.ids == object_id
        where = contradicts & is_object
        labels, pixels = np.unique(class_map[where], return_counts=True)
        others = [f"{names[k]} {n}" for k, n in zip(labels.tolist(), pixels.tolist(), strict=True)]
        name, area = names[objects.labels[object_id - 1]], int(is_object.sum())
        text = f"of {area} pixels of {name} (object {object_id}) the mask says: {', '.join(others)}"
        yield Conflict(ConflictKind.CLASS, text, where)


def find_uncovered_things(objects: PaintedObjects, class_map: Array, mapping: ClassMapping) -> Iterator[Conflict]:
    """Pixels of things in the mask where there is no object, for each class.

    Args:
        objects: the painted objects.
        class_map: (H, W) class indices of the result, `NO_CLASS` for void.
        mapping: the classes.
    """
    classes = mapping.classes
    for label in labels_in(class_map):
        where = (class_map == label) & (objects.ids == 0)
        if classes.things[label] and where.any():
            text = f"{int(where.sum())} pixels of {classes.names[label]} in the mask have no object"
            yield Conflict(ConflictKind.UNCOVERED, text, where)


def labels_in(class_map: Array) -> list[int]:
    """The classes in a class map, ascending, without void."""
    return [label for label in np.unique(class_map).tolist() if label >= 0]

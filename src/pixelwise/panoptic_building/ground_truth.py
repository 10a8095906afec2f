"""Combine the class mask and the objects of an image, from independent annotators, into panoptic ground truth.

The rule: an object wins over the class mask; where objects overlap, the smaller one lies on top, crowds below all.
Where the mask says a thing and there is no object, nobody knows which object it is: the pixels become void. Each class
of stuff is one segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from ..classes import Classes
from ..masks import Masks
from ..segmentation import Segmentation
from ..types import Array
from .class_mapping import CLASS_FROM_MASK, NO_CLASS, ClassMapping, map_classes
from .conflicts import (
    Conflict,
    ConflictKind,
    PaintedObjects,
    find_contradictions,
    find_overlaps,
    find_uncovered_things,
    labels_in,
)

RULE = (
    "an object wins over the class mask; of overlapping objects the smaller lies on top, crowds below all; where the "
    "mask says a thing and there is no object, pixels are void; each class of stuff is one segment"
)

APPROXIMATE = (
    "objects are the connected components of class masks: objects that touch are one, objects that are partly hidden "
    "may be several"
)


@dataclass(frozen=True)
class PanopticTruthBuilder:
    """Makes panoptic ground truth from the class masks and the objects of images.

    Attributes:
        mapping: the classes of the result, and what becomes of those of the masks and the objects.
        smallest: connected components of fewer pixels become void, where these are the objects.
    """

    mapping: ClassMapping
    smallest: int = 0

    @classmethod
    def from_classes(
        cls,
        masks: Classes | None,
        objects: Classes | None,
        things: Sequence[str] = (),
        rest: str = "background",
        smallest: int = 0,
    ) -> PanopticTruthBuilder:
        """A builder for the classes of the masks and those of the objects, either of which may be None.

        Args:
            masks, objects, things, rest: as of `map_classes`.
            smallest: area in pixels, for objects that are connected components.

        Raises:
            ValueError: as `map_classes`.
        """
        return cls(map_classes(masks, objects, things, rest), smallest)

    @property
    def classes(self) -> Classes:
        """The classes of the result."""
        return self.mapping.classes

    @property
    def has_masks(self) -> bool:
        """True if there are class masks."""
        return bool(self.mapping.from_masks)

    @property
    def has_objects(self) -> bool:
        """True if there are annotated objects; otherwise the connected components of things are the objects."""
        return bool(self.mapping.from_objects)

    def build(self, masks: Segmentation | None, objects: Segmentation | None) -> tuple[Segmentation, list[Conflict]]:
        """Build the panoptic ground truth of one image.

        Args:
            masks: its class mask, where there are masks.
            objects: its objects, where there are objects.

        Returns:
            The ground truth, as `ids`: objects in their order, then stuff; and all contradictions.

        Raises:
            ValueError: the two differ in size.
        """
        if masks is not None and objects is not None and masks.size != objects.size:
            (h, w), (oh, ow) = masks.size, objects.size
            raise ValueError(f"its class mask is {w}x{h}, but its objects are on {ow}x{oh}: they must have one size")
        class_map = None if masks is None else self._class_map(masks)
        if objects is None:
            assert class_map is not None
            return self._add_stuff(self._connected_components(class_map), class_map), []

        foreground = self._without_background(objects)
        shapes, crowd = foreground.as_masks(), foreground.crowd.tolist()
        labels = [self.mapping.from_objects[label] for label in foreground.labels.tolist()]
        conflicts: list[Conflict] = []
        if class_map is not None:
            labels, conflicts = self._labels_from_mask(labels, shapes, class_map)
        painted = PaintedObjects(_paint(shapes, labels, crowd), labels, crowd)
        conflicts += find_overlaps(painted, shapes, self.classes.names)
        if class_map is not None:
            conflicts += find_contradictions(painted, class_map, self.mapping)
            conflicts += find_uncovered_things(painted, class_map, self.mapping)
        elif self.classes.background is not None:
            class_map = np.full(painted.ids.shape, self.classes.background, np.int16)
        return self._add_stuff(painted, class_map), conflicts

    def _class_map(self, masks: Segmentation) -> Array:
        """(H, W) int16: class indices of the result, `NO_CLASS` for void."""
        table = np.full(256, NO_CLASS, np.int16)
        table[: len(self.mapping.from_masks)] = self.mapping.from_masks
        return np.asarray(table[masks.class_map().numpy()])

    def _connected_components(self, class_map: Array) -> PaintedObjects:
        """The connected components of all things, those of the first class first."""
        ids = np.zeros(class_map.shape, np.int32)
        labels: list[int] = []
        for label in labels_in(class_map):
            if not self.classes.things[label]:
                continue
            number, components = cv2.connectedComponents((class_map == label).view(np.uint8), connectivity=8)
            areas = np.bincount(components.ravel(), minlength=number)
            kept = np.flatnonzero(areas[1:] >= self.smallest) + 1  # component 0 is everything else
            id_of_component = np.zeros(number, np.int32)
            id_of_component[kept] = np.arange(1, len(kept) + 1) + len(labels)
            ids += id_of_component[components]
            labels += [label] * len(kept)
        return PaintedObjects(ids, labels, [False] * len(labels))

    def _without_background(self, objects: Segmentation) -> Segmentation:
        """The objects that are neither background nor empty."""
        labels = torch.tensor(self.mapping.from_objects)[objects.labels]
        return objects.select((labels != NO_CLASS) & (objects.areas() > 0))

    def _labels_from_mask(
        self, labels: Sequence[int], shapes: Masks, class_map: Array
    ) -> tuple[list[int], list[Conflict]]:
        """Give each object without a class the thing that most of its pixels have in the mask.

        Returns:
            The labels, which stay `CLASS_FROM_MASK` where none of the pixels is a thing; and those conflicts.
        """
        things = np.flatnonzero(self.classes.things)
        completed, conflicts = list(labels), []
        for n, label in enumerate(labels):
            if label != CLASS_FROM_MASK:
                continue
            where = shapes[n].numpy()
            pixels = np.bincount(class_map[where] + 1, minlength=len(self.classes) + 1)[1:]  # from 1 on: 0 is void
            if pixels[things].any():
                completed[n] = int(things[pixels[things].argmax()])
            else:
                text = f"object {n + 1} is no thing in the mask: left out"
                conflicts.append(Conflict(ConflictKind.CLASSLESS, text, where))
        return completed, conflicts

    def _add_stuff(self, objects: PaintedObjects, class_map: Array | None) -> Segmentation:
        """The visible objects, and a segment for each class of stuff on the pixels that are left."""
        visible = np.flatnonzero(objects.visible_areas())
        new_id = np.zeros(len(objects.labels) + 1, np.int32)
        new_id[visible + 1] = np.arange(1, len(visible) + 1)
        ids = new_id[objects.ids]
        labels = [objects.labels[n] for n in visible.tolist()]
        crowd = [objects.crowd[n] for n in visible.tolist()]
        if class_map is not None:
            for label in labels_in(class_map):
                where = (class_map == label) & (objects.ids == 0)
                if not self.classes.things[label] and where.any():
                    labels.append(label)
                    crowd.append(False)
                    ids[where] = len(labels)
        return Segmentation(
            self.classes,
            torch.tensor(labels, dtype=torch.int64),
            ids=torch.from_numpy(ids),
            crowd=torch.tensor(crowd, dtype=torch.bool),
        )


def _paint(shapes: Masks, labels: Sequence[int], crowd: Sequence[bool]) -> Array:
    """(H, W) int32 ids of the objects that have a class: crowds first, then from the largest to the smallest."""
    areas = shapes.areas().tolist()
    order = sorted(range(len(labels)), key=lambda n: (not crowd[n], -areas[n]))
    return shapes.painted([n for n in order if labels[n] >= 0]).numpy()

"""Class masks and objects of one image, each made by whomever, as one panoptic ground truth; and where they contradict.

The rule: an object wins over the class mask; of objects that overlap the smaller lies on top, crowds below all. Where
the mask says a thing and no object is, nobody knows which object it is: void. Each class of stuff is one segment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from ..classes import Classes, palette
from ..data.recognition.class_names import two_classes
from ..masks import Masks
from ..ops.names import suggest
from ..segmentation import Segmentation
from ..types import Array

RULE = (
    "an object wins over the class mask; of objects that overlap the smaller lies on top, crowds below all; where the "
    "mask says a thing and no object is, void; each class of stuff is one segment"
)

APPROXIMATE = (
    "objects are the connected parts of class masks: those that touch are one, those that something hides a part of "
    "may be several"
)

UNNAMED = two_classes("object", thing=True)
"""What label maps have where nobody says what their objects are."""


@dataclass(frozen=True, eq=False)
class Conflict:
    """A contradiction between the class mask and the objects of an image, or between two objects.

    Attributes:
        kind: "class" (the mask says another class than the object), "uncovered" (the mask says a thing, and no object
            is there), "overlap" (another object lies on it) or "classless" (the mask does not say what it is).
        text: in words.
        where: (H, W) bool, its pixels.
    """

    kind: str
    text: str
    where: Array

    @property
    def pixels(self) -> int:
        """How many they are."""
        return int(self.where.sum())


@dataclass(frozen=True)
class PanopticTruthBuilder:
    """Makes panoptic ground truths of the class masks and the objects of images.

    Attributes:
        classes: of the result.
        masks: for each class of the masks its index in `classes`, −1 for void; empty where there are no masks.
        objects: for each class of the objects its index, −1 for the background, −2 for what the mask is to name; empty
            where connected parts of the masks' things are the objects.
        smallest: connected parts of fewer pixels are void.
    """

    classes: Classes
    masks: tuple[int, ...] = ()
    objects: tuple[int, ...] = ()
    smallest: int = 0

    @classmethod
    def plan(
        cls,
        masks: Classes | None,
        objects: Classes | None,
        things: Sequence[str] = (),
        rest: str = "background",
        smallest: int = 0,
    ) -> PanopticTruthBuilder:
        """What becomes what, by the names of the classes.

        Args:
            masks: the classes of the masks, where there are masks.
            objects: the classes of the objects, where there are objects. Where they are all just "object", each gets
                the thing that most of its pixels have in the mask.
            things: names of the masks' classes that are countable, beside those that objects have.
            rest: what becomes of the background: "background", a class of stuff, or "void".
            smallest: area, pixels; for objects that are connected parts.

        Raises:
            ValueError: there is neither; a thing is no class; no class is countable; `rest` is another word.
        """
        first = masks or objects
        if first is None:
            raise ValueError("there is nothing to build from: give class masks, objects, or both")
        if rest not in ("background", "void"):
            raise ValueError(f"rest is {rest!r}: what is left over becomes 'background' or 'void'")
        unnamed = masks is not None and objects is not None and set(objects.names) == set(UNNAMED.names)
        unnamed = unnamed and "object" not in first.names
        every, kinds = list(first.names), [] if objects is None or unnamed else _kinds(objects)
        every += [name for name in kinds if name not in every]
        unknown = next((name for name in things if name not in every), None)
        of = f"of: {', '.join(_kinds(first))}"
        if unnamed and (unknown is not None or not (things or any(first.things))):
            raise ValueError(
                f"the objects have no name: say which class of the masks they are, --things NAME, {of}; when they are "
                "none of these, name them in a classes.txt beside the objects: a line for the background, one for them"
            )
        if unknown is not None:
            raise ValueError(f"no class is called {unknown!r}, which should be a thing; {suggest(unknown, every)}")
        counted = {*things, *kinds} or {n for n, thing in zip(first.names, first.things, strict=True) if thing}
        if not counted:
            raise ValueError(f"which classes are countable? name some with --things, {of}")
        nothing = None if first.background is None else first.names[first.background]
        names = tuple(name for name in every if name != nothing or rest == "background")
        at = {name: k for k, name in enumerate(names)}
        classes = Classes(names, _colors(first, names), tuple(name in counted for name in names), at.get(nothing or ""))
        table: tuple[int, ...] = ()
        if objects is not None:
            table = tuple(
                -1 if k == objects.background else -2 if unnamed else at[name] for k, name in enumerate(objects.names)
            )
        return cls(classes, tuple(at.get(name, -1) for name in masks.names) if masks else (), table, smallest)

    def merge(self, masks: Segmentation | None, objects: Segmentation | None) -> tuple[Segmentation, list[Conflict]]:
        """The panoptic ground truth of one image, as `ids`: objects in order, then stuff; and all conflicts.

        Args:
            masks: its class mask, where there are masks.
            objects: its objects, where there are objects.

        Raises:
            ValueError: they differ in size.
        """
        if masks is not None and objects is not None and masks.size != objects.size:
            (h, w), (oh, ow) = masks.size, objects.size
            raise ValueError(f"its class mask is {w}x{h}, but its objects are on {ow}x{oh}: they must agree")
        class_map = None if masks is None else self._class_map(masks)
        if objects is None:
            assert class_map is not None
            return self._joined(*self._parts(class_map), class_map), []
        wanted = torch.tensor(self.objects)[objects.labels]
        kept = objects.select((wanted != -1) & (objects.areas() > 0))
        labels, shapes = [self.objects[label] for label in kept.labels.tolist()], kept.as_masks()
        conflicts: list[Conflict] = []
        if class_map is not None:
            conflicts += self._name(labels, shapes, class_map)
        areas, crowd = shapes.areas().tolist(), kept.crowd.tolist()
        order = sorted(range(len(labels)), key=lambda n: (not crowd[n], -areas[n]))
        ids = shapes.painted([n for n in order if labels[n] >= 0]).numpy()
        conflicts += self._hidden(labels, shapes, ids, crowd)
        if class_map is not None:
            conflicts += [*self._contradicted(labels, ids, class_map), *self._uncovered(ids, class_map)]
        return self._joined(ids, labels, crowd, class_map), conflicts

    def _class_map(self, masks: Segmentation) -> Array:
        """(H, W) int16 indices in `classes`, −1 for void."""
        table = np.full(256, -1, np.int16)
        table[: len(self.masks)] = self.masks
        return np.asarray(table[masks.class_map().numpy()])

    def _parts(self, class_map: Array) -> tuple[Array, list[int], list[bool]]:
        """The connected parts of all things, as ids and their labels."""
        ids = np.zeros(class_map.shape, np.int32)
        labels: list[int] = []
        for label in _present(class_map):
            if not self.classes.things[label]:
                continue
            number, parts = cv2.connectedComponents((class_map == label).view(np.uint8), connectivity=8)
            areas = np.bincount(parts.ravel(), minlength=number)
            kept = np.flatnonzero(areas[1:] >= self.smallest) + 1
            table = np.zeros(number, np.int32)
            table[kept] = np.arange(1, len(kept) + 1) + len(labels)
            ids += table[parts]
            labels += [label] * len(kept)
        return ids, labels, [False] * len(labels)

    def _name(self, labels: list[int], shapes: Masks, class_map: Array) -> Iterator[Conflict]:
        """Gives objects without a class the thing that most of their pixels have in the mask."""
        things = np.flatnonzero(self.classes.things)
        for n, label in enumerate(labels):
            if label == -2:
                where = shapes[n].numpy()
                held = np.bincount(class_map[where] + 1, minlength=len(self.classes) + 1)[1:][things]
                labels[n] = int(things[held.argmax()]) if held.any() else -2
                if not held.any():
                    yield Conflict("classless", f"object {n + 1} is no thing in the mask: left out", where)

    def _hidden(self, labels: Sequence[int], shapes: Masks, ids: Array, crowd: Sequence[bool]) -> Iterator[Conflict]:
        """Objects that others lie on; what lies on a crowd is no contradiction."""
        areas, left = shapes.areas().tolist(), np.bincount(ids.ravel(), minlength=len(labels) + 1)[1:].tolist()
        for n, label in enumerate(labels):
            if label >= 0 and left[n] < areas[n] and not crowd[n]:
                where = shapes[n].numpy() & (ids != n + 1)
                rest = "" if left[n] else ": nothing is left of it"
                what = f"{self.classes.names[label]} (object {n + 1})"
                lost = int(where.sum())
                yield Conflict("overlap", f"other objects cover {lost} of {areas[n]} pixels of {what}{rest}", where)

    def _contradicted(self, labels: Sequence[int], ids: Array, class_map: Array) -> Iterator[Conflict]:
        """Objects where the mask, which knows their class, says another one."""
        label_of = np.array([-1, *labels], np.int16)
        known = np.isin(label_of, self.masks) & (label_of >= 0)
        wrong = known[ids] & (class_map >= 0) & (class_map != label_of[ids])
        for n in np.unique(ids[wrong]).tolist():
            where = wrong & (ids == n)
            others, pixels = np.unique(class_map[where], return_counts=True)
            said = ", ".join(
                f"{self.classes.names[k]} {p}" for k, p in zip(others.tolist(), pixels.tolist(), strict=True)
            )
            name, area = self.classes.names[labels[n - 1]], int((ids == n).sum())
            text = f"of {area} pixels of {name} (object {n}) the mask says: {said}"
            yield Conflict("class", text, where)

    def _uncovered(self, ids: Array, class_map: Array) -> Iterator[Conflict]:
        """Pixels of things in the mask where no object is."""
        for label in _present(class_map):
            where = (class_map == label) & (ids == 0)
            if self.classes.things[label] and where.any():
                name = self.classes.names[label]
                yield Conflict("uncovered", f"{int(where.sum())} pixels of {name} in the mask have no object", where)

    def _joined(
        self, ids: Array, labels: Sequence[int], crowd: Sequence[bool], class_map: Array | None
    ) -> Segmentation:
        """Objects of which something is left, and stuff on all other pixels."""
        kept = np.flatnonzero(np.bincount(ids.ravel(), minlength=len(labels) + 1)[1:])
        table = np.zeros(len(labels) + 1, np.int32)
        table[kept + 1] = np.arange(1, len(kept) + 1)
        joined = table[ids]
        named = [labels[n] for n in kept.tolist()]
        background = self.classes.background
        if class_map is None and background is not None:
            class_map = np.full(ids.shape, background, np.int16)
        for label in [] if class_map is None else _present(class_map):
            where = (class_map == label) & (ids == 0)
            if not self.classes.things[label] and where.any():
                named.append(label)
                joined[where] = len(named)
        crowds = torch.zeros(len(named), dtype=torch.bool)
        crowds[: len(kept)] = torch.tensor([crowd[n] for n in kept.tolist()], dtype=torch.bool)
        return Segmentation(
            self.classes, torch.tensor(named, dtype=torch.int64), ids=torch.from_numpy(joined), crowd=crowds
        )


def _present(class_map: Array) -> list[int]:
    """The classes in a map, without void."""
    return [label for label in np.unique(class_map).tolist() if label >= 0]


def _kinds(classes: Classes) -> list[str]:
    """All but the background."""
    return [name for k, name in enumerate(classes.names) if k != classes.background]


def _colors(first: Classes, names: Sequence[str]) -> tuple[tuple[int, int, int], ...]:
    """Those that the classes have already; new ones get colours that no other has."""
    known = dict(zip(first.names, first.colors, strict=True))
    free = iter(color for color in palette(2 * len(names) + len(known)) if color not in known.values())
    return tuple(known[name] if name in known else next(free) for name in names)

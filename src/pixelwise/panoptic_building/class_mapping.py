"""The classes of panoptic ground truth that is built from class masks and objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..classes import Classes, Color, palette
from ..data.recognition.class_names import two_classes
from ..ops.names import suggest

NO_CLASS = -1
"""Stands for a class index where there is none: void in a mask, the background among the objects."""

CLASS_FROM_MASK = -2
"""Stands for the class index of an object whose class only the class mask tells."""

UNNAMED_OBJECTS = two_classes("object", thing=True)
"""The classes of label maps whose objects have no class of their own."""


@dataclass(frozen=True)
class ClassMapping:
    """The classes of panoptic ground truth, and what becomes of the classes it is made from.

    Attributes:
        classes: the classes of the result.
        from_masks: for each class of the class masks its index in `classes`, or `NO_CLASS`; empty where there are
            no masks.
        from_objects: for each class of the objects its index in `classes`, or `NO_CLASS` or `CLASS_FROM_MASK`; empty
            where the connected components of the masks' things are the objects.
    """

    classes: Classes
    from_masks: tuple[int, ...] = ()
    from_objects: tuple[int, ...] = ()


def map_classes(
    masks: Classes | None, objects: Classes | None, things: Sequence[str] = (), rest: str = "background"
) -> ClassMapping:
    """Unite the classes of class masks and objects by their names.

    Args:
        masks: the classes of the masks, where there are masks.
        objects: the classes of the objects, where there are objects. Where all are just "object", each gets the thing
            that most of its pixels have in the mask.
        things: names of the masks' classes that are countable, besides those that objects have.
        rest: what becomes of the background: "background", a class of stuff, or "void".

    Raises:
        ValueError: there is neither; a thing is no class; no class is countable; `rest` is another word.
    """
    first = masks or objects
    if first is None:
        raise ValueError("there is nothing to build from: give class masks, objects, or both")
    if rest not in ("background", "void"):
        raise ValueError(f"rest is {rest!r}: what is left over becomes 'background' or 'void'")
    are_unnamed = _are_unnamed(objects, masks)
    # Objects without a class add none to those of the masks.
    object_names = [] if objects is None or are_unnamed else _foreground_names(objects)
    names = [*first.names, *(name for name in object_names if name not in first.names)]
    _check_things(things, names, first, are_unnamed)
    countable = {*things, *object_names} or _thing_names(first)
    if not countable:
        raise ValueError(f"which classes are countable? name some with --things, {_choice(first)}")

    classes = _result_classes(first, names, countable, keep_background=rest == "background")
    index = {name: k for k, name in enumerate(classes.names)}
    return ClassMapping(classes, _mask_indices(masks, index), _object_indices(objects, index, are_unnamed))


def _are_unnamed(objects: Classes | None, masks: Classes | None) -> bool:
    """True if the class of objects must be taken from the mask, because all of them are just "object"."""
    if objects is None or masks is None:
        return False
    return set(objects.names) == set(UNNAMED_OBJECTS.names) and "object" not in masks.names


def _result_classes(first: Classes, names: Sequence[str], countable: set[str], keep_background: bool) -> Classes:
    background = None if first.background is None else first.names[first.background]
    if not keep_background:
        names = [name for name in names if name != background]
    return Classes(
        names=tuple(names),
        colors=_colors(first, names),
        things=tuple(name in countable for name in names),
        background=names.index(background) if background in names else None,
    )


def _check_things(things: Sequence[str], names: Sequence[str], first: Classes, are_unnamed: bool) -> None:
    """Check that all things are classes, and that objects without a class can get one."""
    unknown = [name for name in things if name not in names]
    if are_unnamed and (unknown or not (things or any(first.things))):
        raise ValueError(
            f"the objects have no name: say which class of the masks they are, --things NAME, {_choice(first)}; when "
            "they are none of these, name them in a classes.txt beside the objects: a line for the background, one for "
            "them"
        )
    if unknown:
        raise ValueError(f"no class is called {unknown[0]!r}, which should be a thing; {suggest(unknown[0], names)}")


def _mask_indices(masks: Classes | None, index: Mapping[str, int]) -> tuple[int, ...]:
    if masks is None:
        return ()
    return tuple(index.get(name, NO_CLASS) for name in masks.names)


def _object_indices(objects: Classes | None, index: Mapping[str, int], are_unnamed: bool) -> tuple[int, ...]:
    if objects is None:
        return ()
    indices = []
    for k, name in enumerate(objects.names):
        if k == objects.background:
            indices.append(NO_CLASS)
        elif are_unnamed:
            indices.append(CLASS_FROM_MASK)
        else:
            indices.append(index[name])
    return tuple(indices)


def _foreground_names(classes: Classes) -> list[str]:
    return [name for k, name in enumerate(classes.names) if k != classes.background]


def _thing_names(classes: Classes) -> set[str]:
    return {name for name, is_thing in zip(classes.names, classes.things, strict=True) if is_thing}


def _choice(classes: Classes) -> str:
    return f"of: {', '.join(_foreground_names(classes))}"


def _colors(first: Classes, names: Sequence[str]) -> tuple[Color, ...]:
    """The colours that classes have already; others get colours that no class has."""
    known = dict(zip(first.names, first.colors, strict=True))
    candidates = palette(2 * len(names) + len(known))
    unused = (color for color in candidates if color not in first.colors)
    return tuple(known[name] if name in known else next(unused) for name in names)

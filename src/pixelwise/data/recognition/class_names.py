"""Class names: parsing, selecting and checking them, and making `Classes` of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...classes import Classes, Color, palette
from ...ops.names import suggest

GivenClasses = Classes | Sequence[str] | str | None
"""The type of the argument `classes` of `open_dataset`; those of `void` and `colors` follow."""

GivenVoid = int | Sequence[int] | None
GivenColors = Mapping[str, Sequence[int]] | str | None


def parse_names(names: Sequence[str] | str) -> tuple[str, ...]:
    """Split names that are separated by commas, and strip each.

    Raises:
        ValueError: there are none, or one is empty or no text.
    """
    parts = names.split(",") if isinstance(names, str) else names
    if not all(isinstance(part, str) and part.strip() for part in parts) or not parts:
        raise ValueError(f"classes are {names!r}: give names, for example background,cell")
    return tuple(part.strip() for part in parts)


def make_classes(names: Sequence[str], things: Sequence[bool] = (), colors: Sequence[Color] = ()) -> Classes:
    """Make classes of these names; one that is called background is the background."""
    plain = [name.strip("_ ").lower() for name in names]
    background = plain.index("background") if "background" in plain else None
    return Classes(tuple(names), tuple(colors), tuple(things), background)


def two_classes(name: str = "foreground", thing: bool = False) -> Classes:
    """Make two classes: the background and one other."""
    return make_classes(("background", name), (False, thing))


def background_name(objects: Sequence[str]) -> str:
    """A name for the background that none of the objects has."""
    return next(name for name in ("background", "nothing", "no category") if name not in objects)


def object_classes(every: Sequence[str], wanted: GivenClasses, where: str) -> Classes:
    """Make classes of a background and the categories of objects that are wanted.

    Args:
        every: the names of all categories, without the background.
        wanted: those to keep, in this order, with or without a name for the background before them; None keeps all.
        where: the file, for the error.

    Raises:
        ValueError: a wanted name is none of them.
    """
    if isinstance(wanted, Classes):
        chosen = wanted
    else:
        given = wanted.split(",") if isinstance(wanted, str) else wanted or every
        names = [name.strip() for name in given]
        background = background_name(every)
        if wanted is not None and len(names) > 1 and names[0] not in every:
            background, *names = names
        things = [False] + [True] * len(names)
        chosen = Classes((background, *names), ((0, 0, 0), *palette(len(names))), tuple(things), 0)
    objects = [name for k, name in enumerate(chosen.names) if k != chosen.background]
    _check_known(objects, every, f"{where} has no category")
    return chosen


def select_classes(every: Classes, wanted: Sequence[str] | str, lacks: str) -> Classes:
    """Select the classes that are wanted, in this order.

    Raises:
        ValueError: there is no such class; the error begins with `lacks`, as "Cityscapes has no class".
    """
    names = tuple(name.strip() for name in (wanted.split(",") if isinstance(wanted, str) else wanted))
    _check_known(names, every.names, lacks)
    return every.select([every.index(name) for name in names])


def _check_known(names: Sequence[str], every: Sequence[str], lacks: str) -> None:
    unknown = next((name for name in names if name not in every), None)
    if unknown is not None:
        raise ValueError(f"{lacks} {unknown!r}; {suggest(unknown, every)}")

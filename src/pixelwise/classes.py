"""The classes of a segmentation task: their names, their colours, and which of them are things."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

Color = tuple[int, int, int]

VOID = 255
"""Value of void pixels in a class map: they belong to no class and are ignored in losses and metrics."""

MAX_CLASSES = 255
"""Maximum number of classes in a class map, which has 8 bits and reserves 255 for void."""

# Okabe and Ito's eight colours, which people with any common form of colour blindness can tell apart, without black,
# which is left to backgrounds.
SAFE_COLORS: tuple[Color, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)


@cache
def palette(number: int) -> tuple[Color, ...]:
    """Colours that are easy to tell apart.

    The first seven are those of Okabe and Ito, chosen for colour blindness. Each further one is as far as possible, in
    CIELAB, from all before it, from black and from white; none is very dark, very light or grey.

    Args:
        number: how many.

    Returns:
        RGB colours, 0 to 255. A longer palette begins with the shorter one.
    """
    import cv2
    import numpy as np

    levels = np.arange(0, 256, 15)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 3)
    candidates = np.concatenate([SAFE_COLORS, [(0, 0, 0), (255, 255, 255)], grid])
    lab = cv2.cvtColor((candidates[None] / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    lightness, chroma = lab[:, 0], np.hypot(lab[:, 1], lab[:, 2])
    is_vivid = (abs(lightness - 65) < 25) & (chroma > 20)
    # Distance of each candidate to the nearest colour that is taken; a factor of 0 rules out the others for good.
    taken = lab[None, : len(SAFE_COLORS) + 2]
    distances = np.linalg.norm(lab[:, None] - taken, axis=2).min(1) * is_vivid
    chosen = list(SAFE_COLORS)
    while len(chosen) < number:
        farthest = distances.argmax()
        r, g, b = candidates[farthest].tolist()
        chosen.append((r, g, b))
        distances = np.minimum(distances, np.linalg.norm(lab - lab[farthest], axis=1))
    return tuple(chosen[:number])


@dataclass(frozen=True)
class Classes:
    """The classes of one task, in the order of their indices.

    Attributes:
        names: unique names, one for each class.
        colors: RGB colours, 0 to 255, one for each class; chosen to be easy to tell apart when not given.
        things: whether each class is countable (a thing, as a car) rather than stuff (as the sky); all are stuff when
            not given.
        background: index of the class of pixels that no segment covers, or None where such pixels are void.

    Raises:
        ValueError: for repeated names, for lengths that differ, for a colour outside 0 to 255, for a background that is
            not an index of a class.

    >>> Classes(("background", "cell"), background=0).index("cell")
    1
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...] = ()
    things: tuple[bool, ...] = ()
    background: int | None = None

    def __post_init__(self) -> None:
        names = tuple(str(name) for name in self.names)
        _check_names(names)
        if self.background is not None and not 0 <= self.background < len(names):
            raise ValueError(f"background is {self.background}, but the classes are numbered 0 to {len(names) - 1}")
        colors = tuple((int(r), int(g), int(b)) for r, g, b in self.colors) or self._default_colors(len(names))
        _check_length("colors", len(colors), len(names))
        things = tuple(bool(thing) for thing in self.things) or (False,) * len(names)
        _check_length("things", len(things), len(names))
        for color in colors:
            if min(color) < 0 or max(color) > 255:
                raise ValueError(f"colour {color} is not RGB from 0 to 255")
        # A frozen dataclass can be written in no other way.
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "colors", colors)
        object.__setattr__(self, "things", things)

    def _default_colors(self, number: int) -> tuple[Color, ...]:
        if self.background is None:
            return palette(number)
        colors = list(palette(number - 1))
        colors.insert(self.background, (0, 0, 0))
        return tuple(colors)

    @classmethod
    def numbered(cls, number: int) -> Classes:
        """Classes without names of their own: `class 0`, `class 1`, …"""
        return cls(tuple(f"class {k}" for k in range(number)))

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Classes:
        """Restore classes from the dictionary that `to_dict` returned."""
        colors: Iterable[Iterable[int]] = record["colors"]
        return cls(
            names=tuple(record["names"]),
            colors=tuple((r, g, b) for r, g, b in colors),
            things=tuple(record["things"]),
            background=record["background"],
        )

    def to_dict(self) -> dict[str, Any]:
        """A dictionary of lists and numbers, for JSON and YAML."""
        return {
            "names": list(self.names),
            "colors": [list(color) for color in self.colors],
            "things": list(self.things),
            "background": self.background,
        }

    def __len__(self) -> int:
        return len(self.names)

    def select(self, indices: Sequence[int]) -> Classes:
        """Some of the classes, in the order of `indices`."""
        chosen = list(indices)
        names = tuple(self.names[k] for k in chosen)
        colors = tuple(self.colors[k] for k in chosen)
        things = tuple(self.things[k] for k in chosen)
        background = chosen.index(self.background) if self.background in chosen else None
        return Classes(names, colors, things, background)

    def index(self, name: str) -> int:
        """The index of the class called `name`.

        Raises:
            KeyError: there is no such class; the error lists those there are.
        """
        if name not in self.names:
            raise KeyError(f"no class is called {name!r}; there are: {', '.join(self.names)}")
        return self.names.index(name)


def _check_names(names: Sequence[str]) -> None:
    if not names:
        raise ValueError("classes need at least one name, for example Classes(('background', 'cell'))")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"class names must be unique, but these are repeated: {', '.join(map(repr, repeated))}")


def _check_length(what: str, given: int, classes: int) -> None:
    if given != classes:
        raise ValueError(f"{given} {what} for {classes} classes: give one for each class, or none at all")

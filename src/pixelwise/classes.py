"""What can be in an image: the names, colours and kinds of the classes of one task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

Color = tuple[int, int, int]

VOID = 255
"""The value of pixels that belong to no class in a class map: never trained on, never counted."""

MAX_CLASSES = 255
"""A class map is 8 bit and 255 is void, so that many classes fit."""

# Okabe and Ito's eight colours, told apart with every common form of colour blindness; black is for backgrounds.
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
    """`number` colours (RGB, 0 to 255): seven that colour-blind people tell apart, then each as far as can be from all
    before it, from black and from white, in CIELAB; none is very dark, very light or grey."""
    import cv2
    import numpy as np

    steps = np.arange(0, 256, 15)
    colors = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    colors = np.concatenate([SAFE_COLORS, [(0, 0, 0), (255, 255, 255)], colors])
    lab = cv2.cvtColor((colors[None] / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    fine = (abs(lab[:, 0] - 65) < 25) & (np.hypot(lab[:, 1], lab[:, 2]) > 20)
    chosen, taken = list(SAFE_COLORS), len(SAFE_COLORS) + 2
    distances = np.linalg.norm(lab[:, None] - lab[None, :taken], axis=2).min(1) * fine
    while len(chosen) < number:
        farthest = distances.argmax()
        r, g, b = colors[farthest].tolist()
        chosen.append((r, g, b))
        distances = np.minimum(distances, np.linalg.norm(lab - lab[farthest], axis=1))
    return tuple(chosen[:number])


@dataclass(frozen=True)
class Classes:
    """The classes of one task, in the order of their indices.

    Attributes:
        names: one name a class, all different.
        colors: RGB, 0 to 255, one a class; colours that one can tell apart when not given.
        things: for each class whether it is countable (a car) rather than stuff (the sky); stuff when not given.
        background: index of the class that fills whatever no segment covers, or None where such pixels are void.

    Raises:
        ValueError: for repeated names, for lengths that differ, for a colour outside 0 to 255.

    >>> Classes(("background", "cell"), background=0).index("cell")
    1
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...] = ()
    things: tuple[bool, ...] = ()
    background: int | None = None

    def __post_init__(self) -> None:
        names = tuple(str(name) for name in self.names)
        if not names:
            raise ValueError("classes need at least one name, for example Classes(('background', 'cell'))")
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"class names must differ, but {', '.join(map(repr, repeated))} stand more than once")
        if self.background is not None and not 0 <= self.background < len(names):
            raise ValueError(f"background is {self.background}, but the classes are numbered 0 to {len(names) - 1}")
        colors = tuple((int(r), int(g), int(b)) for r, g, b in self.colors) or self._default_colors(len(names))
        things = tuple(bool(thing) for thing in self.things) or (False,) * len(names)
        for what, given in (("colors", colors), ("things", things)):
            if len(given) != len(names):
                raise ValueError(f"{len(given)} {what} for {len(names)} classes: give one a class, or none at all")
        wrong = [color for color in colors if not all(0 <= value <= 255 for value in color)]
        if wrong:
            raise ValueError(f"colour {wrong[0]} is not RGB from 0 to 255")
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
        """Classes that nobody has named yet: `class 0`, `class 1`, …"""
        return cls(tuple(f"class {k}" for k in range(number)))

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Classes:
        """The classes that `to_dict` wrote."""
        colors: Iterable[Iterable[int]] = record["colors"]
        return cls(
            names=tuple(record["names"]),
            colors=tuple((r, g, b) for r, g, b in colors),
            things=tuple(record["things"]),
            background=record["background"],
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON and YAML."""
        return {
            "names": list(self.names),
            "colors": [list(color) for color in self.colors],
            "things": list(self.things),
            "background": self.background,
        }

    def __len__(self) -> int:
        return len(self.names)

    def select(self, indices: Sequence[int]) -> Classes:
        """Some of the classes, in the order of their indices here."""
        pick = list(indices)
        return Classes(
            tuple(self.names[k] for k in pick),
            tuple(self.colors[k] for k in pick),
            tuple(self.things[k] for k in pick),
            pick.index(self.background) if self.background in pick else None,
        )

    def index(self, name: str) -> int:
        """The index of the class called `name`; a KeyError lists the names there are."""
        if name not in self.names:
            raise KeyError(f"no class is called {name!r}; there are: {', '.join(self.names)}")
        return self.names.index(name)
